"""The shapes in which a candidate travels as an MLflow run."""

from collections.abc import Mapping

import msgspec

from modelyard.domains.tracking.hot.operations import CandidateInfo
from modelyard.domains.tracking.locations import candidate_location


class RunInfo(msgspec.Struct, omit_defaults=True):
    """The head of a run."""

    run_id: str
    run_uuid: str
    run_name: str
    experiment_id: str
    user_id: str
    status: str
    start_time: int
    artifact_uri: str
    lifecycle_stage: str
    end_time: int | None = None


class KeyValue(msgspec.Struct, gc=False):
    """A tag or parameter."""

    key: str
    value: str


class Metric(msgspec.Struct, gc=False):
    """A point. NaN and infinities are texts."""

    key: str
    value: float | str
    timestamp: int
    step: int


class RunData(msgspec.Struct, omit_defaults=True):
    """The latest point of each metric, and all parameters and tags."""

    metrics: list[Metric] = []
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class DatasetShape(msgspec.Struct, omit_defaults=True):
    """A dataset as it was described; `schema` and `profile` are texts of JSON."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInput(msgspec.Struct, omit_defaults=True):
    """A dataset that went in, with tags such as its context."""

    dataset: DatasetShape
    tags: list[KeyValue] = []


class ModelInput(msgspec.Struct):
    """A logged model that went in."""

    model_id: str


class ModelOutput(msgspec.Struct):
    """A logged model that came out, at a step."""

    model_id: str
    step: int


class RunInputs(msgspec.Struct, omit_defaults=True):
    dataset_inputs: list[DatasetInput] = []
    model_inputs: list[ModelInput] = []


class RunOutputs(msgspec.Struct, omit_defaults=True):
    model_outputs: list[ModelOutput] = []


class Run(msgspec.Struct, omit_defaults=True):
    """A whole run."""

    info: RunInfo
    data: RunData
    inputs: RunInputs | None = None
    outputs: RunOutputs | None = None


class RunAnswer(msgspec.Struct):
    run: Run


class RunInfoAnswer(msgspec.Struct):
    run_info: RunInfo


def run_info(candidate: CandidateInfo) -> RunInfo:
    """The head of a candidate's run."""
    place = candidate.place
    return RunInfo(
        run_id=place.run_id,
        run_uuid=place.run_id,
        run_name=candidate.name,
        experiment_id=str(place.experiment_iid),
        user_id=candidate.source_user,
        status=candidate.status.name,
        start_time=candidate.start_ms,
        artifact_uri=candidate_location(place.experiment_iid, place.run_id),
        lifecycle_stage="deleted" if candidate.is_deleted else "active",
        end_time=candidate.end_ms,
    )


def key_values(texts: Mapping[str, str]) -> list[KeyValue]:
    """A mapping as MLflow's list."""
    return [KeyValue(key, value) for key, value in texts.items()]

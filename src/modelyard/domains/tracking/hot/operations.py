"""What can be asked of the lane, and what it answers. msgspec's structs, because one is made for every request."""

from collections.abc import Mapping, Sequence
from enum import IntEnum

import msgspec


class Status(IntEnum):
    """Of a candidate; the names are MLflow's."""

    RUNNING = 0
    SCHEDULED = 1
    FINISHED = 2
    FAILED = 3
    KILLED = 4


class CandidatePlace(msgspec.Struct, frozen=True):
    """Where a candidate lives. None of it ever changes, so it can be remembered."""

    candidate_id: int
    project_id: int
    experiment_id: int
    experiment_iid: int
    iid: int
    run_id: str


class CandidateInfo(msgspec.Struct, frozen=True):
    """A candidate's own row, as it is after an operation."""

    place: CandidatePlace
    name: str
    status: Status
    source_user: str
    start_ms: int
    end_ms: int | None
    is_deleted: bool = False


class Repeat(msgspec.Struct, frozen=True):
    """Digests of the key and the body of a request that may be sent again."""

    key: str
    body: str


class CreateCandidate(msgspec.Struct, frozen=True):
    """`tags` hold the name too, under `mlflow.runName`."""

    project_id: int
    experiment_iid: int
    run_id: str
    name: str
    source_user: str
    creator_id: int | None
    start_ms: int
    now_ms: int
    tags: Mapping[str, str]
    repeat: Repeat | None = None


class UpdateCandidate(msgspec.Struct, frozen=True):
    """What is None stays as it is."""

    place: CandidatePlace
    now_ms: int
    status: Status | None = None
    end_ms: int | None = None
    name: str | None = None


class MetricColumns(msgspec.Struct, frozen=True):
    """Points in columns of equal length. NaN and infinities are floats."""

    names: Sequence[str]
    steps: Sequence[int]
    timestamps_ms: Sequence[int]
    values: Sequence[float]


class ModelMetric(msgspec.Struct, frozen=True):
    """A point that was measured on a logged model, and possibly on a dataset."""

    model_id: str
    name: str
    step: int
    timestamp_ms: int
    value: float
    dataset_name: str
    dataset_digest: str


class LogData(msgspec.Struct, frozen=True):
    """Metrics, parameters and tags of one candidate: applied whole or not at all."""

    place: CandidatePlace
    now_ms: int
    metrics: MetricColumns | None = None
    parameters: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    model_metrics: Sequence[ModelMetric] = ()


Operation = CreateCandidate | UpdateCandidate | LogData

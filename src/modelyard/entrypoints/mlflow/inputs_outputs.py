"""What went into a run and came out of it: datasets and logged models."""

from typing import Annotated

import msgspec

from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.candidates import (
    LoggedOutput,
    get_candidate,
    log_model_inputs,
    log_model_outputs,
    note_model,
)
from modelyard.domains.tracking.datasets import DatasetUse, log_datasets
from modelyard.entrypoints.mlflow.experiments import check_present
from modelyard.entrypoints.mlflow.router import Asked, Routes
from modelyard.entrypoints.mlflow.runs import KeyValue, ModelInput
from modelyard.entrypoints.mlflow.wire import missing_parameter
from modelyard.entrypoints.request import needs
from modelyard.platform.errors import Invalid
from modelyard.platform.settings import MEBIBYTE

Step = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

# A profile alone may have 16 MiB.
MOST_INPUT_BYTES = 20 * MEBIBYTE


class DescribedDataset(msgspec.Struct):
    """A dataset as a client describes it."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class UsedDataset(msgspec.Struct):
    """A dataset and the tags of its use."""

    dataset: DescribedDataset
    tags: list[KeyValue] = []


class LogInputs(msgspec.Struct):
    """Body of `runs/log-inputs`."""

    run_id: str
    datasets: list[UsedDataset] = []
    models: list[ModelInput] = []


class LoggedOutputBody(msgspec.Struct):
    """A model of `runs/outputs`."""

    model_id: str
    step: Step = 0


class LogOutputs(msgspec.Struct):
    """Body of `runs/outputs`."""

    run_id: str
    models: list[LoggedOutputBody]


class LogModel(msgspec.Struct):
    """Body of `runs/log-model`."""

    run_id: str
    model_json: str


def log_inputs(asked: Asked, body: LogInputs) -> object:
    """MLflow's `runs/log-inputs`."""
    check_present(body.run_id, "run_id")
    uses = [
        DatasetUse(
            name=used.dataset.name,
            digest=used.dataset.digest,
            source_type=used.dataset.source_type,
            source=used.dataset.source,
            schema=used.dataset.schema,
            profile=used.dataset.profile,
            tags={tag.key: tag.value for tag in used.tags},
        )
        for used in body.datasets
    ]
    with asked.write() as (session, actor, project):
        candidate = get_candidate(session, actor, project, body.run_id)
        log_datasets(session, actor, candidate, uses)
        log_model_inputs(session, actor, candidate, [model.model_id for model in body.models])
    return None


def log_outputs(asked: Asked, body: LogOutputs) -> object:
    """MLflow's `runs/outputs`."""
    check_present(body.run_id, "run_id")
    if not body.models:
        raise Invalid(missing_parameter("models"))
    outputs = [LoggedOutput(model.model_id, model.step) for model in body.models]
    with asked.write() as (session, actor, project):
        log_model_outputs(session, actor, get_candidate(session, actor, project, body.run_id), outputs)
    return None


def log_model(asked: Asked, body: LogModel) -> object:
    """MLflow's `runs/log-model`."""
    check_present(body.run_id, "run_id")
    check_present(body.model_json, "model_json")
    with asked.write() as (session, actor, project):
        note_model(session, actor, get_candidate(session, actor, project, body.run_id), body.model_json)
    return None


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    writes = needs(Ability.WRITE_TRACKING)
    routes.cold("POST", "mlflow/runs/log-inputs", writes, LogInputs, most_bytes=MOST_INPUT_BYTES)(log_inputs)
    routes.cold("POST", "mlflow/runs/outputs", writes, LogOutputs)(log_outputs)
    routes.cold("POST", "mlflow/runs/log-model", writes, LogModel)(log_model)

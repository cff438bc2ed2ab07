"""What can be asked of the lane, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum


class Status(IntEnum):
    """Of a candidate; the names are MLflow's."""

    RUNNING = 0
    SCHEDULED = 1
    FINISHED = 2
    FAILED = 3
    KILLED = 4


@dataclass(frozen=True, slots=True)
class CandidatePlace:
    """Where a candidate lives. None of it ever changes, so it can be remembered."""

    candidate_id: int
    project_id: int
    experiment_id: int
    experiment_iid: int
    iid: int
    run_id: str


@dataclass(frozen=True, slots=True)
class CandidateInfo:
    """A candidate's own row, as it is after an operation."""

    place: CandidatePlace
    name: str
    status: Status
    source_user: str
    start_ms: int
    end_ms: int | None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class CreateCandidate:
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


@dataclass(frozen=True, slots=True)
class UpdateCandidate:
    """What is None stays as it is."""

    place: CandidatePlace
    now_ms: int
    status: Status | None = None
    end_ms: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """Points in columns of equal length. NaN and infinities are floats."""

    names: Sequence[str]
    steps: Sequence[int]
    timestamps_ms: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class ModelMetric:
    """A point that was measured on a logged model, and possibly on a dataset."""

    model_id: str
    name: str
    step: int
    timestamp_ms: int
    value: float
    dataset_name: str
    dataset_digest: str


@dataclass(frozen=True, slots=True)
class LogData:
    """Metrics, parameters and tags of one candidate: applied whole or not at all."""

    place: CandidatePlace
    now_ms: int
    metrics: MetricColumns | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    model_metrics: Sequence[ModelMetric] = ()


Operation = CreateCandidate | UpdateCandidate | LogData

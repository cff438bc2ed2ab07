"""What other domains may hear about experiments, candidates and logged models."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExperimentCreated:
    actor_id: int | None
    project_id: int
    experiment_id: int


@dataclass(frozen=True)
class ExperimentChanged:
    """Its name, description, primary metric, tags, or whether it is archived."""

    actor_id: int | None
    project_id: int
    experiment_id: int


@dataclass(frozen=True)
class ExperimentDeleted:
    """With all its candidates; both can be restored."""

    actor_id: int | None
    project_id: int
    experiment_id: int


@dataclass(frozen=True)
class ExperimentRestored:
    actor_id: int | None
    project_id: int
    experiment_id: int


@dataclass(frozen=True)
class CandidateDeleted:
    actor_id: int | None
    project_id: int
    candidate_id: int


@dataclass(frozen=True)
class CandidateRestored:
    actor_id: int | None
    project_id: int
    candidate_id: int


@dataclass(frozen=True)
class LoggedModelCreated:
    actor_id: int | None
    project_id: int
    logged_model_id: int


@dataclass(frozen=True)
class LoggedModelDeleted:
    actor_id: int | None
    project_id: int
    logged_model_id: int

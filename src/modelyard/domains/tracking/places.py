"""Where the files of candidates and logged models lie, by the ids that MLflow's clients know. Asks nobody's ability."""

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from modelyard.domains.tracking.tables import Candidate, Experiment, LoggedModel


@dataclass(frozen=True)
class CandidatePlace:
    """A candidate, as far as its files need to know it."""

    project_id: int
    experiment_iid: int
    candidate_id: int
    candidate_iid: int
    is_deleted: bool


@dataclass(frozen=True)
class LoggedModelPlace:
    """A logged model; `candidate_iid` is of the candidate that made it, if one did."""

    project_id: int
    experiment_iid: int
    candidate_iid: int | None
    is_deleted: bool


# Made once, since every file that is logged or fetched asks.
_CANDIDATE = (
    select(Candidate.project_id, Experiment.iid, Candidate.id, Candidate.iid, Candidate.deleted_ms)
    .join(Experiment, Experiment.id == Candidate.experiment_id)
    .where(Candidate.run_id == bindparam("run_id"))
)
_LOGGED_MODEL = (
    select(LoggedModel.project_id, Experiment.iid, Candidate.iid, LoggedModel.deleted_ms)
    .join(Experiment, Experiment.id == LoggedModel.experiment_id)
    .outerjoin(Candidate, Candidate.id == LoggedModel.candidate_id)
    .where(LoggedModel.model_id == bindparam("model_id"))
)


def find_candidate_place(session: Session, run_id: str) -> CandidatePlace | None:
    """The place of a candidate; deleted ones have one too."""
    row = session.execute(_CANDIDATE, {"run_id": run_id}).one_or_none()
    return None if row is None else CandidatePlace(*row[:4], is_deleted=row[4] is not None)


def find_logged_model_place(session: Session, model_id: str) -> LoggedModelPlace | None:
    """The place of a logged model; deleted ones have one too."""
    row = session.execute(_LOGGED_MODEL, {"model_id": model_id}).one_or_none()
    return None if row is None else LoggedModelPlace(*row[:3], is_deleted=row[3] is not None)

"""Candidates by the number that people know them by, and their neighbours."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidate_rows import EVERYTHING, CandidateRow, Wanted, rows_of
from modelyard.domains.tracking.search.fragments import Reader
from modelyard.domains.tracking.tables import Candidate
from modelyard.platform.errors import NotFound


@dataclass(frozen=True)
class Neighbours:
    """The numbers of the candidates before and after one in its experiment; None at the ends."""

    previous_iid: int | None
    next_iid: int | None


def read_numbered_candidate(
    session: Session, actor: Actor, project: Project, iid: int, *, wanted: Wanted = EVERYTHING
) -> CandidateRow:
    """The candidate with this number in the project, deleted or not.

    Raises:
        Forbidden, NotFound: of the project; there is no such candidate.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    found = session.scalar(select(Candidate.id).where(Candidate.project_id == project.id, Candidate.iid == iid))
    rows = rows_of(Reader(session.connection()), project.id, [found], wanted) if found is not None else []
    if not rows:
        raise NotFound(f"There is no candidate {iid} in this project.")
    return rows[0]


def neighbours_of(session: Session, actor: Actor, project: Project, candidate: CandidateRow) -> Neighbours:
    """The candidates that were logged just before and after, deleted ones left out.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    numbers = select(Candidate.iid).where(
        Candidate.project_id == project.id,
        Candidate.experiment_id == candidate.experiment_id,
        Candidate.deleted_ms.is_(None),
    )
    before = numbers.where(Candidate.iid < candidate.iid).order_by(Candidate.iid.desc()).limit(1)
    after = numbers.where(Candidate.iid > candidate.iid).order_by(Candidate.iid).limit(1)
    return Neighbours(session.scalar(before), session.scalar(after))


def numbers_of_runs(session: Session, actor: Actor, project: Project, run_ids: list[str]) -> dict[str, int]:
    """The numbers of candidates, by what MLflow calls them; those of other projects are left out.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    known = [run_id for run_id in run_ids if "\0" not in run_id]
    is_one = (Candidate.project_id == project.id, Candidate.run_id.in_(known))
    chosen = select(Candidate.run_id, Candidate.iid).where(*is_one)
    return {row.run_id: row.iid for row in session.execute(chosen)}

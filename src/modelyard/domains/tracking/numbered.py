"""Candidates by the number that people know them by, and their neighbours."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidate_rows import EVERYTHING, CandidateRow, Wanted, rows_of
from modelyard.domains.tracking.search.fragments import Reader, Sql, sql
from modelyard.domains.tracking.tables import Candidate
from modelyard.platform.errors import NotFound

# In this tag MLflow says which run another one is nested in.
PARENT_TAG = "mlflow.parentRunId"


class Parent(NamedTuple):
    """The candidate that another one is nested in."""

    iid: int
    name: str
    is_deleted: bool


class Brief(NamedTuple):
    """What names a candidate elsewhere."""

    name: str
    deleted_ms: int | None


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


def parents_of(
    session: Session, actor: Actor, project: Project, candidates: Sequence[CandidateRow]
) -> dict[int, Parent]:
    """What these candidates are nested in, by their ids, in one query; parents in other projects are left out.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    if not candidates:
        return {}
    reader = Reader(session.connection())
    # CROSS JOIN keeps SQLite from beginning with the parents.
    found = reader.rows(
        sql(
            "SELECT t.candidate_id, p.iid, p.name, p.deleted_ms"
            " FROM tracking_keys k CROSS JOIN candidate_tags t CROSS JOIN candidates p"
            " WHERE k.project_id = ? AND k.name = ? AND t.key_id = k.id AND ?"
            " AND p.run_id = t.value AND p.project_id = k.project_id",
            project.id,
            PARENT_TAG,
            reader.among(Sql("t.candidate_id"), [row.id for row in candidates]),
        )
    )
    return {id_: Parent(iid, name, deleted_ms is not None) for id_, iid, name, deleted_ms in found}


def briefs_of(session: Session, actor: Actor, project: Project, iids: Collection[int]) -> dict[int, Brief]:
    """The candidates with these numbers, deleted or not, by number.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    if not iids:
        return {}
    these = (Candidate.project_id == project.id, Candidate.iid.in_(iids))
    rows = session.execute(select(Candidate.iid, Candidate.name, Candidate.deleted_ms).where(*these))
    return {iid: Brief(name, deleted_ms) for iid, name, deleted_ms in rows}

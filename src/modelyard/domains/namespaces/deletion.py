"""How a group or project goes, in two steps: at once it is nowhere, and a task removes for good what it held."""

from dataclasses import dataclass

from sqlalchemy import Select, delete, false, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from modelyard.domains.accounts.tables import AccessToken
from modelyard.domains.namespaces.tables import Namespace, Project, TokenPlace
from modelyard.platform.clock import now
from modelyard.platform.database import Database, execute_counting
from modelyard.platform.errors import NotFound
from modelyard.platform.purging import purge_below
from modelyard.platform.tasks.queue import enqueue

PURGE_PLACE = "namespaces.purge_place"
# Then other tasks have a turn.
MOST_SECONDS_AT_ONCE = 5.0


@dataclass(frozen=True)
class DeletedPlace:
    """Which place the task `PURGE_PLACE` removes."""

    is_project: bool
    id: int


def keep_there(session: Session, place: Namespace) -> None:
    """Let nobody delete a group before this transaction ends, so that nothing new is left in what is deleted.

    Raises:
        NotFound: somebody was quicker.
    """
    there = select(Namespace.id).where(Namespace.id == place.id, Namespace.deleted_at.is_(None))
    if session.scalar(there.with_for_update(read=True)) is None:
        raise NotFound("This group has just been deleted.")


def mark_deleted(session: Session, place: Namespace | Project) -> None:
    """Let a place and all that lies in it be nowhere once this is committed, and have a task remove it.

    That takes a few statements, however much the place holds; the tokens that belong to it end.
    """
    if isinstance(place, Project):
        groups, projects = select(Namespace.id).where(false()), select(Project.id).where(Project.id == place.id)
    else:
        groups = select(Namespace.id).where(Namespace.lineage.startswith(place.lineage, autoescape=True))
        projects = select(Project.id).where(Project.namespace_id.in_(groups))
        # On PostgreSQL this waits for those who are just making something in there, see `keep_there`.
        session.execute(groups.with_for_update()).all()
    moment = now()
    for kind, ids in ((Namespace, groups), (Project, projects)):
        there = update(kind).where(kind.id.in_(ids), kind.deleted_at.is_(None))
        execute_counting(session, there.values(deleted_at=moment))
    set_committed_value(place, "deleted_at", moment)
    _end_tokens(session, groups, projects)
    enqueue(session, PURGE_PLACE, DeletedPlace(isinstance(place, Project), place.id))


def _end_tokens(session: Session, groups: Select[int], projects: Select[int]) -> None:
    belonging = or_(TokenPlace.namespace_id.in_(groups), TokenPlace.project_id.in_(projects))
    ended = update(AccessToken).where(
        AccessToken.id.in_(select(TokenPlace.token_id).where(belonging)),
        AccessToken.kind != "pat",
        AccessToken.revoked_at.is_(None),
    )
    execute_counting(session, ended.values(revoked_at=now()))


def purge_place(database: Database, place: DeletedPlace) -> None:
    """Remove what a deleted place held, and then the place, in short transactions; done again it does no harm.

    After a few seconds the rest is left to another task. The bytes of files are swept later.
    """
    kind = Project if place.is_project else Namespace
    with database.read() as session:
        if session.scalar(select(kind.id).where(kind.id == place.id, kind.deleted_at.is_not(None))) is None:
            return
    is_empty = purge_below(database, kind, [place.id], most_s=MOST_SECONDS_AT_ONCE)
    with database.write(changes_access=False, uses_reserve=True) as session:
        if is_empty:
            execute_counting(session, delete(kind).where(kind.id == place.id))
        else:
            enqueue(session, PURGE_PLACE, place)

"""What was deleted goes for good when the time to restore it is over, a few rows to a transaction.

First it is marked as going, so that nobody restores half of it; then what hangs on it is removed, then it is itself.
A candidate stays as long as a logged model of it may be wanted, since that model's files lie among its own. A deleted
experiment takes everything that is in it along.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from modelyard.domains.packages.contents import PackageName, find_package, remove_files, remove_package
from modelyard.domains.packages.emptying import thin_out
from modelyard.domains.tracking.artifacts import candidate_package, logged_model_folder
from modelyard.domains.tracking.states import GOING_AT, GOING_MS
from modelyard.domains.tracking.tables import Candidate, Experiment, LoggedModel
from modelyard.platform.clock import now, to_ms
from modelyard.platform.database import Database, execute_counting
from modelyard.platform.purging import purge_below

FOUND_AT_ONCE = 500
PURGED_AT_ONCE = 10

Kind = type[LoggedModel] | type[Candidate] | type[Experiment]


@dataclass(frozen=True)
class Purged:
    """How many things went."""

    logged_models: int
    candidates: int
    experiments: int


@dataclass(frozen=True)
class _Files:
    """Where the files of something that goes lie: a folder of a package, or all of it."""

    project_id: int
    package: PackageName
    folder: str = ""


def purge_deleted(database: Database, *, keep: timedelta) -> Purged:
    """Remove what was deleted longer ago than `keep`. Bytes that nothing else holds are swept after that."""
    before = now() - keep
    with database.write(changes_access=False, uses_reserve=True) as session:
        # Before anything in an experiment goes, because whoever restores it expects that back, too.
        going = update(Experiment).where(Experiment.deleted_at < before, Experiment.deleted_at != GOING_AT)
        execute_counting(session, going.values(deleted_at=GOING_AT))
    return Purged(
        logged_models=_purge(database, LoggedModel, _models_are_over(before), _files_of_models),
        candidates=_purge(database, Candidate, _candidates_are_over(before), _files_of_candidates),
        experiments=_purge(database, Experiment, _experiments_are_over(), lambda _session, _ids: []),
    )


def _purge(
    database: Database,
    kind: Kind,
    is_over: ColumnElement[bool],
    files_of: Callable[[Session, Sequence[int]], list[_Files]],
) -> int:
    """Purge everything that is over; how many things that were."""
    total = 0
    while True:
        with database.read() as session:
            found = session.scalars(select(kind.id).where(is_over).order_by(kind.id).limit(FOUND_AT_ONCE)).all()
        purged = 0
        for start in range(0, len(found), PURGED_AT_ONCE):
            # Asked again by the statement that marks: somebody may have restored one of them meanwhile.
            ids = _mark(database, kind, and_(kind.id.in_(found[start : start + PURGED_AT_ONCE]), is_over))
            purge_below(database, kind, ids)
            purged += _remove(database, kind, ids, files_of)
        if not purged:
            return total
        total += purged


def _mark(database: Database, kind: Kind, are_over: ColumnElement[bool]) -> list[int]:
    """Let nobody restore what is over any more; the ids of what that is."""
    going = {"deleted_at": GOING_AT} if kind is Experiment else {"deleted_ms": GOING_MS}
    marked = update(kind).where(are_over).values(going).returning(kind.id)
    with database.write(changes_access=False, uses_reserve=True) as session:
        return list(session.scalars(marked.execution_options(synchronize_session=False)))


def _remove(
    database: Database, kind: Kind, ids: Sequence[int], files_of: Callable[[Session, Sequence[int]], list[_Files]]
) -> int:
    """Remove things on which nothing hangs any more, with their files; how many that were."""
    with database.read() as session:
        all_files = files_of(session, ids)
        packages = [(find_package(session, files.project_id, files.package), files.folder) for files in all_files]
    for package, folder in packages:
        if package is not None:
            thin_out(database, package.id, folder)
    with database.write(changes_access=False, uses_reserve=True) as session:
        for files in all_files:
            package = find_package(session, files.project_id, files.package)
            if package is not None and files.folder:
                remove_files(session, package, files.folder, actor_id=None)
            elif package is not None:
                remove_package(session, package, actor_id=None)
        return execute_counting(session, delete(kind).where(kind.id.in_(ids)))


def _experiments_are_over() -> ColumnElement[bool]:
    is_empty = ~exists(select(Candidate.id).where(Candidate.experiment_id == Experiment.id))
    return and_(Experiment.deleted_at == GOING_AT, is_empty)


def _candidates_are_over(before: datetime) -> ColumnElement[bool]:
    has_models = exists(select(LoggedModel.id).where(LoggedModel.candidate_id == Candidate.id))
    is_over = and_(Candidate.deleted_ms < to_ms(before), ~has_models)
    return or_(is_over, Candidate.experiment_id.in_(_going_experiments()))


def _models_are_over(before: datetime) -> ColumnElement[bool]:
    is_over = LoggedModel.deleted_ms < to_ms(before)
    return or_(is_over, LoggedModel.experiment_id.in_(_going_experiments()))


def _going_experiments() -> Select[int]:
    return select(Experiment.id).where(Experiment.deleted_at == GOING_AT)


def _files_of_models(session: Session, ids: Sequence[int]) -> list[_Files]:
    rows = session.execute(
        select(LoggedModel.model_id, LoggedModel.project_id, Candidate.iid)
        .outerjoin(Candidate, Candidate.id == LoggedModel.candidate_id)
        .where(LoggedModel.id.in_(ids))
    )
    return [_Files(project_id, *logged_model_folder(model_id, iid)) for model_id, project_id, iid in rows]


def _files_of_candidates(session: Session, ids: Sequence[int]) -> list[_Files]:
    rows = session.execute(select(Candidate.project_id, Candidate.iid).where(Candidate.id.in_(ids)))
    return [_Files(project_id, candidate_package(iid)) for project_id, iid in rows]

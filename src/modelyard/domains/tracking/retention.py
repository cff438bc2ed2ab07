"""What was deleted goes for good when the time to restore it is over, a few things to a transaction.

A candidate stays as long as a logged model of it may be wanted, since that model's files lie among its own. A deleted
experiment takes everything that is in it along.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, delete, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from modelyard.domains.packages.contents import find_package, remove_files, remove_package
from modelyard.domains.tracking.artifacts import candidate_package, logged_model_folder
from modelyard.domains.tracking.tables import Candidate, Experiment, LoggedModel
from modelyard.platform.clock import now, to_ms
from modelyard.platform.database import Database, execute_counting

FOUND_AT_ONCE = 500
PURGED_AT_ONCE = 10


@dataclass(frozen=True)
class Purged:
    """How many things went."""

    logged_models: int
    candidates: int
    experiments: int


def purge_deleted(database: Database, *, keep: timedelta) -> Purged:
    """Remove what was deleted longer ago than `keep`. Bytes that nothing else holds are swept after that."""
    before = now() - keep
    return Purged(
        logged_models=_in_batches(database, LoggedModel.id, _models_are_over(before), _purge_logged_models),
        candidates=_in_batches(database, Candidate.id, _candidates_are_over(before), _purge_candidates),
        experiments=_in_batches(database, Experiment.id, _experiments_are_over(before), _purge_experiments),
    )


def _in_batches(
    database: Database,
    number: InstrumentedAttribute[int],
    is_over: ColumnElement[bool],
    purge: Callable[[Session, ColumnElement[bool]], int],
) -> int:
    """Purge everything that is over; how many things that were."""
    total = 0
    while True:
        with database.read() as session:
            found = session.scalars(select(number).where(is_over).order_by(number).limit(FOUND_AT_ONCE)).all()
        purged = 0
        for start in range(0, len(found), PURGED_AT_ONCE):
            # Asked again under the pen: somebody may have restored one of them meanwhile.
            still_over = and_(number.in_(found[start : start + PURGED_AT_ONCE]), is_over)
            with database.write(changes_access=False, uses_reserve=True) as session:
                purged += purge(session, still_over)
        if not purged:
            return total
        total += purged


def _experiments_are_over(before: datetime) -> ColumnElement[bool]:
    is_empty = ~exists(select(Candidate.id).where(Candidate.experiment_id == Experiment.id))
    return and_(Experiment.deleted_at < before, is_empty)


def _candidates_are_over(before: datetime) -> ColumnElement[bool]:
    has_models = exists(select(LoggedModel.id).where(LoggedModel.candidate_id == Candidate.id))
    is_over = and_(Candidate.deleted_ms < to_ms(before), ~has_models)
    return or_(is_over, Candidate.experiment_id.in_(_deleted_experiments(before)))


def _models_are_over(before: datetime) -> ColumnElement[bool]:
    is_over = LoggedModel.deleted_ms < to_ms(before)
    return or_(is_over, LoggedModel.experiment_id.in_(_deleted_experiments(before)))


def _deleted_experiments(before: datetime) -> Select[int]:
    return select(Experiment.id).where(Experiment.deleted_at < before)


def _purge_logged_models(session: Session, are_over: ColumnElement[bool]) -> int:
    rows = session.execute(
        select(LoggedModel.id, LoggedModel.model_id, LoggedModel.project_id, Candidate.iid)
        .outerjoin(Candidate, Candidate.id == LoggedModel.candidate_id)
        .where(are_over)
        .with_for_update(of=LoggedModel)
    ).all()
    for _, model_id, project_id, candidate_iid in rows:
        name, folder = logged_model_folder(model_id, candidate_iid)
        package = find_package(session, project_id, name)
        if package is not None and folder:
            remove_files(session, package, folder, actor_id=None)
        elif package is not None:
            remove_package(session, package, actor_id=None)
    return execute_counting(session, delete(LoggedModel).where(LoggedModel.id.in_([row[0] for row in rows])))


def _purge_candidates(session: Session, are_over: ColumnElement[bool]) -> int:
    chosen = select(Candidate.id, Candidate.project_id, Candidate.iid).where(are_over).with_for_update(of=Candidate)
    rows = session.execute(chosen).all()
    for _, project_id, iid in rows:
        package = find_package(session, project_id, candidate_package(iid))
        if package is not None:
            remove_package(session, package, actor_id=None)
    return execute_counting(session, delete(Candidate).where(Candidate.id.in_([row[0] for row in rows])))


def _purge_experiments(session: Session, are_over: ColumnElement[bool]) -> int:
    ids = session.scalars(select(Experiment.id).where(are_over).with_for_update(of=Experiment)).all()
    return execute_counting(session, delete(Experiment).where(Experiment.id.in_(ids)))

"""The queue: put a task in within your own transaction; a worker claims it under a lease and writes down how it went.

Every claim counts `attempt` up. What is written for a claim names its attempt, so that a worker whose lease ran out,
and whose task somebody else has begun again, can change nothing any more.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from modelyard.platform.clock import from_ms, now
from modelyard.platform.database import LEAVES_WORK, execute_counting
from modelyard.platform.errors import Conflict, NotFound
from modelyard.platform.inserting import insert_into
from modelyard.platform.tasks.tables import TaskRow

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 10
# After the first failure, the second, …; the last one counts for all that follow.
PAUSES_S = (5, 30, 120, 600, 1800, 7200, 21_600, 43_200, 86_400)
KEPT_WHEN_DONE = timedelta(days=2)
MOST_ERROR_CHARACTERS = 2000

_encode = msgspec.json.Encoder().encode


class State(StrEnum):
    """Of a task. A dead one has failed too often; somebody has to look at it."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that this worker may do until its lease runs out."""

    task_id: int
    kind: str
    payload: str
    attempt: int


@dataclass(frozen=True, slots=True)
class QueueState:
    """How the queue stands: tasks by state, and since when the oldest due one waits."""

    counts: dict[str, int]
    oldest_due_at: datetime | None


def enqueue(
    session: Session,
    kind: str,
    payload: object = None,
    *,
    run_at: datetime | None = None,
    unique_key: str | None = None,
) -> None:
    """Have something done once this transaction is committed; `payload` is anything that msgspec writes as JSON.

    With a `unique_key` nothing happens when a task of that key is there, be it done within the last two days.
    """
    moment = now()
    session.execute(
        insert_into(session, TaskRow)
        .values(
            kind=kind,
            payload=_encode(payload).decode(),
            state=State.WAITING,
            run_at=run_at or moment,
            attempt=0,
            unique_key=unique_key,
            created_at=moment,
        )
        .on_conflict_do_nothing(index_elements=[TaskRow.unique_key])
    )
    session.info[LEAVES_WORK] = True


def has_due(session: Session, kinds: Collection[str]) -> bool:
    """Whether a worker that knows these kinds has anything to claim."""
    return session.scalar(_due(_database_now(session), kinds).limit(1)) is not None


def claim(session: Session, kinds: Collection[str], *, most: int = 1) -> list[Claim]:
    """Take due tasks of these kinds, those that have waited longest first."""
    moment = _database_now(session)
    _bury(session, moment)
    chosen = _due(moment, kinds).order_by(TaskRow.run_at, TaskRow.id).limit(most).with_for_update(skip_locked=True)
    rows = session.execute(
        update(TaskRow)
        .where(TaskRow.id.in_(chosen.scalar_subquery()))
        .values(state=State.RUNNING, attempt=TaskRow.attempt + 1, lease_until=moment + LEASE)
        .returning(TaskRow.id, TaskRow.kind, TaskRow.payload, TaskRow.attempt)
        .execution_options(synchronize_session=False)
    )
    return sorted((Claim(*row) for row in rows), key=lambda it: it.task_id)


def hold(session: Session, claimed: Claim) -> None:
    """Make sure, until this transaction ends, that the task is still this worker's.

    Raises:
        Conflict: the lease ran out and somebody else has it.
    """
    held = select(TaskRow.id).where(*_is(claimed)).with_for_update()
    if session.scalar(held) is None:
        raise Conflict(f"The task {claimed.task_id} took too long and was given to another worker.")


def finish(session: Session, claimed: Claim) -> None:
    """Note that the task is done.

    Raises:
        Conflict: as `hold`.
    """
    hold(session, claimed)
    _write(session, claimed, state=State.DONE, finished_at=now(), lease_until=None)


def fail(session: Session, claimed: Claim, error: str) -> State:
    """Note that the task failed: it is tried again after a pause, or is dead. A claim that was lost changes nothing."""
    is_dead = claimed.attempt >= MOST_ATTEMPTS
    pause_s = PAUSES_S[min(claimed.attempt, len(PAUSES_S)) - 1]
    state = State.DEAD if is_dead else State.WAITING
    _write(
        session,
        claimed,
        state=state,
        run_at=_database_now(session) + timedelta(seconds=pause_s),
        lease_until=None,
        last_error=error[:MOST_ERROR_CHARACTERS],
        finished_at=now() if is_dead else None,
    )
    return state


def extend(session: Session, claims: Iterable[Claim]) -> None:
    """Keep the leases of tasks that are still being worked at."""
    until = _database_now(session) + LEASE
    for claimed in claims:
        _write(session, claimed, lease_until=until)


def retry(session: Session, task_id: int) -> None:
    """Give a dead task its attempts back.

    Raises:
        NotFound: there is no dead task of that number.
    """
    again = (
        update(TaskRow)
        .where(TaskRow.id == task_id, TaskRow.state == State.DEAD)
        .values(state=State.WAITING, attempt=0, run_at=now(), finished_at=None)
    )
    if not execute_counting(session, again):
        raise NotFound(f"There is no dead task {task_id}.")
    session.info[LEAVES_WORK] = True


def troubled(session: Session, *, most: int = 50) -> list[TaskRow]:
    """Tasks that have failed, dead ones first."""
    has_failed = TaskRow.last_error.is_not(None) & TaskRow.state.in_([State.WAITING, State.RUNNING, State.DEAD])
    order = case((TaskRow.state == State.DEAD, 0), else_=1)
    return list(session.scalars(select(TaskRow).where(has_failed).order_by(order, TaskRow.id).limit(most)))


def queue_state(session: Session) -> QueueState:
    """Counts for metrics and `doctor`."""
    rows = session.execute(select(TaskRow.state, func.count()).group_by(TaskRow.state))
    counts = {state.value: 0 for state in State} | {str(state): int(count) for state, count in rows}
    oldest = session.scalar(
        select(func.min(TaskRow.run_at)).where(TaskRow.state == State.WAITING, TaskRow.run_at <= now())
    )
    return QueueState(counts, oldest)


def forget_done(session: Session) -> int:
    """Delete what was done long ago; how many that were."""
    old = delete(TaskRow).where(TaskRow.state == State.DONE, TaskRow.finished_at < now() - KEPT_WHEN_DONE)
    return execute_counting(session, old)


def _due(moment: datetime, kinds: Collection[str]) -> Select[int]:
    is_waiting = and_(TaskRow.state == State.WAITING, TaskRow.run_at <= moment)
    was_left = and_(TaskRow.state == State.RUNNING, TaskRow.lease_until < moment)
    return select(TaskRow.id).where(or_(is_waiting, was_left), TaskRow.kind.in_(sorted(kinds)))


def _bury(session: Session, moment: datetime) -> None:
    """Tasks whose last attempt ended with its worker are dead: they may be what ends workers."""
    left = (
        update(TaskRow)
        .where(TaskRow.state == State.RUNNING, TaskRow.lease_until < moment, TaskRow.attempt >= MOST_ATTEMPTS)
        .values(state=State.DEAD, lease_until=None, finished_at=moment, last_error="Its worker ended while it ran.")
    )
    execute_counting(session, left)


def _is(claimed: Claim) -> tuple[ColumnElement[bool], ...]:
    return (TaskRow.id == claimed.task_id, TaskRow.attempt == claimed.attempt, TaskRow.state == State.RUNNING)


def _write(session: Session, claimed: Claim, **values: object) -> None:
    execute_counting(session, update(TaskRow).where(*_is(claimed)).values(**values))


def _database_now(session: Session) -> datetime:
    """The database's clock, which all workers share."""
    if session.get_bind().dialect.name == "sqlite":
        return now()
    milliseconds = session.scalar(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"))
    return from_ms(int(milliseconds))

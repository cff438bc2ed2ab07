"""From events to those who hear them: each pair of an event and a subscriber becomes a task of its own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from modelyard.platform.clock import now
from modelyard.platform.database import execute_counting
from modelyard.platform.events import Event, EventRow
from modelyard.platform.tasks.handlers import Handler, in_one_transaction
from modelyard.platform.tasks.queue import enqueue

EventOf = TypeVar("EventOf", bound=Event)


@dataclass(frozen=True)
class Subscription:
    """One function that hears one kind of event. `task_kind` is kept in the database: renaming the function is felt."""

    event_kind: str
    task_kind: str
    handler: Handler


def on(event: type[EventOf], hear: Callable[[Session, EventOf], None]) -> Subscription:
    """Have `hear` called for each event of this kind, at least once, each time in a transaction of its own."""
    return Subscription(event.__name__, f"{event.__name__}.{hear.__name__}", in_one_transaction(event, hear))


def by_event(subscriptions: Iterable[Subscription]) -> dict[str, list[str]]:
    """The kinds of tasks that each kind of event becomes."""
    found: dict[str, list[str]] = {}
    for subscription in subscriptions:
        found.setdefault(subscription.event_kind, []).append(subscription.task_kind)
    return found


def has_events(session: Session) -> bool:
    """Whether any event waits."""
    return session.scalar(select(EventRow.id).where(EventRow.handled_at.is_(None)).limit(1)) is not None


def oldest_event_at(session: Session) -> datetime | None:
    """Since when the oldest event waits."""
    waiting = select(EventRow.created_at).where(EventRow.handled_at.is_(None))
    return session.scalar(waiting.order_by(EventRow.id).limit(1))


def relay(session: Session, heard: Mapping[str, list[str]], *, most: int = 200) -> int:
    """Turn events that wait into tasks; how many events that were."""
    waiting = (
        select(EventRow)
        .where(EventRow.handled_at.is_(None))
        .order_by(EventRow.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    rows = list(session.scalars(waiting))
    moment = now()
    for row in rows:
        for task_kind in heard.get(row.kind, ()):
            payload = msgspec.Raw(row.payload.encode())
            enqueue(session, task_kind, payload, unique_key=f"event {row.id} {task_kind}")
        row.handled_at = moment
    return len(rows)


def forget_handled(session: Session, *, older_than: timedelta) -> int:
    """Delete events that every subscriber's task was made for long ago; how many that were."""
    return execute_counting(session, delete(EventRow).where(EventRow.handled_at < now() - older_than))

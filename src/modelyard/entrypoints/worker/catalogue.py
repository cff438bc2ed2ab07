"""Everything that is done in the background, and how often what has no occasion is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from modelyard.domains.accounts.expiry import forget_ended_links, forget_ended_sessions
from modelyard.domains.accounts.throttle import forget_sign_in_tries
from modelyard.domains.namespaces.deletion import PURGE_PLACE, DeletedPlace, purge_place
from modelyard.domains.namespaces.repeats import forget_requests
from modelyard.domains.packages.sweeping import REMOVE_ORPHANS, remove_orphans, sweep
from modelyard.domains.tracking.last_activity import note_last_activity
from modelyard.domains.tracking.retention import purge_deleted
from modelyard.entrypoints.request import Installation
from modelyard.entrypoints.worker.loop import Worker
from modelyard.platform.commit_marks import forget_old_marks
from modelyard.platform.database import Database
from modelyard.platform.settings import Settings
from modelyard.platform.tasks.delivery import Subscription, by_event, forget_handled
from modelyard.platform.tasks.handlers import Schedule, in_many_transactions, with_payload
from modelyard.platform.tasks.queue import forget_done


@dataclass(frozen=True)
class Chore:
    """Something that is done once in each period."""

    kind: str
    every: timedelta
    do: Callable[[], object]


def create_worker(installation: Installation, subscriptions: Sequence[Subscription]) -> Worker:
    """The worker of an installation."""
    chores = chores_of(installation)
    handlers = {subscription.task_kind: subscription.handler for subscription in subscriptions}
    handlers |= {chore.kind: in_many_transactions(chore.do) for chore in chores}
    handlers[REMOVE_ORPHANS] = with_payload(
        list[str], lambda digests: remove_orphans(installation.database, installation.store, digests)
    )
    handlers[PURGE_PLACE] = with_payload(DeletedPlace, lambda place: purge_place(installation.database, place))
    schedules = [Schedule(chore.kind, chore.every) for chore in chores]
    return Worker(installation.database, handlers=handlers, schedules=schedules, heard=by_event(subscriptions))


def chores_of(installation: Installation) -> list[Chore]:
    """All chores of an installation."""
    database, settings = installation.database, installation.settings
    keep = timedelta(days=settings.deletion_days)
    return [
        Chore("accounts.forget_ended", timedelta(hours=1), lambda: _forget_ended(database, settings)),
        Chore("packages.sweep", timedelta(hours=1), lambda: sweep(database, installation.store)),
        Chore("tasks.forget_done", timedelta(hours=6), lambda: _forget_done(database, keep)),
        Chore("tracking.note_last_activity", timedelta(minutes=5), lambda: note_last_activity(database)),
        Chore("tracking.purge_deleted", timedelta(hours=6), lambda: purge_deleted(database, keep=keep)),
    ]


def _forget_ended(database: Database, settings: Settings) -> None:
    with database.write(changes_access=False, uses_reserve=True) as session:
        forget_ended_sessions(session, idle_s=settings.session_idle_s, most_s=settings.session_max_s)
        forget_ended_links(session)
        forget_sign_in_tries(session)


def _forget_done(database: Database, keep: timedelta) -> None:
    with database.write(changes_access=False, uses_reserve=True) as session:
        forget_done(session)
        forget_requests(session)
        forget_handled(session, older_than=keep)
        forget_old_marks(session)

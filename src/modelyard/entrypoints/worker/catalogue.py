"""Everything that is done in the background, and how often what has no occasion is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from modelyard.domains.accounts.expiry import forget_ended_links, forget_ended_sessions
from modelyard.entrypoints.request import Installation
from modelyard.entrypoints.worker.loop import Worker
from modelyard.platform.tasks.delivery import Subscription, by_event, forget_handled
from modelyard.platform.tasks.handlers import Handler, Schedule, in_many_transactions
from modelyard.platform.tasks.queue import forget_done


@dataclass(frozen=True)
class Chore:
    """Something that is done once in each period."""

    kind: str
    every: timedelta
    do: Callable[[Installation], None]


def create_worker(installation: Installation, subscriptions: Sequence[Subscription]) -> Worker:
    """The worker of an installation."""
    handlers = {subscription.task_kind: subscription.handler for subscription in subscriptions}
    handlers |= {chore.kind: _handler(chore, installation) for chore in CHORES}
    schedules = [Schedule(chore.kind, chore.every) for chore in CHORES]
    return Worker(installation.database, handlers=handlers, schedules=schedules, heard=by_event(subscriptions))


def _handler(chore: Chore, installation: Installation) -> Handler:
    return in_many_transactions(lambda: chore.do(installation))


def _forget_ended(installation: Installation) -> None:
    settings = installation.settings
    with installation.database.write(changes_access=False, uses_reserve=True) as session:
        forget_ended_sessions(session, idle_s=settings.session_idle_s, most_s=settings.session_max_s)
        forget_ended_links(session)


def _forget_done(installation: Installation) -> None:
    with installation.database.write(changes_access=False, uses_reserve=True) as session:
        forget_done(session)
        forget_handled(session, older_than=timedelta(days=installation.settings.deletion_days))


CHORES = (
    Chore("accounts.forget_ended", timedelta(hours=1), _forget_ended),
    Chore("tasks.forget_done", timedelta(hours=6), _forget_done),
)

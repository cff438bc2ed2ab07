"""Who hears what: the one page on which every reaction to an event is found."""

from modelyard.domains.accounts.events import UserBlocked
from modelyard.domains.accounts.expiry import end_sessions_of_blocked
from modelyard.platform.tasks.delivery import Subscription, on

SUBSCRIPTIONS: tuple[Subscription, ...] = (on(UserBlocked, end_sessions_of_blocked),)

"""What ends by itself: browser sessions, one-time links, and the sessions of blocked users."""

from datetime import timedelta

from sqlalchemy import delete, or_
from sqlalchemy.orm import Session

from modelyard.domains.accounts.events import UserBlocked
from modelyard.domains.accounts.tables import OneTimeLink, WebSession
from modelyard.platform.clock import now
from modelyard.platform.database import execute_counting


def forget_ended_sessions(session: Session, *, idle_s: int, most_s: int) -> int:
    """Delete browser sessions that nobody can use any more; how many that were."""
    moment = now()
    is_over = or_(
        WebSession.last_seen_at < moment - timedelta(seconds=idle_s),
        WebSession.created_at < moment - timedelta(seconds=most_s),
    )
    return execute_counting(session, delete(WebSession).where(is_over))


def forget_ended_links(session: Session) -> int:
    """Delete one-time links whose time is over; how many that were."""
    return execute_counting(session, delete(OneTimeLink).where(OneTimeLink.expires_at < now()))


def end_sessions_of_blocked(session: Session, event: UserBlocked) -> None:
    """Sign a blocked user out everywhere, so that an old cookie does not come back to life when they are unblocked."""
    execute_counting(session, delete(WebSession).where(WebSession.user_id == event.user_id))

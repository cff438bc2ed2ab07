"""Signing in and out, and the one-time link by which the first administrator comes in."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import SYSTEM, Actor
from modelyard.domains.accounts.passwords import PasswordHash, password_matches
from modelyard.domains.accounts.tables import OneTimeLink, User, WebSession
from modelyard.domains.accounts.users import create_user, has_administrator
from modelyard.platform.clock import now
from modelyard.platform.crypto import ServerKey
from modelyard.platform.errors import Conflict, NotFound, Unauthenticated
from modelyard.platform.ids import new_secret

SESSION_PURPOSE = "browser session"
LINK_PURPOSE = "one-time link"
FIRST_ADMINISTRATOR = "first_administrator"
LINK_LIVES = timedelta(minutes=15)
SEEN_GRAIN = timedelta(minutes=5)
WRONG = "The user name or the password is wrong."


@dataclass(frozen=True)
class SignedIn:
    """A new browser session and the secret for its cookie."""

    actor: Actor
    secret: str


def verified_user_id(session: Session, *, username: str, password: str) -> int:
    """The user whose password this is. Slow on purpose: call it in a read session.

    Raises:
        Unauthenticated: with the same words and after the same time whatever was wrong.
    """
    sought = username.strip().lower()
    user = session.scalar(select(User).where((func.lower(User.username) == sought) | (User.email == sought)))
    if not password_matches(user.password_hash if user else None, password) or user is None:
        raise Unauthenticated(WRONG)
    if user.state != "active" or user.kind != "human":
        raise Unauthenticated("This account is blocked. Ask an administrator.")
    return user.id


def start_session(session: Session, key: ServerKey, user_id: int, *, user_agent: str = "") -> SignedIn:
    """Sign in a user whose password was verified."""
    user = session.get_one(User, user_id)
    secret = new_secret("ses")
    moment = now()
    row = WebSession(
        digest=key.digest(secret, purpose=SESSION_PURPOSE),
        user_id=user.id,
        created_at=moment,
        last_seen_at=moment,
        user_agent=user_agent[:255],
    )
    session.add(row)
    user.last_sign_in_at = moment
    session.flush()  # the actor carries the session's id
    return SignedIn(_actor(user, row), secret)


def actor_of_session(session: Session, key: ServerKey, secret: str, *, idle_s: int, most_s: int) -> Actor:
    """Who a cookie stands for.

    Raises:
        Unauthenticated: the session has ended.
    """
    found = session.execute(
        select(WebSession, User)
        .join(User, User.id == WebSession.user_id)
        .where(WebSession.digest == key.digest(secret, purpose=SESSION_PURPOSE))
    ).one_or_none()
    if found is None:
        raise Unauthenticated("Your session has ended. Sign in again.")
    row, user = found
    moment = now()
    is_over = (
        row.last_seen_at + timedelta(seconds=idle_s) < moment or row.created_at + timedelta(seconds=most_s) < moment
    )
    if is_over or user.state != "active":
        raise Unauthenticated("Your session has ended. Sign in again.")
    return _actor(user, row)


def note_session_use(session: Session, session_id: int) -> None:
    """Keep a session from ending for idleness, to five minutes."""
    row = session.get(WebSession, session_id)
    if row is not None and row.last_seen_at < now() - SEEN_GRAIN:
        row.last_seen_at = now()


def end_session(session: Session, actor: Actor) -> None:
    """Sign the actor's browser out, on the server too."""
    row = session.get(WebSession, actor.session_id) if actor.session_id else None
    if row is not None:
        session.delete(row)


def first_administrator_link(session: Session, key: ServerKey) -> str | None:
    """The secret of a fresh sign-up link, older ones revoked; None when there is an administrator already."""
    if has_administrator(session):
        return None
    for old in session.scalars(select(OneTimeLink).where(OneTimeLink.purpose == FIRST_ADMINISTRATOR)):
        session.delete(old)
    secret = new_secret("lnk")
    moment = now()
    session.add(
        OneTimeLink(
            digest=key.digest(secret, purpose=LINK_PURPOSE),
            purpose=FIRST_ADMINISTRATOR,
            created_at=moment,
            expires_at=moment + LINK_LIVES,
        )
    )
    return secret


def check_first_administrator_link(session: Session, key: ServerKey, secret: str) -> OneTimeLink:
    """The unused, unexpired link behind `secret`.

    Raises:
        Conflict: there is an administrator, so that no link is good any more.
        NotFound: with the way to a new one.
    """
    if has_administrator(session):
        raise Conflict("This server has an administrator already. Sign in, or ask them for an account.")
    link = session.get(OneTimeLink, key.digest(secret, purpose=LINK_PURPOSE))
    if link is None or link.used_at is not None or link.expires_at <= now() or link.purpose != FIRST_ADMINISTRATOR:
        raise NotFound(
            f"This sign-up link is not valid, or no longer: links work once, for {LINK_LIVES.seconds // 60} minutes."
            " Restart the server, or run `modelyard admin sign-up-link` there; both print a new one."
        )
    return link


def sign_up_first_administrator(
    session: Session,
    key: ServerKey,
    secret: str,
    *,
    username: str,
    name: str,
    email: str | None,
    password: PasswordHash,
) -> User:
    """Use the link up and make the administrator.

    Raises:
        NotFound: the link.
        Conflict: somebody was quicker.
        Invalid: the name or address.
    """
    link = check_first_administrator_link(session, key, secret)
    link.used_at = now()
    return create_user(
        session, SYSTEM, username=username, name=name, email=email, password=password, is_administrator=True
    )


def _actor(user: User, row: WebSession) -> Actor:
    return Actor(user_id=user.id, username=user.username, is_administrator=user.is_administrator, session_id=row.id)

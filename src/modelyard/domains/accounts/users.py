"""Users: made by an administrator or through the first sign-up link, changed by themselves."""

import re

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.events import UserBlocked, UserCreated
from modelyard.domains.accounts.passwords import PasswordHash
from modelyard.domains.accounts.tables import User, WebSession
from modelyard.platform.clock import now
from modelyard.platform.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from modelyard.platform.events import publish

USERNAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
RESERVED = frozenset(
    [
        "admin",
        "api",
        "assets",
        "dashboard",
        "explore",
        "groups",
        "health",
        "healthz",
        "help",
        "import",
        "login",
        "metrics",
        "new",
        "profile",
        "projects",
        "public",
        "readyz",
        "search",
        "snippets",
        "static",
        "users",
        "version",
    ]
)
THEMES = frozenset({"system", "light", "dark"})


def create_user(
    session: Session,
    actor: Actor,
    *,
    username: str,
    name: str = "",
    email: str | None = None,
    password: PasswordHash | None = None,
    is_administrator: bool = False,
) -> User:
    """Add a person. Their own namespace is made by the caller's domain, `namespaces.people`.

    Raises:
        Forbidden: the actor is no administrator.
        Invalid, Conflict: the name or address is malformed or taken.
    """
    if not actor.is_administrator:
        raise Forbidden("Only an administrator can add users.")
    checked_username(session, username)
    user = User(
        username=username,
        name=(name or username)[:255],
        email=_checked_email(session, email),
        password_hash=password,
        is_administrator=is_administrator,
        created_at=now(),
    )
    session.add(user)
    session.flush()  # the event and the namespace need the new id
    publish(session, UserCreated(actor_id=actor.user_id, user_id=user.id, username=username))
    return user


def create_bot(session: Session, actor: Actor, *, username: str, name: str) -> User:
    """Add the user that a project's or group's token acts as. The caller has checked that the actor may."""
    bot = User(username=username, name=name[:255], kind="bot", created_at=now())
    session.add(bot)
    session.flush()  # its membership and token need the new id
    publish(session, UserCreated(actor_id=actor.user_id, user_id=bot.id, username=username))
    return bot


def checked_username(session: Session, username: str) -> None:
    """Refuse a user name that is malformed, reserved or taken (whatever its case)."""
    if not USERNAME.fullmatch(username) or username.endswith((".git", ".atom", ".")):
        raise Invalid("A user name has letters, digits, '_', '-' and '.', and does not begin with '-' or '.'.")
    if username.casefold() in RESERVED:
        raise Invalid(f"The user name {username} is reserved. Choose another one.")
    if session.scalar(select(User.id).where(func.lower(User.username) == username.lower())):
        raise Conflict(f"The user name {username} has already been taken.")


def _checked_email(session: Session, email: str | None) -> str | None:
    if not email:
        return None
    if not EMAIL.fullmatch(email):
        raise Invalid(f"{email} is not an e-mail address.")
    folded = email.lower()
    if session.scalar(select(User.id).where(User.email == folded)):
        raise Conflict("This e-mail address has already been taken.")
    return folded


def get_user(session: Session, actor: Actor, user_id: int) -> User:
    """A user by number; every signed-in person may know who else is there.

    Raises:
        Unauthenticated, NotFound
    """
    _require_signed_in(actor)
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def find_user(session: Session, actor: Actor, username: str) -> User | None:
    """A user by name, whatever its case."""
    _require_signed_in(actor)
    return session.scalar(select(User).where(func.lower(User.username) == username.lower()))


def search_users(
    session: Session, actor: Actor, *, search: str = "", username: str = "", limit: int = 20, offset: int = 0
) -> tuple[list[User], int]:
    """People whose user name or name contains `search`, by number, and how many there are in all."""
    _require_signed_in(actor)
    chosen = select(User).where(User.kind == "human")
    if username:
        chosen = chosen.where(func.lower(User.username) == username.lower())
    if search:
        sought = search.lower()
        chosen = chosen.where(
            func.lower(User.username).contains(sought, autoescape=True)
            | func.lower(User.name).contains(sought, autoescape=True)
            | (User.email == sought)
        )
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    return list(session.scalars(chosen.order_by(User.id).limit(limit).offset(offset))), total


def change_password(session: Session, actor: Actor, password: PasswordHash) -> None:
    """Give the actor a new password and end their other browser sessions."""
    user = _own_row(session, actor)
    user.password_hash = password
    for other in session.scalars(select(WebSession).where(WebSession.user_id == user.id)):
        if other.id != actor.session_id:
            session.delete(other)


def set_password(session: Session, actor: Actor, user: User, password: PasswordHash) -> None:
    """Give `user` a new password and end all their browser sessions.

    Raises:
        Forbidden: the actor is no administrator.
        Invalid: it is the bot of a project or group.
    """
    if not actor.is_administrator:
        raise Forbidden("Only an administrator can give others a new password.")
    if user.kind != "human":
        raise Invalid(f"{user.username} is not a person and does not sign in.")
    user.password_hash = password
    for row in session.scalars(select(WebSession).where(WebSession.user_id == user.id)):
        session.delete(row)


def update_profile(session: Session, actor: Actor, *, name: str | None = None, theme: str | None = None) -> User:
    """Change what the actor's own page shows.

    Raises:
        Invalid: the name is empty or the theme unknown.
    """
    user = _own_row(session, actor)
    if name is not None:
        if not name.strip():
            raise Invalid("A name cannot be empty.")
        user.name = name.strip()[:255]
    if theme is not None:
        if theme not in THEMES:
            raise Invalid(f"A theme is one of {', '.join(sorted(THEMES))}.")
        user.theme = theme
    return user


def block_user(session: Session, actor: Actor, user: User) -> None:
    """Refuse everything that comes from `user` from now on.

    Raises:
        Forbidden: the actor is no administrator, or it is the actor.
    """
    if not actor.is_administrator or actor.user_id == user.id:
        raise Forbidden("Only another administrator can block this user.")
    user.state = "blocked"
    publish(session, UserBlocked(actor_id=actor.user_id, user_id=user.id))


def unblock_user(session: Session, actor: Actor, user: User) -> None:  # noqa: ARG001  # (session, actor, …) is the form
    """Let `user` in again."""
    if not actor.is_administrator:
        raise Forbidden("Only an administrator can unblock users.")
    user.state = "active"


def has_administrator(session: Session) -> bool:
    """Whether anybody can sign in and administer this server; the one that `bootstrap` makes has no password."""
    can_sign_in = (User.is_administrator, User.kind == "human", User.state == "active", User.password_hash.is_not(None))
    return session.scalar(select(User.id).where(*can_sign_in).limit(1)) is not None


def _own_row(session: Session, actor: Actor) -> User:
    _require_signed_in(actor)
    user = session.get(User, actor.user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def _require_signed_in(actor: Actor) -> None:
    if actor.is_anonymous and not actor.is_administrator:
        raise Unauthenticated("Sign in first.")

"""Users: made by an administrator or through the first sign-up link, changed by themselves."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import READING, WRITING, Actor, require_scope
from modelyard.domains.accounts.events import UserBlocked, UserChanged, UserCreated, UserDeleted, UserUnblocked
from modelyard.domains.accounts.passwords import PasswordHash
from modelyard.domains.accounts.tables import AccessToken, User, WebSession
from modelyard.platform.clock import now
from modelyard.platform.database import execute_counting
from modelyard.platform.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from modelyard.platform.events import publish
from modelyard.platform.ids import hex_id

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
DELETED = "deleted"


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
    """Add a person. Whoever calls this makes their place too: `namespaces.groups.create_personal_namespace`.

    Raises:
        Forbidden: the actor is no administrator.
        Invalid, Conflict: the name or address is malformed or taken.
    """
    require_administrator(actor, "add users")
    checked_username(session, username)
    user = User(
        username=username,
        name=_checked_name(name or username),
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


def _checked_name(name: str) -> str:
    trimmed = unicodedata.normalize("NFC", name).strip()
    if not trimmed or len(trimmed) > 255 or not trimmed.isprintable():  # noqa: PLR2004  # the column's width
        raise Invalid("A name has 1 to 255 printable characters.")
    return trimmed


def _checked_email(session: Session, email: str | None) -> str | None:
    if not email:
        return None
    if not EMAIL.fullmatch(email):
        raise Invalid(f"{email} is not an e-mail address.")
    folded = email.lower()
    if session.scalar(select(User.id).where(User.email == folded)):
        raise Conflict("This e-mail address has already been taken.")
    return folded


def get_user(session: Session, actor: Actor, user_id: int, *, with_deleted: bool = False) -> User:
    """A user by number: oneself with any token; every signed-in user may know who else is there.

    `with_deleted` is for saying who made something.

    Raises:
        Unauthenticated, InsufficientScope, NotFound
    """
    if actor.user_id != user_id:
        _require_reader(actor)
    _require_signed_in(actor)
    user = session.get(User, user_id)
    if user is None or (user.state == DELETED and not with_deleted):
        raise NotFound("There is no such user.")
    return user


def find_user(session: Session, actor: Actor, username: str) -> User | None:
    """A user by name, whatever its case; for an administrator by e-mail address, too."""
    _require_reader(actor)
    sought = username.lower()
    named = func.lower(User.username) == sought
    if actor.is_administrator and "@" in sought:  # no user name has one
        named = User.email == sought
    return session.scalar(select(User).where(named, User.state != DELETED))


@dataclass(frozen=True)
class UserFilter:
    """Which people a list shows. `administrators` narrows to them, for administrators only."""

    search: str = ""
    username: str = ""
    state: Literal["active", "blocked"] | None = None
    administrators: bool = False
    created_after: datetime | None = None
    created_before: datetime | None = None


def search_users(
    session: Session, actor: Actor, wanted: UserFilter = UserFilter(), *, limit: int = 20, offset: int = 0
) -> tuple[list[User], int]:
    """People that match, newest first, and how many there are in all.

    A search looks into user names and names; only for an administrator does it find a whole e-mail address too.
    """
    _require_reader(actor)
    chosen = select(User).where(User.kind == "human", User.state != DELETED, *_user_conditions(actor, wanted))
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    return list(session.scalars(chosen.order_by(User.id.desc()).limit(limit).offset(offset))), total


def _user_conditions(actor: Actor, wanted: UserFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.username:
        conditions.append(func.lower(User.username) == wanted.username.lower())
    if wanted.search:
        sought = wanted.search.lower()
        named = [func.lower(column).contains(sought, autoescape=True) for column in (User.username, User.name)]
        conditions.append(or_(*named, *([User.email == sought] if actor.is_administrator else [])))
    if wanted.state:
        conditions.append(User.state == wanted.state)
    if wanted.administrators and actor.is_administrator:
        conditions.append(User.is_administrator.is_(True))
    if wanted.created_after:
        conditions.append(User.created_at > wanted.created_after)
    if wanted.created_before:
        conditions.append(User.created_at < wanted.created_before)
    return conditions


def update_user(
    session: Session,
    actor: Actor,
    user: User,
    *,
    name: str | None = None,
    email: str | None = None,
    password: PasswordHash | None = None,
    is_administrator: bool | None = None,
) -> User:
    """Change somebody, as an administrator. A new password ends their browser sessions.

    Raises:
        Forbidden: the actor is no administrator, or takes their own rights away.
        Invalid, Conflict: the name or address is malformed or taken.
    """
    require_administrator(actor, "change users")
    if user.kind != "human":
        raise Invalid("The bot of an access token is changed with its token.")
    if is_administrator is False and user.id == actor.user_id:
        raise Forbidden("Only another administrator can take these rights from you.")
    if is_administrator is False:
        _keep_administrator(session, actor, "change users")
    if name is not None:
        user.name = _checked_name(name)
    if email is not None and email.lower() != user.email:
        user.email = _checked_email(session, email)
    if password is not None:
        user.password_hash = password
        session.execute(delete(WebSession).where(WebSession.user_id == user.id))
    if is_administrator is not None:
        user.is_administrator = is_administrator
    publish(session, UserChanged(actor_id=actor.user_id, user_id=user.id))
    return user


def change_password(session: Session, actor: Actor, password: PasswordHash) -> None:
    """Give the actor a new password and end their other browser sessions."""
    user = _own_row(session, actor)
    user.password_hash = password
    for other in session.scalars(select(WebSession).where(WebSession.user_id == user.id)):
        if other.id != actor.session_id:
            session.delete(other)


def update_profile(session: Session, actor: Actor, *, name: str | None = None, theme: str | None = None) -> User:
    """Change what the actor's own page shows.

    Raises:
        Invalid: the name is empty or the theme unknown.
    """
    user = _own_row(session, actor)
    if name is not None:
        user.name = _checked_name(name)
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
    require_administrator(actor, "block users")
    if actor.user_id == user.id:
        raise Forbidden("Only another administrator can block you.")
    _keep_administrator(session, actor, "block users")
    user.state = "blocked"
    publish(session, UserBlocked(actor_id=actor.user_id, user_id=user.id))


def unblock_user(session: Session, actor: Actor, user: User) -> None:
    """Let `user` in again.

    Raises:
        Forbidden: the actor is no administrator.
    """
    require_administrator(actor, "unblock users")
    user.state = "active"
    publish(session, UserUnblocked(actor_id=actor.user_id, user_id=user.id))


def erase_user(session: Session, actor: Actor, user: User) -> None:
    """Forget who a person was; their number stays, so that what they made is still said to be somebody's.

    Whoever calls this ends their memberships and their place too: `namespaces.people.delete_user`.

    Raises:
        Forbidden: the actor is no administrator, or it is the actor.
        Invalid: it is a bot.
    """
    require_administrator(actor, "delete users")
    if actor.user_id == user.id:
        raise Forbidden("Only another administrator can delete you.")
    if user.kind != "human":
        raise Invalid("The bot of an access token ends with its token.")
    _keep_administrator(session, actor, "delete users")
    publish(session, UserDeleted(actor_id=actor.user_id, user_id=user.id, username=user.username))
    # A user name that nobody has and nobody would choose; theirs is free.
    user.username, user.name, user.email = f"deleted_{user.id}_{hex_id()}", "Deleted user", None
    user.password_hash, user.state, user.is_administrator = None, DELETED, False
    user.last_sign_in_at = user.last_activity_at = None
    session.execute(delete(WebSession).where(WebSession.user_id == user.id))
    execute_counting(
        session,
        update(AccessToken)
        .where(AccessToken.user_id == user.id, AccessToken.revoked_at.is_(None))
        .values(revoked_at=now()),
    )


def find_administrator(session: Session, actor: Actor, preferred: str) -> User | None:
    """Who is active and administrator: the one of the preferred name, else whoever has been here longest.

    Raises:
        Forbidden: the actor is no administrator.
    """
    require_administrator(actor, "look for administrators")
    administrators = select(User).where(User.is_administrator, User.kind == "human", User.state == "active")
    is_other = func.lower(User.username) != preferred.lower()
    return session.scalar(administrators.order_by(is_other, User.id).limit(1))


def has_administrator(session: Session) -> bool:
    """Whether anybody can sign in and administer this server; the one that `bootstrap` makes has no password."""
    can_sign_in = (User.is_administrator, User.kind == "human", User.state == "active", User.password_hash.is_not(None))
    return session.scalar(select(User.id).where(*can_sign_in).limit(1)) is not None


def _own_row(session: Session, actor: Actor) -> User:
    """The row of the actor, who wants to change it."""
    _require_signed_in(actor)
    require_scope(actor, WRITING, "change your account")
    user = session.get(User, actor.user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def require_administrator(actor: Actor, deed: str) -> None:
    """Go on only for an administrator, with a token that may write. A deed reads as the end of "can …".

    Raises:
        Forbidden, InsufficientScope, Unauthenticated
    """
    _require_signed_in(actor)
    if not actor.is_administrator:
        raise Forbidden(f"Only an administrator can {deed}.")
    require_scope(actor, WRITING, deed)


def _keep_administrator(session: Session, actor: Actor, deed: str) -> None:
    """Let nobody take rights who has lost their own meanwhile, so that whoever takes them is left.

    Of two administrators who do it to each other at the same time, the second waits for these locks, and is refused.
    The command line is nobody, and may do it to the last one.
    """
    if actor.user_id is None:
        return
    administrators = select(User.id).where(User.is_administrator, User.kind == "human", User.state == "active")
    if actor.user_id not in session.scalars(administrators.order_by(User.id).with_for_update(key_share=True)).all():
        raise Forbidden(f"Only an administrator can {deed}.")


def _require_reader(actor: Actor) -> None:
    _require_signed_in(actor)
    require_scope(actor, READING, "look users up")


def _require_signed_in(actor: Actor) -> None:
    if actor.is_anonymous and not actor.is_administrator:
        raise Unauthenticated("Sign in first.")

"""People: oneself, others, and what administrators do with them."""

from typing import Annotated, Literal

from fastapi import Body, Path, Query
from pydantic import Field

from modelyard.domains.accounts.passwords import PasswordHash, hash_password
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.users import (
    UserFilter,
    block_user,
    create_user,
    get_user,
    require_administrator,
    search_users,
    unblock_user,
    update_user,
)
from modelyard.domains.namespaces.groups import create_personal_namespace
from modelyard.domains.namespaces.people import delete_user
from modelyard.entrypoints.request import SIGNED_IN, Policy
from modelyard.entrypoints.rest.errors import Malformed, Rejected, naming
from modelyard.entrypoints.rest.fields import (
    Answer,
    Day,
    Moment,
    Number,
    OptionalMoment,
    Parameters,
    Text,
    aware,
    day_of,
)
from modelyard.entrypoints.rest.paging import Listed, Paging, listed
from modelyard.entrypoints.rest.router import Asked, Asking, Routes
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid, Unauthenticated

ADMINISTRATORS = Policy(reason="Administrators, with the scope api.")

routes = Routes("Users")

UserId = Annotated[Number, Path(description="The number of the user.")]


class BasicUser(Answer):
    """What everybody who is signed in may know of somebody."""

    id: int
    username: str
    name: str
    state: Literal["active", "blocked"]
    locked: bool = False
    avatar_url: str | None = None
    web_url: str


class PublicUser(BasicUser):
    """Somebody on their own."""

    created_at: Moment
    bot: bool


class WholeUser(PublicUser):
    """Somebody as they see themselves, and as administrators see everybody."""

    email: str | None
    is_admin: bool
    last_sign_in_at: Moment | None
    last_activity_on: Day | None


class UsersQuery(Paging):
    """Which users are listed."""

    search: Text = Field(
        default="", description="Part of a user name or name; for administrators also an e-mail address."
    )
    username: Text = Field(default="", description="Exactly this user name, whatever its case.")
    active: bool | None = None
    blocked: bool | None = None
    admins: bool = Field(default=False, description="Only administrators; heeded for administrators.")
    created_after: OptionalMoment = None
    created_before: OptionalMoment = None


class NewUser(Parameters):
    """A user to be made, with a password or `force_random_password`."""

    username: Text
    name: Text
    email: Text | None = None
    password: Text | None = Field(default=None, json_schema_extra={"format": "password"})
    force_random_password: bool = Field(
        default=False, description="They have no password, and sign in once an administrator has given them one."
    )
    reset_password: bool = Field(default=False, description="Not possible by itself: no e-mail is sent.")
    admin: bool = False


class UserChanges(Parameters):
    """What is to be changed; what is not named stays."""

    name: Text | None = None
    email: Text | None = None
    password: Text | None = Field(default=None, json_schema_extra={"format": "password"})
    admin: bool | None = None


class UserDeletion(Parameters):
    """How a user is deleted."""

    hard_delete: bool = Field(default=False, description="Not possible: what they made in other places stays.")


def basic_user(user: User, url: str) -> BasicUser:
    """Somebody as others see them. `url` is the server's own address."""
    return BasicUser.model_validate(_basic(user, url))


def whole_user(user: User, url: str) -> WholeUser:
    """Somebody as they see themselves."""
    return WholeUser.model_validate(
        {
            **_public(user, url),
            "email": user.email,
            "is_admin": user.is_administrator,
            "last_sign_in_at": user.last_sign_in_at,
            "last_activity_on": day_of(user.last_activity_at),
        }
    )


def _public(user: User, url: str) -> dict[str, object]:
    return {**_basic(user, url), "created_at": user.created_at, "bot": user.kind == "bot"}


def _basic(user: User, url: str) -> dict[str, object]:
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "state": user.state,
        "web_url": f"{url}/{user.username}",
    }


@routes.get("/user", policy=SIGNED_IN, answer=WholeUser)
def get_current_user(asked: Asking) -> WholeUser:
    """Get the user of the token in use."""
    with asked.read() as session:
        if asked.actor.user_id is None:
            raise Unauthenticated("Sign in first.")
        return whole_user(get_user(session, asked.actor, asked.actor.user_id), asked.url)


@routes.get("/users", policy=SIGNED_IN, answer=list[WholeUser | BasicUser])
def list_users(asked: Asking, wanted: Annotated[UsersQuery, Query()]) -> Listed[BasicUser]:
    """List users, newest first."""
    chosen = UserFilter(
        search=wanted.search,
        username=wanted.username,
        state="active" if wanted.active else "blocked" if wanted.blocked else None,
        administrators=wanted.admins,
        created_after=aware(wanted.created_after),
        created_before=aware(wanted.created_before),
    )
    with asked.read() as session:
        rows, total = search_users(session, asked.actor, chosen, limit=wanted.limit, offset=wanted.offset)
        show = whole_user if asked.actor.is_administrator else basic_user
        return listed([show(user, asked.url) for user in rows], wanted, total)


@routes.get("/users/{user_id}", policy=SIGNED_IN, answer=WholeUser | PublicUser)
def get_one_user(asked: Asking, user_id: UserId) -> PublicUser:
    """Get a user by number."""
    with asked.read() as session:
        user = named_user(session, asked, user_id)
        if asked.actor.is_administrator:
            return whole_user(user, asked.url)
        return PublicUser.model_validate(_public(user, asked.url))


@routes.post("/users", policy=ADMINISTRATORS, answer=WholeUser)
def add_user(asked: Asking, wanted: Annotated[NewUser, Body()]) -> WholeUser:
    """Create a user, as an administrator."""
    require_administrator(asked.actor, "add users")
    password = _first_password(wanted)
    with asked.write() as session:
        user = create_user(
            session,
            asked.actor,
            username=wanted.username,
            name=wanted.name,
            email=wanted.email,
            password=password,
            is_administrator=wanted.admin,
        )
        create_personal_namespace(session, asked.actor, user)
        return whole_user(user, asked.url)


@routes.put("/users/{user_id}", policy=ADMINISTRATORS, answer=WholeUser)
def change_user(asked: Asking, user_id: UserId, wanted: Annotated[UserChanges, Body()]) -> WholeUser:
    """Change a user, as an administrator. A new password ends their browser sessions."""
    require_administrator(asked.actor, "change users")
    password = _hashed(wanted.password)
    with asked.write() as session:
        user = named_user(session, asked, user_id)
        update_user(
            session,
            asked.actor,
            user,
            name=wanted.name,
            email=wanted.email,
            password=password,
            is_administrator=wanted.admin,
        )
        return whole_user(user, asked.url)


@routes.post("/users/{user_id}/block", policy=ADMINISTRATORS, answer=bool)
def block_one_user(asked: Asking, user_id: UserId) -> bool:
    """Block a user, as an administrator: nothing that comes from them is heard any more."""
    with asked.write() as session:
        block_user(session, asked.actor, named_user(session, asked, user_id))
    return True


@routes.post("/users/{user_id}/unblock", policy=ADMINISTRATORS, answer=bool)
def unblock_one_user(asked: Asking, user_id: UserId) -> bool:
    """Let a blocked user in again, as an administrator."""
    with asked.write() as session:
        unblock_user(session, asked.actor, named_user(session, asked, user_id))
    return True


@routes.delete("/users/{user_id}", policy=ADMINISTRATORS)
def remove_user(asked: Asking, user_id: UserId, wanted: Annotated[UserDeletion, Query()]) -> None:
    """Delete a user with their own projects, as an administrator. What they made elsewhere stays."""
    require_administrator(asked.actor, "delete users")
    if wanted.hard_delete:
        raise Invalid("What a user made in other places is kept here. Delete the user without hard_delete.")
    with asked.write() as session:
        delete_user(session, asked.actor, named_user(session, asked, user_id))


def named_user(session: Session, asked: Asked, user_id: int) -> User:
    """The user that a request names.

    Raises:
        Missing
    """
    with naming("User"):
        return get_user(session, asked.actor, user_id)


def _first_password(wanted: NewUser) -> PasswordHash | None:
    """What a new user signs in with, if anything.

    Raises:
        Malformed: the request does not say.
        Rejected: the password is not worth having.
    """
    if wanted.password or wanted.force_random_password:
        return _hashed(wanted.password, wanted.username)
    if wanted.reset_password:
        raise Malformed(
            "reset_password needs e-mail, and this server sends none: send password, or force_random_password and set"
            " one later"
        )
    raise Malformed("password, force_random_password are missing, at least one parameter must be provided")


def _hashed(password: str | None, username: str = "") -> PasswordHash | None:
    """Slow on purpose, and so before any session that writes."""
    if not password:
        return None
    try:
        return hash_password(password, username=username)
    except Invalid as error:
        raise Rejected({"password": [error.message]}) from error

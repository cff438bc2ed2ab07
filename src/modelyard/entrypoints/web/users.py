"""Users, as administrators look after them: made, changed, blocked, given a new password."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.passwords import LEAST_CHARACTERS, hash_password, made_up_password
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
from modelyard.entrypoints.request import Policy
from modelyard.entrypoints.web.chrome import NEW_USER, USERS, FormState, Link, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.listing import leaf_of, shown_of
from modelyard.entrypoints.web.navigation import GROUP_MEMBERS, PROJECT_MEMBERS
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import local_path
from modelyard.entrypoints.web.visit import Visit, Where, search_address
from modelyard.platform.database import Session
from modelyard.platform.errors import Conflict, Invalid, NotFound

ADMINISTRATORS = Policy(reason="Administrators.")
ONE = USERS + "/{user:int}"
KINDS = {
    "": ("All", UserFilter()),
    "administrators": ("Administrators", UserFilter(administrators=True)),
    "blocked": ("Blocked", UserFilter(state="blocked")),
}


@dataclass(frozen=True, slots=True)
class UserRow:
    """One person as the list shows them."""

    number: int
    name: str
    username: str
    email: str
    is_viewer: bool
    is_administrator: bool
    state: str
    has_password: bool
    seen_at: datetime | None
    created_at: datetime
    url: str


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    pages.get(USERS, ADMINISTRATORS, show_users)
    pages.post(USERS, ADMINISTRATORS, add_user, takes_password=True)
    pages.get(NEW_USER, ADMINISTRATORS, show_new_user)
    pages.get(ONE + "/edit", ADMINISTRATORS, show_change)
    pages.post(ONE, ADMINISTRATORS, change)
    pages.get(ONE + "/block", ADMINISTRATORS, show_block)
    pages.post(ONE + "/block", ADMINISTRATORS, block)
    pages.post(ONE + "/unblock", ADMINISTRATORS, unblock)
    pages.get(ONE + "/password", ADMINISTRATORS, show_new_password)
    pages.post(ONE + "/password", ADMINISTRATORS, make_password, takes_password=True)


def show_users(visit: Visit) -> Response:
    query, kind, leaf = visit.query("q"), visit.query("show"), leaf_of(visit)
    if kind not in KINDS:
        raise Invalid("Users are listed as all, administrators or blocked ones.")
    with _looking(visit) as (session, actor):
        tabs = []
        for name, (label, chosen) in KINDS.items():
            _, number = search_users(session, actor, chosen, limit=0)
            tabs.append(Link(label, search_address(USERS, show=name), count=number, current=name == kind))
        wanted = UserFilter(search=query, state=KINDS[kind][1].state, administrators=KINDS[kind][1].administrators)
        found, total = search_users(session, actor, wanted, limit=leaf.limit, offset=leaf.offset)
        rows = [_row(user, actor) for user in found]
    return visit.page(
        "users/index.html",
        _where(),
        list_url=USERS,
        tabs=tabs,
        kind=kind,
        query=query,
        users=rows,
        page=leaf.paging(visit, total, show=kind),
        page_sentence=shown_of(len(rows), total, "user"),
    )


def show_new_user(visit: Visit) -> Response:
    with _looking(visit):
        pass
    return _new_user(visit, FormState({"username": visit.query("username")}), _list_of(visit.query("then")))


def add_user(visit: Visit) -> Response:
    """Make a user with a place of their own; a password that was made up is shown on this answer and never again."""
    with _looking(visit):
        pass
    username, given, then = visit.field("username").strip(), visit.field("password"), _list_of(visit.field("then"))
    password = given or made_up_password()
    try:
        hashed = hash_password(password, username=username)
        with visit.write() as (session, actor):
            user = create_user(
                session,
                actor,
                username=username,
                name=visit.field("name"),
                email=visit.field("email").strip(),
                password=hashed,
                is_administrator=bool(visit.field("administrator")),
            )
            create_personal_namespace(session, actor, user)
    except (Invalid, Conflict) as refused:
        return _new_user(visit, FormState(visit.fields(), problem=refused.message), then, status_of(refused))
    if given:
        follows = _membership_url(then, username) if then else USERS
        return visit.go(follows, Toast(f"User {user.name} created."))
    return _credentials(visit, user, f"User {user.name} created", password, then=then, status=201)


def show_change(visit: Visit) -> Response:
    with _looking(visit) as (session, actor):
        user = _person(visit, session, actor)
    values = {
        "name": user.name,
        "email": user.email or "",
        "administrator": user.is_administrator,
        "was_administrator": "on" if user.is_administrator else "",
    }
    return _change(visit, user, FormState(values))


def change(visit: Visit) -> Response:
    try:
        with visit.write() as (session, actor):
            user = _person(visit, session, actor)
            update_user(
                session,
                actor,
                user,
                name=visit.field("name"),
                email=visit.field("email").strip(),
                is_administrator=_rights_changed(visit, user, actor),
            )
    except (Invalid, Conflict) as refused:
        with _looking(visit) as (session, actor):
            user = _person(visit, session, actor)
        return _change(visit, user, FormState(visit.fields(), problem=refused.message), status_of(refused))
    return visit.go(USERS, Toast(f"User {user.name} changed."))


def show_block(visit: Visit) -> Response:
    with _looking(visit) as (session, actor):
        user = _person(visit, session, actor)
    return visit.task(
        "layouts/confirm.html",
        _where(f"Block {user.name}"),
        heading=f"Block {user.name}",
        action=f"{_url_of(user)}/block",
        form_state=FormState(),
        sentences=[
            "Whatever comes from them is refused from now on: signing in, open pages and access tokens.",
            "What they made stays. They can be unblocked at any time.",
        ],
        phrase="",
        submit_label=f"Block {user.name}",
        cancel_url=USERS,
    )


def block(visit: Visit) -> Response:
    with visit.write() as (session, actor):
        user = _person(visit, session, actor)
        block_user(session, actor, user)
    return visit.go(USERS, Toast(f"{user.name} is blocked."))


def unblock(visit: Visit) -> Response:
    with visit.write() as (session, actor):
        user = _person(visit, session, actor)
        unblock_user(session, actor, user)
    return visit.go(USERS, Toast(f"{user.name} may sign in again."))


def show_new_password(visit: Visit) -> Response:
    with _looking(visit) as (session, actor):
        user = _person(visit, session, actor)
    return visit.task(
        "layouts/confirm.html",
        _where("New password"),
        heading=f"Make new password for {user.name}",
        action=f"{_url_of(user)}/password",
        form_state=FormState(),
        sentences=[
            "A password is made up and shown once, for you to hand over. The old one is worth nothing then.",
            f"{user.name} is signed out in every browser. Their access tokens stay.",
        ],
        phrase="",
        submit_label=f"Make new password for {user.name}",
        cancel_url=USERS,
    )


def make_password(visit: Visit) -> Response:
    """Give somebody a new password, shown on this answer and never again."""
    with _looking(visit) as (session, actor):
        user = _person(visit, session, actor)
    password = made_up_password()
    hashed = hash_password(password, username=user.username)
    with visit.write() as (session, actor):
        user = _person(visit, session, actor)
        update_user(session, actor, user, password=hashed)
    return _credentials(visit, user, f"New password of {user.name}", password)


@contextmanager
def _looking(visit: Visit) -> Iterator[tuple[Session, Actor]]:
    """A session that reads, for an administrator; nobody else learns who is here, or has us hash a password."""
    with visit.read() as (session, actor):
        require_administrator(actor, "look after users")
        yield session, actor


def _person(visit: Visit, session: Session, actor: Actor) -> User:
    require_administrator(actor, "look after users")
    user = get_user(session, actor, visit.number("user"))
    if user.kind != "human":
        raise NotFound("There is no such user.")  # bots of access tokens are looked after with their tokens
    return user


def _rights_changed(visit: Visit, user: User, actor: Actor) -> bool | None:
    """What the box was changed to; `None` if it is as it was shown, whatever another administrator did since."""
    wanted, shown = bool(visit.field("administrator")), bool(visit.field("was_administrator"))
    # Nobody is asked for their own rights, which only others can take.
    return None if wanted == shown or user.id == actor.user_id else wanted


def _url_of(user: User) -> str:
    return f"{USERS}/{user.id}"


def _list_of(address: str) -> str:
    """The list of members that somebody came from to make a user, and goes back to; empty for any other address."""
    path = local_path(address)
    return path if path.endswith((PROJECT_MEMBERS, GROUP_MEMBERS)) else ""


def _membership_url(members_url: str, username: str) -> str:
    return search_address(f"{members_url}/new", username=username)


def _where(title: str = "") -> Where:
    return Where((title, "Users") if title else ("Users",), crumbs=(Link("Users", USERS),))


def _row(user: User, actor: Actor) -> UserRow:
    seen = [moment for moment in (user.last_activity_at, user.last_sign_in_at) if moment is not None]
    return UserRow(
        number=user.id,
        name=user.name,
        username=user.username,
        email=user.email or "",
        is_viewer=user.id == actor.user_id,
        is_administrator=user.is_administrator,
        state=user.state,
        has_password=user.password_hash is not None,
        seen_at=max(seen, default=None),
        created_at=user.created_at,
        url=_url_of(user),
    )


def _new_user(visit: Visit, form: FormState, then: str, status: int = 200) -> Response:
    return visit.page(
        "users/new.html",
        _where("Create user"),
        status=status,
        form_state=form,
        then=then,
        list_url=USERS,
        least_password_length=LEAST_CHARACTERS,
        cancel_url=f"{then}/new" if then else USERS,
    )


def _change(visit: Visit, user: User, form: FormState, status: int = 200) -> Response:
    return visit.task(
        "users/form.html",
        _where(f"Change {user.name}"),
        status=status,
        heading=f"Change user {user.name}",
        action=_url_of(user),
        form_state=form,
        is_viewer=user.id == visit.actor.user_id,
        submit_label=f"Save user {user.name}",
        cancel_url=USERS,
    )


def _credentials(
    visit: Visit, user: User, heading: str, password: str, *, then: str = "", status: int = 200
) -> Response:
    sign_in_url = f"{visit.installation.settings.url}/users/sign_in"
    return visit.task(
        "users/credentials.html",
        _where(heading),
        status=status,
        heading=heading,
        user={"name": user.name, "username": user.username, "is_blocked": user.state == "blocked"},
        is_new=status == 201,  # noqa: PLR2004  # as `add_user` answers
        password=password,
        sign_in_url=sign_in_url,
        message=(
            f"Sign in to Modelyard at {sign_in_url}\nUsername: {user.username}\nPassword: {password}\n"
            "Choose a password of your own under Preferences after that."
        ),
        membership_url=_membership_url(then, user.username) if then else "",
        list_url=USERS,
    )

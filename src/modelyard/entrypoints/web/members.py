"""Members of projects and groups: who is there, in which role, from where, until when."""

from dataclasses import dataclass
from datetime import date, datetime

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.users import find_user, get_user
from modelyard.domains.namespaces.access import Ability, Role
from modelyard.domains.namespaces.members import (
    Membership,
    add_member,
    get_membership,
    members_of,
    remove_member,
    update_member,
)
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web.choices import ROLES, end_of_day, role_name, roles_up_to, today
from modelyard.entrypoints.web.chrome import NEW_USER, FormState, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.listing import leaf_of, shown_of
from modelyard.entrypoints.web.navigation import (
    GROUP_MEMBERS,
    GROUP_ROUTE,
    PROJECT_MEMBERS,
    PROJECT_ROUTE,
    Opened,
    namespace_url,
    open_place,
)
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Visit, search_address
from modelyard.entrypoints.web.whole_numbers import whole_number
from modelyard.platform.database import Session
from modelyard.platform.errors import Conflict, Invalid, NotFound

CURRENT = "Members"


class UnknownPersonError(Invalid):
    """Nobody has the name that was given; whoever administers the server can change that."""


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member as the list shows them; without addresses for what the actor may not do."""

    number: int
    name: str
    username: str
    is_bot: bool
    is_viewer: bool
    role: str
    role_explanation: str
    source_name: str
    source_url: str
    expires_on: date | None
    created_at: datetime
    edit_url: str = ""
    remove_url: str = ""


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    read, write = needs(Ability.READ_MEMBERS), needs(Ability.ADMIN_MEMBERS)
    for url in (GROUP_ROUTE + GROUP_MEMBERS, PROJECT_ROUTE + PROJECT_MEMBERS):
        pages.get(url, read, show_members)
        pages.post(url, write, invite)
        pages.get(url + "/new", write, show_invitation)
        pages.get(url + "/{user:int}/edit", write, show_change)
        pages.post(url + "/{user:int}", write, change)
        pages.get(url + "/{user:int}/remove", read, show_removal)
        pages.post(url + "/{user:int}/remove", read, remove)


def show_members(visit: Visit) -> Response:
    leaf = leaf_of(visit)
    with visit.read() as (session, actor):
        opened = open_place(visit, session, actor, CURRENT, Ability.READ_MEMBERS, title="Members")
        listed, total = members_of(
            session, actor, opened.place, inherited=True, search=visit.query("q"), limit=leaf.limit, offset=leaf.offset
        )
        rows = [_row(member, actor, opened) for member in listed]
    return visit.page(
        "members/index.html",
        opened.where,
        place={"name": opened.place.name},
        list_url=_list_url(opened),
        query=visit.query("q"),
        may={"manage_members": opened.may(Ability.ADMIN_MEMBERS)},
        members=rows,
        page=leaf.paging(visit, total),
        page_sentence=shown_of(len(rows), total, "member"),
    )


def show_invitation(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_place(visit, session, actor, CURRENT, Ability.ADMIN_MEMBERS, title="Add member")
    values = {"access_level": Role.DEVELOPER.value, "username": visit.query("username")}
    return _invitation(visit, opened, FormState(values))


def invite(visit: Visit) -> Response:
    login = visit.field("username").strip().removeprefix("@")
    try:
        with visit.write() as (session, actor):
            opened = open_place(visit, session, actor, CURRENT, Ability.ADMIN_MEMBERS)
            user = _person(session, actor, login)
            add_member(
                session, actor, opened.place, user, _level(visit), expires_at=end_of_day(visit.field("expires_on"))
            )
    except (Invalid, Conflict) as refused:
        with visit.read() as (session, actor):
            opened = open_place(visit, session, actor, CURRENT, Ability.ADMIN_MEMBERS, title="Add member")
        form = FormState(visit.fields(), problem=refused.message)
        is_unknown = isinstance(refused, UnknownPersonError)
        return _invitation(visit, opened, form, status_of(refused), unknown=login if is_unknown else "")
    return visit.go(_list_url(opened), Toast(f"{user.name} is now a member of {opened.place.name}."))


def show_change(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened, membership = _direct_member(visit, session, actor)
    ends = membership.member.expires_at
    values = {
        "access_level": membership.role.value,
        "expires_on": ends.date().isoformat() if ends else "",
    }
    return _change(visit, opened, membership.user, FormState(values))


def change(visit: Visit) -> Response:
    try:
        with visit.write() as (session, actor):
            opened, membership = _direct_member(visit, session, actor)
            level = _level(visit)
            update_member(
                session,
                actor,
                opened.place,
                membership.user.id,
                level,
                expires_at=end_of_day(visit.field("expires_on")),
            )
    except (Invalid, Conflict) as refused:
        with visit.read() as (session, actor):
            opened, membership = _direct_member(visit, session, actor)
        form = FormState(visit.fields(), problem=refused.message)
        return _change(visit, opened, membership.user, form, status_of(refused))
    toast = Toast(f"{membership.user.name} now has the role {role_name(Role(level))} in {opened.place.name}.")
    return visit.go(_list_url(opened), toast)


def show_removal(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_place(visit, session, actor, CURRENT, Ability.READ_MEMBERS, title="Remove member")
        user = get_user(session, actor, visit.number("user"))
    return _removal(visit, opened, user, FormState())


def remove(visit: Visit) -> Response:
    try:
        with visit.write() as (session, actor):
            opened = open_place(visit, session, actor, CURRENT, Ability.READ_MEMBERS)
            user = get_user(session, actor, visit.number("user"))
            remove_member(session, actor, opened.place, user.id)
    except Conflict as refused:
        with visit.read() as (session, actor):
            opened = open_place(visit, session, actor, CURRENT, Ability.READ_MEMBERS, title="Remove member")
            user = get_user(session, actor, visit.number("user"))
        return _removal(visit, opened, user, FormState(problem=refused.message), status_of(refused))
    address = "/" if user.id == visit.actor.user_id else _list_url(opened)
    return visit.go(address, Toast(f"{user.name} is no longer a member of {opened.place.name}."))


def _person(session: Session, actor: Actor, login: str) -> User:
    if not login:
        raise Invalid("Give the username of the person.")
    user = find_user(session, actor, login)
    if user is None or user.kind != "human":
        way = (
            "Create their account first." if actor.is_administrator else "Ask an administrator to create their account."
        )
        raise UnknownPersonError(f"Nobody here has the username {login}. {way}")
    return user


def _level(visit: Visit) -> int:
    return whole_number(visit.field("access_level"), "Choose a role.")


def _direct_member(visit: Visit, session: Session, actor: Actor) -> tuple[Opened, Membership]:
    opened = open_place(visit, session, actor, CURRENT, Ability.ADMIN_MEMBERS, title="Change role")
    membership = get_membership(session, actor, opened.place, visit.number("user"))
    if membership.source is not None:
        raise NotFound("This role comes from a group above. Change it there.")
    return opened, membership


def _list_url(opened: Opened) -> str:
    return opened.url + (PROJECT_MEMBERS if opened.kind == "project" else GROUP_MEMBERS)


def _row(membership: Membership, actor: Actor, opened: Opened) -> MemberRow:
    user, source = membership.user, membership.source
    is_direct = source is None or (source.id == getattr(opened.place, "id", None) and opened.kind == "group")
    is_viewer = user.id == actor.user_id
    manages = opened.may(Ability.ADMIN_MEMBERS) and membership.role <= opened.standing.role
    url = f"{_list_url(opened)}/{user.id}"
    ends = membership.member.expires_at
    return MemberRow(
        number=user.id,
        name=user.name,
        username=user.username,
        is_bot=user.kind == "bot",
        is_viewer=is_viewer,
        role=role_name(membership.role),
        role_explanation=ROLES[membership.role],
        source_name="" if is_direct or source is None else source.name,
        source_url="" if is_direct or source is None else namespace_url(source),
        expires_on=ends.date() if ends else None,
        created_at=membership.member.created_at,
        edit_url=f"{url}/edit" if is_direct and manages else "",
        remove_url=f"{url}/remove" if is_direct and (manages or is_viewer) else "",
    )


def _invitation(visit: Visit, opened: Opened, form: FormState, status: int = 200, *, unknown: str = "") -> Response:
    administers = visit.actor.is_administrator
    # An address is not proposed as a username.
    new_user_url = search_address(NEW_USER, username="" if "@" in unknown else unknown, then=_list_url(opened))
    return visit.task(
        "members/form.html",
        opened.where,
        status=status,
        heading=f"Add member to {opened.place.name}",
        action=_list_url(opened),
        form_state=form,
        ask_username=True,
        finds_addresses=administers,
        unknown=unknown if administers else "",
        new_user_url=new_user_url if administers else "",
        roles=roles_up_to(opened.standing.role),
        earliest_expiry=today().isoformat(),
        submit_label=f"Add member to {opened.place.name}",
        cancel_url=_list_url(opened),
    )


def _change(visit: Visit, opened: Opened, user: User, form: FormState, status: int = 200) -> Response:
    return visit.task(
        "members/form.html",
        opened.where,
        status=status,
        heading=f"Change role of {user.name} in {opened.place.name}",
        action=f"{_list_url(opened)}/{user.id}",
        form_state=form,
        ask_username=False,
        roles=roles_up_to(opened.standing.role),
        earliest_expiry=today().isoformat(),
        submit_label=f"Change role of {user.name}",
        cancel_url=_list_url(opened),
    )


def _removal(visit: Visit, opened: Opened, user: User, form: FormState, status: int = 200) -> Response:
    is_viewer = user.id == visit.actor.user_id
    act = f"Leave {opened.place.name}" if is_viewer else f"Remove {user.name} from {opened.place.name}"
    return visit.task(
        "layouts/confirm.html",
        opened.where,
        status=status,
        heading=act,
        action=f"{_list_url(opened)}/{user.id}/remove",
        form_state=form,
        sentences=[
            "What they made stays. Roles that come from a group above stay, too.",
            "They can be added again at any time.",
        ],
        phrase="",
        submit_label=act,
        cancel_url=_list_url(opened),
    )

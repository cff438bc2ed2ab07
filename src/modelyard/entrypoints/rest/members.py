"""Members of projects and groups: direct ones, and all who have a role through a group above."""

from typing import Annotated

from fastapi import Body, Query
from pydantic import Field

from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.users import find_user
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.members import (
    Membership,
    add_member,
    get_membership,
    members_of,
    remove_member,
    update_member,
)
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.rest.errors import Malformed, Missing
from modelyard.entrypoints.rest.fields import (
    Day,
    Moment,
    Number,
    OptionalDate,
    Parameters,
    PlaceReference,
    Text,
    day_of,
    start_of,
)
from modelyard.entrypoints.rest.paging import Listed, Paging, listed
from modelyard.entrypoints.rest.router import Asked, Asking, Routes
from modelyard.entrypoints.rest.users import BasicUser, UserId, basic_user, named_user
from modelyard.platform.database import Session

routes = Routes("Members")

LEVELS = "10 guest, 20 reporter, 30 developer, 40 maintainer, 50 owner."


class MemberAnswer(BasicUser):
    """Somebody with a role. `expires_at` is the first day without it."""

    access_level: int = Field(description=LEVELS)
    created_at: Moment
    expires_at: Day | None


class MembersQuery(Paging):
    """Which members are listed."""

    query: Text = Field(default="", description="Part of a user name or name.")


class NewMember(Parameters):
    """Somebody who is to be given a role, by number or by user name."""

    user_id: Number | None = None
    username: Text | None = None
    access_level: int = Field(description=LEVELS)
    expires_at: OptionalDate = Field(default=None, description="The first day without the role.")


class MemberChanges(Parameters):
    """Another role, and another end if one is named; an empty `expires_at` takes the end away."""

    access_level: int = Field(description=LEVELS)
    expires_at: OptionalDate = None


def _answer(asked: Asked, membership: Membership) -> MemberAnswer:
    member = membership.member
    return MemberAnswer.model_validate(
        {
            **basic_user(membership.user, asked.url).model_dump(),
            "access_level": member.access_level,
            "created_at": member.created_at,
            "expires_at": day_of(member.expires_at),
        }
    )


def _page(asked: Asked, place_id: str, wanted: MembersQuery, *, inherited: bool) -> Listed[MemberAnswer]:
    with asked.read() as session:
        rows, total = members_of(
            session,
            asked.actor,
            asked.place(session, place_id),
            inherited=inherited,
            search=wanted.query,
            limit=wanted.limit,
            offset=wanted.offset,
        )
        return listed([_answer(asked, membership) for membership in rows], wanted, total)


def _one(asked: Asked, place_id: str, user_id: int, *, inherited: bool) -> MemberAnswer:
    with asked.read() as session:
        place = asked.place(session, place_id)
        return _answer(asked, get_membership(session, asked.actor, place, user_id, inherited=inherited))


@routes.get("/{places}/{place_id}/members", policy=needs(Ability.READ_MEMBERS), answer=list[MemberAnswer])
def list_members(
    asked: Asking, place_id: PlaceReference, wanted: Annotated[MembersQuery, Query()]
) -> Listed[MemberAnswer]:
    """List direct members; the bots of access tokens are members too."""
    return _page(asked, place_id, wanted, inherited=False)


@routes.get("/{places}/{place_id}/members/all", policy=needs(Ability.READ_MEMBERS), answer=list[MemberAnswer])
def list_all_members(
    asked: Asking, place_id: PlaceReference, wanted: Annotated[MembersQuery, Query()]
) -> Listed[MemberAnswer]:
    """List all members, also those of the groups above, each once in their greatest role."""
    return _page(asked, place_id, wanted, inherited=True)


@routes.get("/{places}/{place_id}/members/all/{user_id}", policy=needs(Ability.READ_MEMBERS), answer=MemberAnswer)
def get_one_of_all_members(asked: Asking, place_id: PlaceReference, user_id: UserId) -> MemberAnswer:
    """Get a member, direct or through a group above."""
    return _one(asked, place_id, user_id, inherited=True)


@routes.get("/{places}/{place_id}/members/{user_id}", policy=needs(Ability.READ_MEMBERS), answer=MemberAnswer)
def get_one_member(asked: Asking, place_id: PlaceReference, user_id: UserId) -> MemberAnswer:
    """Get a direct member."""
    return _one(asked, place_id, user_id, inherited=False)


@routes.post("/{places}/{place_id}/members", policy=needs(Ability.ADMIN_MEMBERS), answer=MemberAnswer)
def add_one_member(asked: Asking, place_id: PlaceReference, wanted: Annotated[NewMember, Body()]) -> MemberAnswer:
    """Give somebody a role, at most one's own."""
    with asked.write() as session:
        place = asked.place(session, place_id)
        user = _chosen(session, asked, wanted)
        member = add_member(
            session, asked.actor, place, user, wanted.access_level, expires_at=start_of(wanted.expires_at)
        )
        return _answer(asked, Membership(member, user))


@routes.put("/{places}/{place_id}/members/{user_id}", policy=needs(Ability.ADMIN_MEMBERS), answer=MemberAnswer)
def change_member(
    asked: Asking, place_id: PlaceReference, user_id: UserId, wanted: Annotated[MemberChanges, Body()]
) -> MemberAnswer:
    """Give a direct member another role or end."""
    with asked.write() as session:
        place = asked.place(session, place_id)
        known = get_membership(session, asked.actor, place, user_id)
        keeps_end = "expires_at" not in wanted.model_fields_set
        end = known.member.expires_at if keeps_end else start_of(wanted.expires_at)
        member = update_member(session, asked.actor, place, user_id, wanted.access_level, expires_at=end)
        return _answer(asked, Membership(member, known.user))


@routes.delete("/{places}/{place_id}/members/{user_id}", policy=needs(Ability.ADMIN_MEMBERS))
def remove_one_member(asked: Asking, place_id: PlaceReference, user_id: UserId) -> None:
    """Take a direct member's role away; everybody may end their own."""
    with asked.write() as session:
        # Who may see the members may leave; the use case asks for more when it is somebody else.
        place = asked.place(session, place_id, ability=Ability.READ_MEMBERS)
        remove_member(session, asked.actor, place, user_id)


def _chosen(session: Session, asked: Asked, wanted: NewMember) -> User:
    """Whom a request means.

    Raises:
        Missing, Malformed
    """
    if (wanted.user_id is None) == (wanted.username is None):
        raise Malformed("user_id, username are missing or exclusive, exactly one parameter must be provided")
    if wanted.user_id is not None:
        return named_user(session, asked, wanted.user_id)
    user = find_user(session, asked.actor, wanted.username or "")
    if user is None:
        raise Missing("User")
    return user

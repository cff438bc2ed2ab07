"""Members: who has which role where, until when, and from which group above."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, contains_eager

from modelyard.domains.accounts.actor import WRITING, Actor, require_scope
from modelyard.domains.accounts.tables import User
from modelyard.domains.namespaces.access import (
    Ability,
    Place,
    Role,
    lasting,
    lineage_ids,
    require,
    role_in,
)
from modelyard.domains.namespaces.events import MemberChanged
from modelyard.domains.namespaces.tables import Member, Namespace, Project
from modelyard.platform.clock import now
from modelyard.platform.errors import Conflict, Forbidden, Invalid, NotFound
from modelyard.platform.events import publish


@dataclass(frozen=True)
class Membership:
    """A member as seen from a place; `source` is the group it comes from, None when it is direct."""

    member: Member
    user: User
    source: Namespace | None = None

    @property
    def role(self) -> Role:
        return Role(self.member.access_level)


def checked_role(level: int) -> Role:
    """A role that can be given to somebody.

    Raises:
        Invalid
    """
    if level not in {role.value for role in Role} or level == Role.NONE:
        raise Invalid("access_level is one of 10 (guest), 20 (reporter), 30 (developer), 40 (maintainer), 50 (owner).")
    return Role(level)


def add_member(
    session: Session, actor: Actor, place: Place, user: User, level: int, *, expires_at: datetime | None = None
) -> Member:
    """Give `user` a role in `place`.

    Raises:
        Forbidden: the actor may not, or the role is above their own.
        Conflict: they are a direct member already.
        Invalid: the role or the date.
    """
    if user.kind != "human":
        raise Invalid("The bot of an access token has a role only where its token belongs.")
    return grant_role(session, actor, place, user, level, expires_at=expires_at)


def grant_role(
    session: Session, actor: Actor, place: Place, user: User, level: int, *, expires_at: datetime | None = None
) -> Member:
    """`add_member` for the bots of access tokens too.

    Raises:
        Forbidden, Conflict, Invalid
    """
    role = checked_role(level)
    _check_grant(session, actor, place, role)
    known = _direct(session, place, user.id)
    if known is not None and (known.expires_at is None or known.expires_at > now()):
        raise Conflict(f"{user.username} is already a member.")
    if known is not None:
        # It has ended: nothing lists it any more, and it must not stand in the way of a new one.
        session.delete(known)
        session.flush()
    is_project = isinstance(place, Project)
    member = Member(
        user_id=user.id,
        project_id=place.id if is_project else None,
        namespace_id=None if is_project else place.id,
        access_level=role,
        expires_at=_checked_end(expires_at),
        created_by_id=actor.user_id,
        created_at=now(),
    )
    session.add(member)
    session.flush()  # a race for the same membership ends at the unique constraint, here
    _tell(session, actor, member, role)
    return member


def update_member(
    session: Session, actor: Actor, place: Place, user_id: int, level: int, *, expires_at: datetime | None = None
) -> Member:
    """Give a direct member another role or end.

    Raises:
        Forbidden, NotFound, Invalid
        Conflict: it would leave the place without an owner.
    """
    role = checked_role(level)
    member = _get_direct(session, actor, place, user_id)
    _check_grant(session, actor, place, max(role, Role(member.access_level)))
    if role != Role.OWNER or expires_at is not None:
        _keep_an_owner(session, place, member)
    member.access_level = role
    member.expires_at = _checked_end(expires_at)
    _tell(session, actor, member, role)
    return member


def remove_member(session: Session, actor: Actor, place: Place, user_id: int) -> None:
    """End a direct membership; everybody may end their own.

    Raises:
        Forbidden, NotFound
        Conflict: it would leave the place without an owner.
    """
    member = _get_direct(session, actor, place, user_id)
    if user_id == actor.user_id:
        require_scope(actor, WRITING, "end your membership")
    else:
        _check_grant(session, actor, place, Role(member.access_level))
    _keep_an_owner(session, place, member)
    session.delete(member)
    _tell(session, actor, member, Role.NONE)


def members_of(
    session: Session,
    actor: Actor,
    place: Place,
    *,
    inherited: bool = False,
    search: str = "",
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[Membership], int]:
    """People with a role in `place`, by number, and how many there are; bots of access tokens are members too.

    With `inherited` also those from groups above, each in their greatest role.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.READ_MEMBERS, place)
    lineage = _lineage(session, place)
    above = lineage if isinstance(place, Project) else lineage[:-1]
    here = Member.project_id == place.id if isinstance(place, Project) else Member.namespace_id == place.id
    scope = or_(here, Member.namespace_id.in_(above)) if inherited else here
    chosen = select(Member).join(Member.user).options(contains_eager(Member.user)).where(scope, lasting())
    if search:
        sought = search.lower()
        chosen = chosen.where(
            func.lower(User.username).contains(sought, autoescape=True)
            | func.lower(User.name).contains(sought, autoescape=True)
        )
    best: dict[int, Member] = {}
    for member in session.scalars(chosen.order_by(Member.access_level, Member.id)):
        best[member.user_id] = member
    sources = {row.id: row for row in session.scalars(select(Namespace).where(Namespace.id.in_(above)))}
    ordered = [
        Membership(member, member.user, sources.get(member.namespace_id) if member.namespace_id else None)
        for _, member in sorted(best.items())
    ]
    return ordered[offset : offset + limit], len(ordered)


def get_membership(
    session: Session, actor: Actor, place: Place, user_id: int, *, inherited: bool = False
) -> Membership:
    """One user's membership as `members_of` would list it.

    Raises:
        NotFound
    """
    listed, _ = members_of(session, actor, place, inherited=inherited, limit=1_000_000)
    for membership in listed:
        if membership.user.id == user_id:
            return membership
    raise NotFound("This user is not a member.")


def _lineage(session: Session, place: Place) -> list[int]:
    if isinstance(place, Namespace):
        return lineage_ids(place.lineage)
    return lineage_ids(session.scalar(select(Namespace.lineage).where(Namespace.id == place.namespace_id)) or "")


def _direct(session: Session, place: Place, user_id: int) -> Member | None:
    here = Member.project_id == place.id if isinstance(place, Project) else Member.namespace_id == place.id
    return session.scalar(select(Member).where(here, Member.user_id == user_id))


def _get_direct(session: Session, actor: Actor, place: Place, user_id: int) -> Member:
    require(session, actor, Ability.READ_MEMBERS, place)
    member = _direct(session, place, user_id)
    if member is None:
        raise NotFound("This user is not a direct member here.")
    return member


def _check_grant(session: Session, actor: Actor, place: Place, role: Role) -> None:
    """Nobody gives, changes or takes a role above their own."""
    require(session, actor, Ability.ADMIN_MEMBERS, place)
    if role > role_in(session, actor, place):
        raise Forbidden(f"Only somebody with the role {role.name.lower()} can do that.")


def _keep_an_owner(session: Session, place: Place, leaving: Member) -> None:
    """A group keeps at least one direct owner; a project may leave that to its group."""
    if leaving.access_level != Role.OWNER or isinstance(place, Project):
        return
    # The row of the group is the lock under which two owners cannot leave at the same time.
    session.execute(select(Namespace.id).where(Namespace.id == place.id).with_for_update())
    others = select(func.count()).where(
        Member.namespace_id == place.id,
        Member.access_level == Role.OWNER,
        Member.id != leaving.id,
        Member.expires_at.is_(None),
    )
    if not session.scalar(others):
        raise Conflict("A group needs an owner. Make somebody else owner first.")


def _checked_end(expires_at: datetime | None) -> datetime | None:
    if expires_at is not None and expires_at <= now():
        raise Invalid("A membership cannot end in the past.")
    return expires_at


def _tell(session: Session, actor: Actor, member: Member, role: Role) -> None:
    publish(session, MemberChanged(actor.user_id, member.user_id, member.namespace_id, member.project_id, role))

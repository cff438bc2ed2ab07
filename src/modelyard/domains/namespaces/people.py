"""People and their places together: deleting somebody."""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.users import erase_user
from modelyard.domains.namespaces.access import Role, lasting, lineage_ids
from modelyard.domains.namespaces.deletion import mark_deleted
from modelyard.domains.namespaces.tables import Member, Namespace
from modelyard.platform.errors import Conflict


def delete_user(session: Session, actor: Actor, user: User) -> None:
    """Delete a person: their account, their memberships, and their own place with the projects in it.

    What they made elsewhere stays, as made by a deleted user.

    Raises:
        Forbidden, Invalid: as `accounts.users.erase_user`.
        Conflict: a group would be left without an owner.
    """
    erase_user(session, actor, user)
    alone = _groups_owned_alone(session, user)
    if alone:
        raise Conflict(
            f"Nobody else owns {', '.join(alone)}. Make somebody else owner there, or delete it, and then the user."
        )
    own = (Namespace.owner_id == user.id, Namespace.kind == "user", Namespace.deleted_at.is_(None))
    for place in session.scalars(select(Namespace).where(*own)).all():
        mark_deleted(session, place)
    session.execute(delete(Member).where(Member.user_id == user.id))


def _groups_owned_alone(session: Session, user: User) -> list[str]:
    """The paths of groups that neither have another owner nor inherit one."""
    owned = (
        select(Namespace)
        .join(Member, Member.namespace_id == Namespace.id)
        .where(Member.user_id == user.id, Member.access_level == Role.OWNER)
        .where(Namespace.kind == "group", Namespace.deleted_at.is_(None))
        .order_by(Namespace.full_path)
        # As for `remove_member`, the lock under which two owners cannot leave at the same time.
        .with_for_update(of=Namespace)
    )
    found: list[str] = []
    for group in session.scalars(owned).all():
        others = select(func.count()).where(
            Member.namespace_id.in_(lineage_ids(group.lineage)),
            Member.access_level == Role.OWNER,
            Member.user_id != user.id,
            lasting(),
        )
        if not session.scalar(others):
            found.append(group.full_path)
    return found

"""Who may see things at most: nothing in a group is more visible than its group."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.names import VISIBILITIES, checked_visibility, rank
from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.platform.errors import Invalid


def refused_for_projects(namespace: Namespace) -> dict[str, str]:
    """The visibilities that no project in `namespace` can have, each with the reason. A person's place bounds none."""
    return _refused_inside(namespace, "A project in") if namespace.kind == "group" else {}


def refused_for_subgroups(parent: Namespace | None) -> dict[str, str]:
    """The same for a group in `parent`; nothing bounds one at the top."""
    return _refused_inside(parent, "A subgroup of") if parent is not None else {}


def _refused_inside(group: Namespace, what: str) -> dict[str, str]:
    return {
        visibility: f"{what} a group that is {group.visibility} cannot be {visibility}."
        for visibility in VISIBILITIES
        if rank(visibility) > rank(group.visibility)
    }


def refused_for_group(session: Session, actor: Actor, group: Namespace) -> dict[str, str]:
    """The visibilities that a group cannot be given, for what it lies in and for what lies in it.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.UPDATE_PLACE, group)
    inside = Namespace.lineage.startswith(group.lineage, autoescape=True) & Namespace.deleted_at.is_(None)
    below = set(session.scalars(select(Namespace.visibility).where(inside, Namespace.id != group.id).distinct()))
    below |= set(
        session.scalars(
            select(Project.visibility)
            .join(Namespace, Namespace.id == Project.namespace_id)
            .where(inside, Project.deleted_at.is_(None))
            .distinct()
        )
    )
    refused = {
        visibility: f"Something inside this group is more visible than {visibility}. Change that first."
        for visibility in VISIBILITIES
        if any(rank(other) > rank(visibility) for other in below)
    }
    parent = session.get(Namespace, group.parent_id) if group.parent_id else None
    return refused | refused_for_subgroups(parent)


def refuse_visibility(visibility: str, refused: dict[str, str]) -> None:
    """Go on only with a visibility that there is and that is not refused.

    Raises:
        Invalid: with the reason.
    """
    if reason := refused.get(checked_visibility(visibility)):
        raise Invalid(reason)

"""Reads across many places at once: what lists show beside each group and project."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import (
    Ability,
    Role,
    lasting,
    lineage_ids,
    namespaces_with,
    standing,
    visible_namespaces,
)
from modelyard.domains.namespaces.tables import Member, Namespace, Project
from modelyard.platform.errors import Unauthenticated


@dataclass(frozen=True)
class OwnRole:
    """The actor's role in a project: as its direct member, and as one of a group above it."""

    direct: Role = Role.NONE
    inherited: Role = Role.NONE


def full_names(session: Session, actor: Actor, places: Sequence[Namespace]) -> dict[int, str]:  # noqa: ARG001  # (session, actor, …) is the form
    """`Parent / Child` for each place by its number; whoever sees a place may know what it lies in."""
    ids = {number for place in places for number in lineage_ids(place.lineage)}
    names = {group.id: group.name for group in session.scalars(select(Namespace).where(Namespace.id.in_(ids)))}
    return {place.id: " / ".join(names[number] for number in lineage_ids(place.lineage)) for place in places}


def own_roles(session: Session, actor: Actor, projects: Sequence[Project]) -> dict[int, OwnRole]:
    """The actor's memberships as seen from each of these projects, by number. Their namespaces are loaded."""
    if actor.user_id is None or not projects:
        return {}
    above = {number for project in projects for number in lineage_ids(project.namespace.lineage)}
    here = or_(Member.project_id.in_([project.id for project in projects]), Member.namespace_id.in_(above))
    direct: dict[int, Role] = {}
    inherited: dict[int, Role] = {}
    for member in session.scalars(select(Member).where(Member.user_id == actor.user_id, here, lasting())):
        if member.project_id is not None:
            direct[member.project_id] = Role(member.access_level)
        elif member.namespace_id is not None:
            inherited[member.namespace_id] = Role(member.access_level)
    return {
        project.id: OwnRole(
            direct.get(project.id, Role.NONE),
            max(inherited.get(number, Role.NONE) for number in lineage_ids(project.namespace.lineage)),
        )
        for project in projects
    }


def namespaces_of(
    session: Session,
    actor: Actor,
    *,
    search: str = "",
    owned: bool = False,
    at_top: bool = False,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[Namespace], int]:
    """The groups that the actor is a member of, with their own place, by path; all there are for an administrator.

    Raises:
        Unauthenticated
    """
    if actor.is_anonymous:
        raise Unauthenticated("Sign in first.")
    chosen = visible_namespaces(actor)
    if owned or not actor.is_administrator:
        chosen = chosen.where(namespaces_with(actor, Role.OWNER if owned else Role.GUEST))
    if at_top:
        chosen = chosen.where(Namespace.parent_id.is_(None))
    if search:
        sought = search.lower()
        chosen = chosen.where(
            Namespace.full_path_folded.contains(sought, autoescape=True)
            | func.lower(Namespace.name).contains(sought, autoescape=True)
        )
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    return list(session.scalars(chosen.order_by(Namespace.full_path_folded).limit(limit).offset(offset))), total


def is_path_taken(session: Session, actor: Actor, path: str, parent: Namespace | None = None) -> bool:
    """Whether a group or person has this path, at the top or in `parent`.

    Whoever may create something there would learn it by trying, and is told the truth; others learn of what they see.

    Raises:
        Unauthenticated
    """
    if actor.is_anonymous:
        raise Unauthenticated("Sign in first.")
    folded = f"{parent.full_path}/{path}".lower() if parent else path.lower()
    may_create = (
        actor.is_person
        if parent is None
        else bool(standing(session, actor, parent).abilities & {Ability.CREATE_SUBGROUPS, Ability.CREATE_PROJECTS})
    )
    known = select(Namespace).where(Namespace.deleted_at.is_(None)) if may_create else visible_namespaces(actor)
    return session.scalar(known.where(Namespace.full_path_folded == folded).limit(1)) is not None

"""Groups and subgroups, and the place of each person."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import WRITING, Actor, require_scope
from modelyard.domains.accounts.tables import User
from modelyard.domains.namespaces.access import Ability, Role, namespaces_with, require, visible_namespaces
from modelyard.domains.namespaces.deletion import keep_there, mark_deleted
from modelyard.domains.namespaces.events import GroupChanged, GroupCreated, GroupDeleted
from modelyard.domains.namespaces.names import (
    MOST_DEPTH,
    checked_description,
    checked_name,
    checked_path,
    checked_visibility,
    number_in,
    path_from,
)
from modelyard.domains.namespaces.tables import Member, Namespace, Project
from modelyard.domains.namespaces.visibility import refuse_visibility, refused_for_group, refused_for_subgroups
from modelyard.platform.clock import now
from modelyard.platform.errors import Conflict, Forbidden, Hidden, Invalid, Unauthenticated
from modelyard.platform.events import publish

MISSING = "There is no such group, or you cannot see it."


def create_group(
    session: Session,
    actor: Actor,
    *,
    name: str,
    path: str | None = None,
    parent: Namespace | None = None,
    description: str = "",
    visibility: str = "private",
) -> Namespace:
    """Make a group, at the top or inside `parent`; the actor owns it.

    Raises:
        Forbidden, NotFound: of the parent.
        Invalid, Conflict: the name, path or visibility.
    """
    if actor.is_anonymous and not actor.is_administrator:
        raise Unauthenticated("Sign in to create a group.")
    if parent is not None:
        require(session, actor, Ability.CREATE_SUBGROUPS, parent)
        if parent.kind != "group":
            raise Invalid("A subgroup lives in a group, not in the place of a person.")
        refuse_visibility(visibility, refused_for_subgroups(parent))
    else:
        if actor.is_bot:
            raise Forbidden("The token of a project or group cannot create groups.")
        require_scope(actor, WRITING, "create groups")
    group = _add_namespace(
        session,
        kind="group",
        name=checked_name(name),
        path=checked_path(path or path_from(name), at_top=parent is None),
        parent=parent,
        description=checked_description(description),
        visibility=checked_visibility(visibility),
    )
    if actor.user_id is not None:
        session.add(
            Member(
                user_id=actor.user_id,
                namespace_id=group.id,
                access_level=Role.OWNER,
                created_by_id=actor.user_id,
                created_at=now(),
            )
        )
    publish(session, GroupCreated(actor.user_id, group.id, group.full_path))
    return group


def create_personal_namespace(session: Session, actor: Actor, user: User) -> Namespace:  # noqa: ARG001  # (session, actor, …) is the form
    """Make the place of a new person, where their own projects live. Strangers do not learn of it.

    Raises:
        Invalid, Conflict: their user name is reserved or taken by a group.
    """
    place = _add_namespace(
        session,
        kind="user",
        name=user.name,
        path=checked_path(user.username, at_top=True),
        parent=None,
        description="",
        visibility="internal",
        owner_id=user.id,
    )
    session.add(
        Member(user_id=user.id, namespace_id=place.id, access_level=Role.OWNER, created_by_id=user.id, created_at=now())
    )
    return place


def _add_namespace(
    session: Session,
    *,
    kind: str,
    name: str,
    path: str,
    parent: Namespace | None,
    description: str,
    visibility: str,
    owner_id: int | None = None,
) -> Namespace:
    full_path = f"{parent.full_path}/{path}" if parent else path
    if full_path.count("/") >= MOST_DEPTH:
        raise Invalid(f"Groups nest at most {MOST_DEPTH} deep.")
    if parent:
        keep_there(session, parent)
    refuse_taken_path(session, full_path)
    moment = now()
    place = Namespace(
        kind=kind,
        parent_id=parent.id if parent else None,
        owner_id=owner_id,
        path=path,
        name=name,
        full_path=full_path,
        full_path_folded=full_path.lower(),
        lineage="",
        description=description,
        visibility=visibility,
        created_at=moment,
        updated_at=moment,
    )
    session.add(place)
    session.flush()  # the lineage is spelled with the new id
    place.lineage = f"{parent.lineage if parent else '/'}{place.id}/"
    session.flush()  # members and visibility look the lineage up
    return place


def refuse_taken_path(session: Session, full_path: str) -> None:
    """Groups and projects share one space of paths.

    Raises:
        Conflict
    """
    folded = full_path.lower()
    if any(
        session.scalar(select(kind.id).where(kind.full_path_folded == folded, kind.deleted_at.is_(None)))
        for kind in (Namespace, Project)
    ):
        raise Conflict(f"The path {full_path} has already been taken.")


def get_namespace(session: Session, actor: Actor, reference: int | str) -> Namespace:
    """A group or personal place by number or full path.

    Raises:
        NotFound
    """
    chosen = visible_namespaces(actor)
    number = number_in(reference)
    named = Namespace.full_path_folded == str(reference).lower() if number is None else Namespace.id == number
    found = session.scalar(chosen.where(named))
    if found is None:
        raise Hidden(MISSING)
    return found


def get_group(session: Session, actor: Actor, reference: int | str) -> Namespace:
    """A group by number or full path; a person's own place is none.

    Raises:
        NotFound
    """
    found = get_namespace(session, actor, reference)
    if found.kind != "group":
        raise Hidden(MISSING)
    return found


def personal_namespace(session: Session, actor: Actor) -> Namespace | None:
    """The actor's own place; bots have none."""
    own = (Namespace.owner_id == actor.user_id, Namespace.kind == "user", Namespace.deleted_at.is_(None))
    return session.scalar(select(Namespace).where(*own))


ORDERS = {"name": func.lower(Namespace.name), "path": Namespace.full_path_folded, "id": Namespace.id}


@dataclass(frozen=True)
class GroupFilter:
    """Which groups a list shows. `least` narrows to those where the actor is a member with that role or a higher."""

    search: str = ""
    visibility: str | None = None
    least: Role | None = None
    without_ids: Collection[int] = ()


def groups_below(
    session: Session,
    actor: Actor,
    parent: Namespace | None = None,
    wanted: GroupFilter = GroupFilter(),  # frozen
    *,
    all_levels: bool = False,
    order_by: str = "path",
    descending: bool = False,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[Namespace], int]:
    """Visible groups: all of them, the direct subgroups of `parent`, or all below it; and how many there are.

    Raises:
        Invalid: the order.
    """
    if order_by not in ORDERS:
        raise Invalid(f"Groups are ordered by {', '.join(ORDERS)}.")
    chosen = visible_namespaces(actor).where(Namespace.kind == "group", *_conditions(actor, wanted))
    if parent is not None and all_levels:
        chosen = chosen.where(Namespace.lineage.startswith(parent.lineage, autoescape=True), Namespace.id != parent.id)
    elif parent is not None:
        chosen = chosen.where(Namespace.parent_id == parent.id)
    elif not all_levels:
        chosen = chosen.where(Namespace.parent_id.is_(None))
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    column = ORDERS[order_by]
    ordered = chosen.order_by(column.desc() if descending else column.asc(), Namespace.id)
    return list(session.scalars(ordered.limit(limit).offset(offset))), total


def _conditions(actor: Actor, wanted: GroupFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.search:
        sought = wanted.search.lower()
        conditions.append(
            Namespace.full_path_folded.contains(sought, autoescape=True)
            | func.lower(Namespace.name).contains(sought, autoescape=True)
        )
    if wanted.visibility:
        conditions.append(Namespace.visibility == checked_visibility(wanted.visibility))
    if wanted.least is not None:
        conditions.append(namespaces_with(actor, wanted.least))
    if wanted.without_ids:
        conditions.append(Namespace.id.not_in(wanted.without_ids))
    return conditions


def ancestors_of(session: Session, actor: Actor, place: Namespace) -> list[Namespace]:  # noqa: ARG001  # (session, actor, …) is the form
    """The groups above `place`, the root first, then `place` itself; whoever sees a place sees what it lies in."""
    ids = [int(part) for part in place.lineage.split("/") if part and int(part) != place.id]
    above = select(Namespace).where(Namespace.id.in_(ids))
    rows = {row.id: row for row in session.scalars(above)} if ids else {}
    return [*(rows[number] for number in ids if number in rows), place]


def update_group(
    session: Session,
    actor: Actor,
    group: Namespace,
    *,
    name: str | None = None,
    path: str | None = None,
    description: str | None = None,
    visibility: str | None = None,
) -> Namespace:
    """Change a group; a new path moves everything below it.

    Raises:
        Forbidden, NotFound, Invalid, Conflict
    """
    require(session, actor, Ability.UPDATE_PLACE, group)
    if name is not None:
        group.name = checked_name(name)
    if description is not None:
        group.description = checked_description(description)
    if visibility is not None and checked_visibility(visibility) != group.visibility:
        refuse_visibility(visibility, refused_for_group(session, actor, group))
        group.visibility = visibility
    if path is not None and path != group.path:
        _move(session, group, checked_path(path, at_top=group.parent_id is None))
    group.updated_at = now()
    publish(session, GroupChanged(actor.user_id, group.id, group.full_path))
    return group


def _move(session: Session, group: Namespace, path: str) -> None:
    """Give a group another path, and everything below it."""
    old = group.full_path
    new = f"{old.rpartition('/')[0]}/{path}" if "/" in old else path
    if new.lower() != old.lower():
        refuse_taken_path(session, new)
    inside = Namespace.lineage.startswith(group.lineage, autoescape=True) & Namespace.deleted_at.is_(None)
    rows: list[Namespace | Project] = [*session.scalars(select(Namespace).where(inside))]
    rows += session.scalars(
        select(Project)
        .join(Namespace, Namespace.id == Project.namespace_id)
        .where(inside, Project.deleted_at.is_(None))
    )
    for row in rows:
        row.full_path = new + row.full_path[len(old) :]
        row.full_path_folded = row.full_path.lower()
    group.path = path


def delete_group(session: Session, actor: Actor, group: Namespace) -> None:
    """Delete a group with everything in it: nobody sees it any more, and a task removes it for good.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.DELETE_PLACE, group)
    if group.kind != "group":
        raise Forbidden("The place of a person is deleted with its person.")
    mark_deleted(session, group)
    publish(session, GroupDeleted(actor.user_id, group.id, group.full_path))

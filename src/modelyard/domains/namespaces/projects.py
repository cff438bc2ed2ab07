"""Projects: made in a group or in a person's own place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, contains_eager

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import (
    Ability,
    Feature,
    Role,
    Standing,
    projects_with,
    require,
    take_for_granted,
    visible_projects,
)
from modelyard.domains.namespaces.deletion import keep_there, mark_deleted
from modelyard.domains.namespaces.events import ProjectChanged, ProjectCreated, ProjectDeleted
from modelyard.domains.namespaces.groups import personal_namespace, refuse_taken_path
from modelyard.domains.namespaces.names import (
    checked_description,
    checked_name,
    checked_path,
    checked_visibility,
    number_in,
    path_from,
)
from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.domains.namespaces.visibility import refuse_visibility, refused_for_projects
from modelyard.platform.clock import now
from modelyard.platform.errors import Hidden, Invalid, Unauthenticated
from modelyard.platform.events import publish

MISSING = "There is no such project, or you cannot see it."
SWITCHES = ("disabled", "private", "enabled")
SWITCHED = tuple(f"{feature}_access_level" for feature in Feature)


@dataclass(frozen=True)
class ProjectFilter:
    """Which projects a list shows. `least` narrows to those where the actor is a member with that role or a higher."""

    namespace: Namespace | None = None
    with_subgroups: bool = False
    search: str = ""
    visibility: str | None = None
    least: Role | None = None
    archived: bool | None = None
    id_after: int | None = None
    id_before: int | None = None
    active_after: datetime | None = None
    active_before: datetime | None = None


def create_project(
    session: Session,
    actor: Actor,
    *,
    name: str,
    path: str | None = None,
    namespace: Namespace | None = None,
    description: str = "",
    visibility: str = "private",
    switches: Mapping[str, str] | None = None,
) -> Project:
    """Make a project in `namespace`, or in the actor's own place. `switches` are as for `update_project`.

    Raises:
        Forbidden, NotFound: of the namespace.
        Invalid, Conflict: the name, path or visibility.
    """
    namespace = namespace or personal_namespace(session, actor)
    if namespace is None:
        raise Unauthenticated("Sign in to create a project.") if actor.is_anonymous else Invalid("Name a group.")
    require(session, actor, Ability.CREATE_PROJECTS, namespace)
    keep_there(session, namespace)
    refuse_visibility(visibility, refused_for_projects(namespace))
    path = checked_path(path or path_from(name))
    full_path = f"{namespace.full_path}/{path}"
    refuse_taken_path(session, full_path)
    moment = now()
    project = Project(
        namespace_id=namespace.id,
        path=path,
        name=checked_name(name),
        full_path=full_path,
        full_path_folded=full_path.lower(),
        description=checked_description(description),
        visibility=visibility,
        creator_id=actor.user_id,
        created_at=moment,
        updated_at=moment,
        last_activity_at=moment,
    )
    project.namespace = namespace
    _set_switches(project, switches or {})
    session.add(project)
    session.flush()  # the event and the caller need the new id
    publish(session, ProjectCreated(actor.user_id, project.id, full_path))
    return project


def get_project(session: Session, actor: Actor, reference: int | str) -> Project:
    """A project by number or full path, with its namespace.

    Raises:
        NotFound
    """
    chosen = visible_projects(actor).join(Project.namespace).options(contains_eager(Project.namespace))
    number = number_in(reference)
    named = Project.full_path_folded == str(reference).lower() if number is None else Project.id == number
    found = session.scalar(chosen.where(named))
    if found is None:
        raise Hidden(MISSING)
    return found


def admitted_project(session: Session, actor: Actor, project_id: int, found: Standing) -> Project:
    """The project, without its namespace, at which the actor was admitted a moment ago; neither is looked into again.

    Raises:
        NotFound: it was deleted since.
    """
    project = session.get(Project, project_id)
    if project is None or project.deleted_at is not None:
        raise Hidden(MISSING)
    take_for_granted(session, actor, project, found)
    return project


ORDERS = {
    "id": Project.id,
    "name": func.lower(Project.name),
    "path": Project.full_path_folded,
    "created_at": Project.created_at,
    "updated_at": Project.updated_at,
    "last_activity_at": Project.last_activity_at,
}


def search_projects(
    session: Session,
    actor: Actor,
    wanted: ProjectFilter = ProjectFilter(),  # frozen
    *,
    order_by: str = "created_at",
    descending: bool = True,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[Project], int]:
    """Visible projects that match, with their namespaces, and how many there are in all.

    Raises:
        Invalid: the order.
    """
    if order_by not in ORDERS:
        raise Invalid(f"Projects are ordered by {', '.join(ORDERS)}.")
    chosen = _matching(actor, wanted)
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    column = ORDERS[order_by]
    ordered = chosen.order_by(
        column.desc() if descending else column.asc(), Project.id.desc() if descending else Project.id
    )
    rows = session.scalars(ordered.options(contains_eager(Project.namespace)).limit(limit).offset(offset))
    return list(rows), total


def projects_by_number(
    session: Session,
    actor: Actor,
    wanted: ProjectFilter = ProjectFilter(),  # frozen
    *,
    descending: bool = True,
    limit: int = 20,
) -> list[Project]:
    """Visible projects that match in the order of their numbers; `id_after` and `id_before` lead from page to page."""
    ordered = _matching(actor, wanted).order_by(Project.id.desc() if descending else Project.id)
    return list(session.scalars(ordered.options(contains_eager(Project.namespace)).limit(limit)))


def _matching(actor: Actor, wanted: ProjectFilter) -> Select[Project]:
    """The visible projects that a filter lets through, joined to their namespaces."""
    chosen = visible_projects(actor).join(Project.namespace)
    if wanted.namespace is not None:
        inside = Namespace.lineage.startswith(wanted.namespace.lineage, autoescape=True)
        chosen = chosen.where(inside if wanted.with_subgroups else Project.namespace_id == wanted.namespace.id)
    if wanted.search:
        sought = wanted.search.lower()
        chosen = chosen.where(
            or_(
                Project.full_path_folded.contains(sought, autoescape=True),
                func.lower(Project.name).contains(sought, autoescape=True),
            )
        )
    if wanted.visibility:
        chosen = chosen.where(Project.visibility == checked_visibility(wanted.visibility))
    if wanted.least is not None:
        chosen = chosen.where(projects_with(actor, wanted.least))
    if wanted.archived is not None:
        chosen = chosen.where(Project.archived_at.is_not(None) if wanted.archived else Project.archived_at.is_(None))
    return chosen.where(*_bounds(wanted))


def _bounds(wanted: ProjectFilter) -> list[ColumnElement[bool]]:
    bounds: list[ColumnElement[bool]] = []
    if wanted.id_after is not None:
        bounds.append(Project.id > wanted.id_after)
    if wanted.id_before is not None:
        bounds.append(Project.id < wanted.id_before)
    if wanted.active_after is not None:
        bounds.append(Project.last_activity_at > wanted.active_after)
    if wanted.active_before is not None:
        bounds.append(Project.last_activity_at < wanted.active_before)
    return bounds


def update_project(
    session: Session,
    actor: Actor,
    project: Project,
    *,
    name: str | None = None,
    path: str | None = None,
    description: str | None = None,
    visibility: str | None = None,
    switches: Mapping[str, str] | None = None,
) -> Project:
    """Change a project. `switches` are `*_access_level` columns by name: disabled, private or enabled.

    Raises:
        Forbidden, NotFound, Invalid, Conflict
    """
    require(session, actor, Ability.UPDATE_PLACE, project)
    if name is not None:
        project.name = checked_name(name)
    if description is not None:
        project.description = checked_description(description)
    if visibility is not None and visibility != project.visibility:
        refuse_visibility(visibility, refused_for_projects(session.get_one(Namespace, project.namespace_id)))
        project.visibility = visibility
    if path is not None and path != project.path:
        full_path = f"{project.full_path.rpartition('/')[0]}/{checked_path(path)}"
        if full_path.lower() != project.full_path_folded:
            refuse_taken_path(session, full_path)
        project.path, project.full_path, project.full_path_folded = path, full_path, full_path.lower()
    _set_switches(project, switches or {})
    project.updated_at = now()
    publish(session, ProjectChanged(actor.user_id, project.id, project.full_path))
    return project


def _set_switches(project: Project, switches: Mapping[str, str]) -> None:
    for switch, state in switches.items():
        if switch not in SWITCHED:
            raise Invalid(f"There is no switch {switch}. Switches are {', '.join(SWITCHED)}.")
        if state not in SWITCHES:
            raise Invalid(f"{switch} is one of {', '.join(SWITCHES)}.")
        setattr(project, switch, state)


def archive_project(session: Session, actor: Actor, project: Project) -> Project:
    """Keep a project as it is: it can be read, and nothing in it changes. Archiving twice is the same.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.ARCHIVE_PROJECT, project)
    if project.archived_at is None:
        project.archived_at = now()
        publish(session, ProjectChanged(actor.user_id, project.id, project.full_path))
    return project


def unarchive_project(session: Session, actor: Actor, project: Project) -> Project:
    """Let an archived project be changed again.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.ARCHIVE_PROJECT, project)
    if project.archived_at is not None:
        project.archived_at = None
        publish(session, ProjectChanged(actor.user_id, project.id, project.full_path))
    return project


def delete_project(session: Session, actor: Actor, project: Project) -> None:
    """Delete a project with everything in it: nobody sees it any more, and a task removes it for good.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.DELETE_PLACE, project)
    mark_deleted(session, project)
    publish(session, ProjectDeleted(actor.user_id, project.id, project.full_path))

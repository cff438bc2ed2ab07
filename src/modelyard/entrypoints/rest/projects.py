"""Projects, of everybody and of groups."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Body, Query
from pydantic import Field

from modelyard.domains.namespaces.access import Ability, Role
from modelyard.domains.namespaces.groups import get_namespace
from modelyard.domains.namespaces.projects import (
    ProjectFilter,
    archive_project,
    create_project,
    delete_project,
    projects_by_number,
    search_projects,
    unarchive_project,
    update_project,
)
from modelyard.domains.namespaces.queries import OwnRole, full_names, own_roles
from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.entrypoints.request import SIGNED_IN, needs, public
from modelyard.entrypoints.rest.errors import Malformed, NotAllowed, naming, taken
from modelyard.entrypoints.rest.fields import (
    AccessLevel,
    Answer,
    GroupReference,
    Moment,
    Number,
    OptionalMoment,
    Parameters,
    ProjectReference,
    Text,
    aware,
)
from modelyard.entrypoints.rest.groups import Visibility
from modelyard.entrypoints.rest.namespaces import NamespaceAnswer, namespace_answer
from modelyard.entrypoints.rest.paging import Listed, Paging, listed, listed_by_key
from modelyard.entrypoints.rest.router import PREFIX, Asked, Asking, Routes
from modelyard.platform.database import Session

Switch = Literal["disabled", "private", "enabled"]

routes = Routes("Projects")


class ProjectRole(Answer):
    """A role somebody has in a project."""

    access_level: AccessLevel


class Permissions(Answer):
    """The roles of whoever asks: as a direct member, and as a member of a group above."""

    project_access: ProjectRole | None
    group_access: ProjectRole | None


class Links(Answer):
    """Where more of a project is."""

    self_: str = Field(serialization_alias="self")
    members: str


class ProjectAnswer(Answer):
    """A project. The three `…_access_level` say who uses a part of it: nobody, its members, or whoever sees it."""

    id: int
    name: str
    name_with_namespace: str
    path: str
    path_with_namespace: str
    description: str
    visibility: Visibility
    archived: bool
    namespace: NamespaceAnswer
    creator_id: int | None
    created_at: Moment
    updated_at: Moment
    last_activity_at: Moment
    web_url: str
    avatar_url: str | None = None
    model_experiments_access_level: Switch
    model_registry_access_level: Switch
    package_registry_access_level: Switch
    permissions: Permissions | None = Field(description="Null for somebody who is not signed in.")
    links: Links = Field(serialization_alias="_links")


class ProjectsQuery(Paging):
    """Which projects are listed, and in which order."""

    search: Text = Field(default="", description="Part of a name or full path.")
    owned: bool = Field(default=False, description="Only projects that one owns, as a member.")
    membership: bool = Field(default=False, description="Only projects that one is a member of.")
    min_access_level: AccessLevel | None = Field(
        default=None, description="Only those where one has this role or more."
    )
    visibility: Visibility | None = None
    archived: bool | None = None
    id_after: Number | None = None
    id_before: Number | None = None
    last_activity_after: OptionalMoment = None
    last_activity_before: OptionalMoment = None
    order_by: Literal["id", "name", "path", "created_at", "updated_at", "last_activity_at"] = "created_at"
    sort: Literal["asc", "desc"] = "desc"
    pagination: Literal["offset", "keyset"] = Field(
        default="offset", description="`keyset`, with `order_by=id`, leads through lists of any length."
    )

    def as_filter(self, namespace: Namespace | None = None, *, with_subgroups: bool = False) -> ProjectFilter:
        """What the domain understands."""
        least = Role(self.min_access_level) if self.min_access_level else None
        if self.owned:
            least = Role.OWNER
        elif least is None and self.membership:
            least = Role.GUEST
        return ProjectFilter(
            namespace=namespace,
            with_subgroups=with_subgroups,
            search=self.search,
            visibility=self.visibility,
            least=least,
            archived=self.archived,
            id_after=self.id_after,
            id_before=self.id_before,
            active_after=aware(self.last_activity_after),
            active_before=aware(self.last_activity_before),
        )


class GroupProjectsQuery(ProjectsQuery):
    """The same for the projects of a group."""

    include_subgroups: bool = False


class Switches(Parameters):
    """Who uses the parts of a project."""

    model_experiments_access_level: Switch | None = None
    model_registry_access_level: Switch | None = None
    package_registry_access_level: Switch | None = None

    def switches(self) -> dict[str, str]:
        """Those that were sent, by their columns."""
        chosen = {name: getattr(self, name) for name in Switches.model_fields}
        return {name: state for name, state in chosen.items() if state is not None}


class NewProject(Switches):
    """A project to be made; it has a name, a path or both."""

    name: Text | None = None
    path: Text | None = None
    namespace_id: Number | None = Field(default=None, description="In one's own place when it is not named.")
    description: Text | None = None
    visibility: Visibility = "private"


class ProjectChanges(Switches):
    """What is to be changed; what is not named stays."""

    name: Text | None = None
    path: Text | None = None
    description: Text | None = None
    visibility: Visibility | None = None


def _shown(session: Session, asked: Asked, projects: Sequence[Project]) -> list[ProjectAnswer]:
    names = full_names(session, asked.actor, [project.namespace for project in projects])
    roles = own_roles(session, asked.actor, projects)
    return [_answer(asked, project, names[project.namespace_id], roles.get(project.id)) for project in projects]


def _answer(asked: Asked, project: Project, place_name: str, role: OwnRole | None) -> ProjectAnswer:
    here = f"{asked.url}{PREFIX}/projects/{project.id}"
    return ProjectAnswer.model_validate(
        {
            "id": project.id,
            "name": project.name,
            "name_with_namespace": f"{place_name} / {project.name}",
            "path": project.path,
            "path_with_namespace": project.full_path,
            "description": project.description,
            "visibility": project.visibility,
            "archived": project.archived_at is not None,
            "namespace": namespace_answer(project.namespace, asked.url),
            "creator_id": project.creator_id,
            "created_at": project.created_at,
            "updated_at": project.updated_at,
            "last_activity_at": project.last_activity_at,
            "web_url": f"{asked.url}/{project.full_path}",
            "model_experiments_access_level": project.model_experiments_access_level,
            "model_registry_access_level": project.model_registry_access_level,
            "package_registry_access_level": project.package_registry_access_level,
            "permissions": None
            if role is None
            else Permissions(project_access=_role(role.direct), group_access=_role(role.inherited)),
            "links": Links(self_=here, members=f"{here}/members"),
        }
    )


def _role(role: Role) -> ProjectRole | None:
    return None if role is Role.NONE else ProjectRole.model_validate({"access_level": role.value})


def _page(session: Session, asked: Asked, wanted: ProjectsQuery, chosen: ProjectFilter) -> Listed[ProjectAnswer]:
    descending = wanted.sort == "desc"
    if wanted.pagination == "keyset":
        if wanted.order_by != "id":
            raise NotAllowed("Keyset pagination is for `order_by=id`.")
        rows = projects_by_number(session, asked.actor, chosen, descending=descending, limit=wanted.limit)
        return listed_by_key(_shown(session, asked, rows), wanted, lambda row: row.id, descending=descending)
    rows, total = search_projects(
        session,
        asked.actor,
        chosen,
        order_by=wanted.order_by,
        descending=descending,
        limit=wanted.limit,
        offset=wanted.offset,
    )
    return listed(_shown(session, asked, rows), wanted, total)


@routes.get(
    "/projects", policy=public("Lists only the projects that whoever asks may see."), answer=list[ProjectAnswer]
)
def list_projects(asked: Asking, wanted: Annotated[ProjectsQuery, Query()]) -> Listed[ProjectAnswer]:
    """List projects that one may see."""
    with asked.read() as session:
        return _page(session, asked, wanted, wanted.as_filter())


@routes.get("/groups/{group_id}/projects", policy=needs(Ability.READ_PLACE), answer=list[ProjectAnswer])
def list_group_projects(
    asked: Asking, group_id: GroupReference, wanted: Annotated[GroupProjectsQuery, Query()]
) -> Listed[ProjectAnswer]:
    """List the projects of a group that one may see."""
    with asked.read() as session:
        group = asked.group(session, group_id)
        return _page(session, asked, wanted, wanted.as_filter(group, with_subgroups=wanted.include_subgroups))


@routes.get("/projects/{project_id}", policy=needs(Ability.READ_PLACE), answer=ProjectAnswer)
def get_one_project(asked: Asking, project_id: ProjectReference) -> ProjectAnswer:
    """Get a project."""
    with asked.read() as session:
        return _shown(session, asked, [asked.project(session, project_id)])[0]


@routes.post("/projects", policy=SIGNED_IN, answer=ProjectAnswer)
def add_project(asked: Asking, wanted: Annotated[NewProject, Body()]) -> ProjectAnswer:
    """Create a project in one's own place, or in a group where one has the ability to create projects."""
    if not (wanted.name or wanted.path):
        raise Malformed("name, path are missing, at least one parameter must be provided")
    with taken("name", "path"), asked.write() as session:
        namespace = None
        if wanted.namespace_id is not None:
            with naming("Namespace"):
                namespace = get_namespace(session, asked.actor, wanted.namespace_id)
        made = create_project(
            session,
            asked.actor,
            name=wanted.name or wanted.path or "",
            path=wanted.path,
            namespace=namespace,
            description=wanted.description or "",
            visibility=wanted.visibility,
            switches=wanted.switches(),
        )
        return _shown(session, asked, [made])[0]


@routes.put("/projects/{project_id}", policy=needs(Ability.UPDATE_PLACE), answer=ProjectAnswer)
def change_project(
    asked: Asking, project_id: ProjectReference, wanted: Annotated[ProjectChanges, Body()]
) -> ProjectAnswer:
    """Change a project."""
    with taken("path"), asked.write() as session:
        changed = update_project(
            session,
            asked.actor,
            asked.project(session, project_id),
            name=wanted.name,
            path=wanted.path,
            description=wanted.description,
            visibility=wanted.visibility,
            switches=wanted.switches(),
        )
        return _shown(session, asked, [changed])[0]


@routes.post("/projects/{project_id}/archive", policy=needs(Ability.ARCHIVE_PROJECT), answer=ProjectAnswer)
def archive_one_project(asked: Asking, project_id: ProjectReference) -> ProjectAnswer:
    """Archive a project: it can be read, and nothing is logged or uploaded any more."""
    with asked.write() as session:
        return _shown(session, asked, [archive_project(session, asked.actor, asked.project(session, project_id))])[0]


@routes.post("/projects/{project_id}/unarchive", policy=needs(Ability.ARCHIVE_PROJECT), answer=ProjectAnswer)
def unarchive_one_project(asked: Asking, project_id: ProjectReference) -> ProjectAnswer:
    """Let an archived project be used again."""
    with asked.write() as session:
        return _shown(session, asked, [unarchive_project(session, asked.actor, asked.project(session, project_id))])[0]


@routes.delete("/projects/{project_id}", policy=needs(Ability.DELETE_PLACE))
def remove_project(asked: Asking, project_id: ProjectReference) -> None:
    """Delete a project with everything in it."""
    with asked.write() as session:
        delete_project(session, asked.actor, asked.project(session, project_id))

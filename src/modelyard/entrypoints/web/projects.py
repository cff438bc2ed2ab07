"""A project's overview with its set-up checklist, and the form of a new project."""

from dataclasses import dataclass

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.tokens import personal_tokens_of
from modelyard.domains.accounts.users import get_user
from modelyard.domains.namespaces.access import Ability, Role, Standing
from modelyard.domains.namespaces.groups import get_group, get_namespace, personal_namespace
from modelyard.domains.namespaces.members import members_of
from modelyard.domains.namespaces.names import may_be_a_place
from modelyard.domains.namespaces.place_tokens import place_tokens_of
from modelyard.domains.namespaces.projects import create_project, get_project
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.namespaces.visibility import refused_for_projects
from modelyard.domains.packages.holdings import holdings_of
from modelyard.domains.tracking.news import version_of_project
from modelyard.domains.tracking.overviews import ProjectTotals, recent_candidates, totals_of
from modelyard.entrypoints.request import SIGNED_IN, needs
from modelyard.entrypoints.web import snippets
from modelyard.entrypoints.web.candidate_lists import short_rows
from modelyard.entrypoints.web.choices import VISIBILITIES, allowed_only, chosen_of, role_name
from modelyard.entrypoints.web.chrome import NEW_USER, FormState, Link, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.groups import address_prefix, parents_for, show_namespace
from modelyard.entrypoints.web.navigation import (
    ACCESS_TOKENS,
    EXPERIMENTS,
    PROJECT_MEMBERS,
    in_project,
    namespace_url,
    project_url,
)
from modelyard.entrypoints.web.places import described
from modelyard.entrypoints.web.routing import NO_PAGE, Pages
from modelyard.entrypoints.web.visit import Visit, Where, search_address
from modelyard.platform.database import Session
from modelyard.platform.errors import Conflict, Hidden, Invalid, NotFound

FIRST_EXPERIMENT = "first-experiment"
NO_PLACE = "There is no project, group or person at this address, or you cannot see it."


@dataclass(frozen=True, slots=True)
class Step:
    """One step of setting a project up."""

    title: str
    is_done: bool
    note: str = ""
    code: str = ""
    action_label: str = ""
    action_url: str = ""
    aside_label: str = ""
    aside_url: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """The steps, which tick themselves."""

    steps: tuple[Step, ...]

    @property
    def done_count(self) -> int:
        return sum(step.is_done for step in self.steps)

    @property
    def is_complete(self) -> bool:
        return self.done_count == len(self.steps)


def mount(pages: Pages) -> None:
    """Add the pages of this file that have addresses of their own."""
    pages.get("/projects/new", SIGNED_IN, show_new_project)
    pages.post("/projects", SIGNED_IN, add_project)


def mount_last(pages: Pages) -> None:
    """Add the page whose address fits everything."""
    pages.get("/{project:path}", needs(Ability.READ_PLACE), show_place)


def show_place(visit: Visit) -> Response:
    """A project; the paths of groups and people lead to their own pages."""
    path = visit.variable("project").rstrip("/")
    with visit.read() as (session, actor):
        try:
            project = get_project(session, actor, path)
        except NotFound:
            return _show_namespace(visit, session, actor, path)
        return _show_project(visit, session, actor, project)


def _show_namespace(visit: Visit, session: Session, actor: Actor, path: str) -> Response:
    if path.isdecimal():
        raise Hidden(NO_PLACE)  # places are not to be counted through
    try:
        namespace = get_namespace(session, actor, path)
    except NotFound:
        raise (Hidden(NO_PLACE) if may_be_a_place(path) else NotFound(NO_PAGE)) from None
    if namespace.kind == "group":
        return visit.go(namespace_url(namespace))
    return show_namespace(visit, session, actor, namespace)


def _show_project(visit: Visit, session: Session, actor: Actor, project: Project) -> Response:
    where, found = in_project(session, actor, project, "Overview")
    reads_tracking = Ability.READ_TRACKING in found.abilities
    version = version_of_project(session, actor, project) if reads_tracking else ""
    totals = totals_of(session, actor, project) if reads_tracking else None
    held = holdings_of(session, actor, project) if Ability.READ_PACKAGES in found.abilities else None
    creator = (
        get_user(session, actor, project.creator_id, with_deleted=True) if project.creator_id and visit.viewer else None
    )
    return visit.page(
        "projects/_content.html" if visit.wants_region("project-content") else "projects/show.html",
        where,
        version=version,
        project=_shown(visit, project, creator),
        heading_facts=[project.full_path, f"Project ID {project.id}"],
        may={
            "write_experiments": Ability.WRITE_TRACKING in found.abilities,
            "change_settings": Ability.UPDATE_PLACE in found.abilities,
        },
        checklist=_checklist(visit, session, project, found, totals) if totals else None,
        totals=totals,
        held=held,
        recent=short_rows(recent_candidates(session, actor, project)) if reads_tracking else [],
        viewer_role=role_name(found.role) if found.role != Role.NONE else "Visitor",
    )


def _shown(visit: Visit, project: Project, creator: object) -> dict[str, object]:
    return {
        "name": project.name,
        "url": project_url(project),
        "visibility": project.visibility,
        "is_archived": project.archived_at is not None,
        "id": project.id,
        "path": project.full_path,
        "tracking_uri": snippets.tracking_uri(visit.installation.settings.url, project),
        "created_at": project.created_at,
        "creator": creator,
        "description_html": described(project.description),
    }


def _checklist(
    visit: Visit, session: Session, project: Project, found: Standing, totals: ProjectTotals
) -> Checklist | None:
    """What is left to do, for somebody who can do it."""
    actor = visit.actor
    if Ability.WRITE_TRACKING not in found.abilities or actor.user_id is None:
        return None
    url, manages = project_url(project), Ability.ADMIN_TOKENS in found.abilities
    tokens = [*personal_tokens_of(session, actor)]
    if manages:
        tokens += [token for token, _ in place_tokens_of(session, actor, project)]
    members, _ = members_of(session, actor, project, inherited=True, limit=1_000_000)
    people_count = sum(membership.user.kind == "human" for membership in members)
    token_page = url + ACCESS_TOKENS if manages else "/-/user_settings/personal_access_tokens"
    code = (
        "" if totals.candidates else snippets.log_candidate(visit.installation.settings.url, project, FIRST_EXPERIMENT)
    )
    steps = [
        Step("Create the project", is_done=True),
        Step("Create an access token", bool(tokens), "Scripts sign in with it.", "", "Create access token", token_page),
        Step(
            "Log the first candidate",
            bool(totals.candidates),
            "Run this, or any MLflow script, with the token in the variable MLFLOW_TRACKING_TOKEN.",
            code,
            "Open experiments",
            url + EXPERIMENTS,
        ),
    ]
    if manages:
        steps.append(_invitation(actor, url + PROJECT_MEMBERS, is_shared=people_count > 1))
    return Checklist(tuple(steps))


def _invitation(actor: Actor, members_url: str, *, is_shared: bool) -> Step:
    """The step that leads to somebody else: members have accounts, which administrators create."""
    if actor.is_administrator:
        return Step(
            "Invite a colleague",
            is_shared,
            "Give somebody a role here. Whoever has no account yet needs one first.",
            "",
            "Add member",
            f"{members_url}/new",
            "Create user",
            search_address(NEW_USER, then=members_url),
        )
    return Step(
        "Invite a colleague",
        is_shared,
        "Give somebody a role here. If they have no account yet, ask an administrator to create it.",
        "",
        "Add member",
        f"{members_url}/new",
    )


def show_new_project(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        visit.require_person()
        values = {name: visit.query(name) for name in ("visibility", "group", "path")}
        return _project_page(visit, session, actor, FormState(values))


def add_project(visit: Visit) -> Response:
    try:
        with visit.write() as (session, actor):
            chosen = visit.field("group")
            namespace = get_group(session, actor, chosen) if chosen else personal_namespace(session, actor)
            project = create_project(
                session,
                actor,
                name=visit.field("name"),
                path=visit.field("path") or None,
                namespace=namespace,
                description=visit.field("description"),
                visibility=visit.field("visibility"),
            )
    except (Invalid, Conflict) as refused:
        with visit.read() as (session, actor):
            form = FormState(visit.fields(), problem=refused.message)
            return _project_page(visit, session, actor, form, status=status_of(refused))
    return visit.go(project_url(project), Toast(f"Project {project.name} created."))


def _project_page(visit: Visit, session: Session, actor: Actor, form: FormState, status: int = 200) -> Response:
    own = personal_namespace(session, actor)
    groups = parents_for(session, actor, Ability.CREATE_PROJECTS)
    if own is not None:
        groups.append(("", f"{own.full_path} (your own place)"))
    chosen = chosen_of(form, "group", groups)
    namespace = get_group(session, actor, chosen) if chosen else own
    refused = refused_for_projects(namespace) if namespace else {}
    return visit.page(
        "projects/new.html",
        Where(("Create project",), crumbs=(Link("Your projects", "/"), Link("Create project", "/projects/new"))),
        status=status,
        form_state=allowed_only(form, refused),
        groups=groups,
        address_prefix=address_prefix(visit, namespace.full_path if namespace else ""),
        visibilities=VISIBILITIES,
        refused=refused,
        cancel_url=f"/{group}" if (group := visit.query("group")) in dict(groups) and group else "/",
    )

"""General settings of projects and groups, section by section, and their deletion."""

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.groups import delete_group, update_group
from modelyard.domains.namespaces.projects import delete_project, update_project
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.namespaces.visibility import refused_for_group, refused_for_projects
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web.choices import FEATURE_LEVELS, FEATURES, VISIBILITIES, allowed_only
from modelyard.entrypoints.web.chrome import FormState, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.navigation import GROUP_ROUTE, PROJECT_ROUTE, SETTINGS, Opened, open_place
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Visit
from modelyard.platform.database import Session
from modelyard.platform.errors import Conflict, Invalid

CURRENT = "Settings"
DELETION = "/-/settings/delete"
SECTIONS = {"naming": "Name and description", "visibility": "Visibility", "features": "Features"}


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    update, delete = needs(Ability.UPDATE_PLACE), needs(Ability.DELETE_PLACE)
    for route in (GROUP_ROUTE, PROJECT_ROUTE):
        pages.get(route + SETTINGS, update, show_settings)
        pages.post(route + SETTINGS, update, save)
        pages.get(route + DELETION, delete, show_deletion)
        pages.post(route + DELETION, delete, remove)


def show_settings(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_place(visit, session, actor, CURRENT, Ability.UPDATE_PLACE, title="Settings")
        refused = _refused(session, actor, opened)
    return _page(visit, opened, {}, refused)


def save(visit: Visit) -> Response:
    section = visit.field("section")
    try:
        with visit.write() as (session, actor):
            opened = open_place(visit, session, actor, CURRENT, Ability.UPDATE_PLACE)
            _save(visit, session, actor, opened, section)
    except (Invalid, Conflict) as refused:
        with visit.read() as (session, actor):
            opened = open_place(visit, session, actor, CURRENT, Ability.UPDATE_PLACE, title="Settings")
            visibilities = _refused(session, actor, opened)
        failed = {section: FormState(visit.fields(), problem=refused.message)}
        return _page(visit, opened, failed, visibilities, status_of(refused))
    return visit.go(opened.url + SETTINGS, Toast(f"{SECTIONS[section]} of {opened.place.name} saved."))


def _save(visit: Visit, session: Session, actor: Actor, opened: Opened, section: str) -> None:
    place = opened.place
    match section:
        case "naming":
            name, description = visit.field("name"), visit.field("description")
            if isinstance(place, Project):
                update_project(session, actor, place, name=name, description=description)
            else:
                update_group(session, actor, place, name=name, description=description)
        case "visibility":
            if isinstance(place, Project):
                update_project(session, actor, place, visibility=visit.field("visibility"))
            else:
                update_group(session, actor, place, visibility=visit.field("visibility"))
        case "features" if isinstance(place, Project):
            switches = {name: visit.field(name) for name, _, _ in FEATURES}
            update_project(session, actor, place, switches=switches)
        case _:
            raise Invalid("This page has no such section. Reload it.")


def _refused(session: Session, actor: Actor, opened: Opened) -> dict[str, str]:
    """The visibilities that the place cannot be given, each with the reason."""
    place = opened.place
    refused = (
        refused_for_projects(place.namespace)
        if isinstance(place, Project)
        else refused_for_group(session, actor, place)
    )
    return {visibility: reason for visibility, reason in refused.items() if visibility != place.visibility}


def _page(
    visit: Visit, opened: Opened, failed: dict[str, FormState], refused: dict[str, str], status: int = 200
) -> Response:
    place = opened.place
    naming = FormState({"name": place.name, "description": place.description})
    switches = {name: getattr(place, name) for name, _, _ in FEATURES} if isinstance(place, Project) else {}
    return visit.page(
        "settings/place.html",
        opened.where,
        status=status,
        place={"name": place.name, "kind": opened.kind},
        settings_url=opened.url + SETTINGS,
        naming=failed.get("naming", naming),
        access=allowed_only(failed.get("visibility", FormState()), refused, place.visibility),
        refused=refused,
        switches=failed.get("features", FormState(switches)),
        visibilities=VISIBILITIES,
        features=FEATURES if switches else (),
        feature_levels=FEATURE_LEVELS,
        dangers=[_danger(opened)] if opened.may(Ability.DELETE_PLACE) else [],
    )


def _danger(opened: Opened) -> dict[str, str]:
    inside = "experiments, candidates, packages and files" if opened.kind == "project" else "subgroups and projects"
    return {
        "title": f"Delete this {opened.kind}",
        "text": f"All its {inside} are deleted with it. This cannot be undone.",
        "label": f"Delete {opened.kind} {opened.place.name}…",
        "url": opened.url + DELETION,
    }


def show_deletion(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_place(visit, session, actor, CURRENT, Ability.DELETE_PLACE, title="Delete")
    return _deletion(visit, opened, FormState())


def remove(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_place(visit, session, actor, CURRENT, Ability.DELETE_PLACE, title="Delete")
    if visit.field("phrase").strip() != opened.place.full_path:
        problem = f"This is not the path. Type {opened.place.full_path} to delete it."
        return _deletion(visit, opened, FormState(problem=problem), 422)
    with visit.write() as (session, actor):
        place = open_place(visit, session, actor, CURRENT, Ability.DELETE_PLACE).place
        if isinstance(place, Project):
            delete_project(session, actor, place)
        else:
            delete_group(session, actor, place)
    return visit.go("/", Toast(f"{opened.kind.capitalize()} {opened.place.name} deleted."))


def _deletion(visit: Visit, opened: Opened, form: FormState, status: int = 200) -> Response:
    danger = _danger(opened)
    return visit.task(
        "layouts/confirm.html",
        opened.where,
        status=status,
        heading=f"Delete {opened.kind} {opened.place.name}",
        action=opened.url + DELETION,
        form_state=form,
        sentences=[danger["text"]],
        phrase=opened.place.full_path,
        submit_label=f"Delete {opened.kind} {opened.place.full_path}",
        cancel_url=opened.url + SETTINGS,
    )

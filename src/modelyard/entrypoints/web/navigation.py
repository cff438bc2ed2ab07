"""Where pages stand: the sidebar and breadcrumbs of a project or group, with what the actor may open."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, Standing, check, standing
from modelyard.domains.namespaces.groups import ancestors_of, get_group
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.entrypoints.web.chrome import Link, NavigationSection, Surroundings
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.database import Session

EXPERIMENTS = "/-/ml/experiments"
PACKAGES = "/-/packages"
PROJECT_MEMBERS = "/-/project_members"
GROUP_MEMBERS = "/-/group_members"
ACCESS_TOKENS = "/-/settings/access_tokens"  # an address
SETTINGS = "/-/settings/general"
PROJECT_ROUTE = "/{project:path}"
GROUP_ROUTE = "/groups/{group:path}"

_Item = tuple[str, str, str, Ability, str]
_ITEMS: dict[str, tuple[tuple[str, tuple[_Item, ...]], ...]] = {
    "project": (
        ("", (("Overview", "", "house", Ability.READ_PLACE, "g o"),)),
        (
            "Machine learning",
            (
                ("Experiments", EXPERIMENTS, "flask-conical", Ability.READ_TRACKING, "g e"),
                ("Packages", PACKAGES, "package", Ability.READ_PACKAGES, "g p"),
            ),
        ),
        (
            "Manage",
            (
                ("Members", PROJECT_MEMBERS, "users", Ability.READ_MEMBERS, "g m"),
                ("Access tokens", ACCESS_TOKENS, "key-round", Ability.ADMIN_TOKENS, "g t"),
                ("Settings", SETTINGS, "settings", Ability.UPDATE_PLACE, "g s"),
            ),
        ),
    ),
    "group": (
        ("", (("Overview", "", "house", Ability.READ_PLACE, "g o"),)),
        (
            "Manage",
            (
                ("Members", GROUP_MEMBERS, "users", Ability.READ_MEMBERS, "g m"),
                ("Access tokens", ACCESS_TOKENS, "key-round", Ability.ADMIN_TOKENS, "g t"),
                ("Settings", SETTINGS, "settings", Ability.UPDATE_PLACE, "g s"),
            ),
        ),
    ),
}


def project_url(project: Project) -> str:
    return f"/{project.full_path}"


def namespace_url(namespace: Namespace) -> str:
    """A group's page, or that of a person's own place."""
    return f"/groups/{namespace.full_path}" if namespace.kind == "group" else f"/{namespace.full_path}"


def in_project(
    session: Session,
    actor: Actor,
    project: Project,
    current: str,
    *,
    title: Iterable[str] = (),
    way: Iterable[Link] = (),
) -> tuple[Where, Standing]:
    """A page of a project below the item `current`, and what the actor may do there.

    `title` names what the page shows, innermost first; `way` are the crumbs after the project's.
    """
    found = standing(session, actor, project)
    place = Surroundings(
        "project", project.name, project_url(project), _sections("project", project_url(project), current, found)
    )
    above = tuple(Link(row.name, namespace_url(row)) for row in ancestors_of(session, actor, project.namespace))
    crumbs = (*above, Link(project.name, place.url), *way)
    return Where((*title, project.name, project.namespace.full_path), place, crumbs), found


def in_namespace(
    session: Session,
    actor: Actor,
    namespace: Namespace,
    current: str,
    *,
    title: Iterable[str] = (),
    way: Iterable[Link] = (),
) -> tuple[Where, Standing]:
    """The same for a group, or a person's own place, which has an overview only."""
    found = standing(session, actor, namespace)
    url = namespace_url(namespace)
    sections = _sections("group", url, current, found)
    place = Surroundings("group", namespace.name, url, sections if namespace.kind == "group" else sections[:1])
    crumbs = tuple(Link(row.name, namespace_url(row)) for row in ancestors_of(session, actor, namespace))
    return Where((*title, namespace.name), place, (*crumbs, *way)), found


def _sections(kind: str, url: str, current: str, found: Standing) -> tuple[NavigationSection, ...]:
    shown = (
        NavigationSection(
            heading,
            tuple(
                Link(label, url + path, symbol, current=label == current, shortcut=keys)
                for label, path, symbol, ability, keys in items
                if ability in found.abilities
            ),
        )
        for heading, items in _ITEMS[kind]
    )
    return tuple(section for section in shown if section.links)


def with_current(place: Surroundings, label: str) -> Surroundings:
    """A place with one item of its navigation marked as the open one."""
    sections = tuple(
        replace(section, links=tuple(replace(link, current=link.label == label) for link in section.links))
        for section in place.sections
    )
    return replace(place, sections=sections)


@dataclass(frozen=True, slots=True)
class Opened:
    """The project or group that an address names, with a page of it and what the actor may do."""

    place: Project | Namespace
    url: str
    where: Where
    standing: Standing

    @property
    def kind(self) -> str:
        return "project" if isinstance(self.place, Project) else "group"

    def may(self, ability: Ability) -> bool:
        return ability in self.standing.abilities


def open_place(
    visit: Visit, session: Session, actor: Actor, current: str, ability: Ability, *, title: str = ""
) -> Opened:
    """The place in a route's `{project}` or `{group}`, for somebody with `ability` there.

    Raises:
        NotFound, Forbidden
    """
    titles = (title,) if title else ()
    if "project" in visit.request.path_params:
        project = get_project(session, actor, visit.variable("project"))
        way = (Link(current, visit.path),)
        where, found = in_project(session, actor, project, current, title=titles, way=way)
        check(found, ability)
        return Opened(project, project_url(project), where, found)
    group = get_group(session, actor, visit.variable("group"))
    where, found = in_namespace(session, actor, group, current, title=titles, way=(Link(current, visit.path),))
    check(found, ability)
    return Opened(group, namespace_url(group), where, found)

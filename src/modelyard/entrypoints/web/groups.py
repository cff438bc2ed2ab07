"""A group, a person's own place, and the form of a new group."""

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, standing
from modelyard.domains.namespaces.groups import GroupFilter, create_group, get_group, groups_below
from modelyard.domains.namespaces.projects import ProjectFilter, search_projects
from modelyard.domains.namespaces.tables import Namespace
from modelyard.domains.namespaces.visibility import refused_for_subgroups
from modelyard.entrypoints.request import SIGNED_IN, needs
from modelyard.entrypoints.web.choices import VISIBILITIES, allowed_only, chosen_of
from modelyard.entrypoints.web.chrome import FormState, Link, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.listing import leaf_of, shown_of
from modelyard.entrypoints.web.navigation import in_namespace, namespace_url
from modelyard.entrypoints.web.places import described, rows_of
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.database import Session
from modelyard.platform.errors import Conflict, Invalid

MOST_PARENTS = 500
MOST_SUBGROUPS = 200


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    pages.get("/groups/new", SIGNED_IN, show_new_group)
    pages.post("/groups", SIGNED_IN, add_group)
    pages.get("/groups/{group:path}", needs(Ability.READ_PLACE), show_group)


def show_group(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        group = get_group(session, actor, visit.variable("group"))
        return show_namespace(visit, session, actor, group)


def show_namespace(visit: Visit, session: Session, actor: Actor, place: Namespace) -> Response:
    """The overview of a group or of a person's own place: what lies directly in it, or matches below."""
    query, leaf = visit.query("q"), leaf_of(visit)
    where, found = in_namespace(session, actor, place, "Overview")
    groups, group_count = groups_below(
        session,
        actor,
        place,
        GroupFilter(search=query),
        all_levels=bool(query),
        limit=MOST_SUBGROUPS if leaf.number == 1 else 0,
    )
    projects, project_count = search_projects(
        session,
        actor,
        ProjectFilter(namespace=place, with_subgroups=bool(query), search=query),
        order_by="name",
        descending=False,
        limit=leaf.limit,
        offset=leaf.offset,
    )
    return visit.page(
        "groups/show.html",
        where,
        group={
            "name": place.name,
            "path": place.full_path,
            "is_person": place.kind == "user",
            "purpose": _purpose(place, actor),
            "url": namespace_url(place),
            "visibility": place.visibility,
            "description_html": described(place.description),
        },
        heading_facts=[place.full_path, f"Group ID {place.id}"] if place.kind == "group" else [f"@{place.full_path}"],
        may={
            "create_project": Ability.CREATE_PROJECTS in found.abilities,
            "create_subgroup": Ability.CREATE_SUBGROUPS in found.abilities and place.kind == "group",
        },
        places=rows_of(groups, projects, short=not query),
        query=query,
        place_count=group_count + project_count,
        page=leaf.paging(visit, project_count),
        page_sentence=shown_of(
            len(groups) + len(projects),
            group_count + project_count,
            "subgroup" if group_count else "project",
            "subgroups and projects" if group_count and project_count else "",
        ),
    )


def _purpose(place: Namespace, actor: Actor) -> str:
    """What an empty place is for."""
    if place.kind == "group":
        return "Projects of this group appear here. Its members can work in all of them."
    if place.owner_id == actor.user_id:
        return "What you try out on your own has its place here. Work of a team belongs in a group."
    return f"Projects of {place.name} that you can see appear here."


def show_new_group(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        visit.require_person()
        values = {name: visit.query(name) for name in ("visibility", "parent", "path")}
        return _group_page(visit, session, actor, FormState(values))


def add_group(visit: Visit) -> Response:
    try:
        with visit.write() as (session, actor):
            parent = get_group(session, actor, visit.field("parent")) if visit.field("parent") else None
            group = create_group(
                session,
                actor,
                name=visit.field("name"),
                path=visit.field("path") or None,
                parent=parent,
                description=visit.field("description"),
                visibility=visit.field("visibility"),
            )
    except (Invalid, Conflict) as refused:
        with visit.read() as (session, actor):
            form = FormState(visit.fields(), problem=refused.message)
            return _group_page(visit, session, actor, form, status=status_of(refused))
    toast = Toast(f"Group {group.name} created.", "Create project", f"/projects/new?group={group.full_path}")
    return visit.go(namespace_url(group), toast)


def parents_for(session: Session, actor: Actor, ability: Ability) -> list[tuple[str, str]]:
    """The groups in which the actor may make something, as choices."""
    groups, _ = groups_below(session, actor, all_levels=True, limit=MOST_PARENTS)
    able = (group for group in groups if ability in standing(session, actor, group).abilities)
    return [(group.full_path, group.full_path.replace("/", " / ")) for group in able]


def address_prefix(visit: Visit, path: str = "") -> str:
    """What the address of a new place begins with, as people read it."""
    server = visit.installation.settings.url.partition("://")[2]
    return f"{server}/{path}/" if path else f"{server}/"


def _group_page(visit: Visit, session: Session, actor: Actor, form: FormState, status: int = 200) -> Response:
    parents = [("", "None: a group at the top"), *parents_for(session, actor, Ability.CREATE_SUBGROUPS)]
    chosen = chosen_of(form, "parent", parents)
    refused = refused_for_subgroups(get_group(session, actor, chosen) if chosen else None)
    return visit.page(
        "groups/new.html",
        Where(("Create group",), crumbs=(Link("Your projects", "/"), Link("Create group", "/groups/new"))),
        status=status,
        heading="Create subgroup" if form.values.get("parent") else "Create group",
        form_state=allowed_only(form, refused),
        parents=parents,
        address_prefix=address_prefix(visit, chosen),
        visibilities=VISIBILITIES,
        refused=refused,
        cancel_url="/",
    )

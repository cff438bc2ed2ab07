"""The first page: the projects and groups that the actor can see, and the candidates that came last."""

from starlette.responses import Response

from modelyard.domains.namespaces.groups import groups_below
from modelyard.domains.namespaces.projects import ProjectFilter, search_projects
from modelyard.domains.tracking.overviews import recent_candidates
from modelyard.entrypoints.request import SIGNED_IN
from modelyard.entrypoints.web.candidate_lists import short_rows
from modelyard.entrypoints.web.chrome import HOME, Link
from modelyard.entrypoints.web.listing import leaf_of, shown_of
from modelyard.entrypoints.web.navigation import with_current
from modelyard.entrypoints.web.places import group_row, project_row
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Visit, Where

MOST_GROUPS = 100
TITLE = "Your projects"


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    pages.get("/", SIGNED_IN, show_home)


def show_home(visit: Visit) -> Response:
    query, leaf = visit.query("q"), leaf_of(visit)
    with visit.read() as (session, actor):
        visit.require_person()
        projects, total = search_projects(
            session,
            actor,
            ProjectFilter(search=query),
            order_by="last_activity_at",
            limit=leaf.limit,
            offset=leaf.offset,
        )
        groups, _ = groups_below(session, actor, all_levels=True, limit=MOST_GROUPS)
        recent = recent_candidates(session, actor) if leaf.number == 1 and not query else []
    return visit.page(
        "home/home.html",
        Where((TITLE,), with_current(HOME, "Projects"), (Link(TITLE, "/"),)),
        projects=[project_row(project) for project in projects],
        groups=[group_row(group) for group in groups],
        recent=short_rows(recent),
        query=query,
        project_count=total,
        page=leaf.paging(visit, total),
        page_sentence=shown_of(len(projects), total, "project"),
    )

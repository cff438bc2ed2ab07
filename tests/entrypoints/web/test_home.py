"""The first page: whose candidates came last."""

from modelyard.domains.namespaces.projects import create_project
from tests.conftest import LiveServer, World
from tests.entrypoints.web.conftest import Browse, Log

NAMES = "table tbody th a"
PROJECTS = 25


def test_recent_candidates_are_those_of_all_own_projects(
    browse: Browse, live: LiveServer, world: World, log: Log
) -> None:
    log("brave-otter")
    with live.installation.database.write() as session:
        namespace = world.project(session).namespace
        for number in range(PROJECTS):
            create_project(session, world.owner.actor, name=f"newer-{number}", namespace=namespace)
    # An administrator belongs everywhere, as on the list below it; the owner has more projects than are looked into.
    for somebody in (world.administrator, world.owner, world.developer):
        assert browse(somebody).get("/").texts(NAMES) == ["brave-otter"]
    assert browse(world.stranger).get("/").texts(NAMES) == []

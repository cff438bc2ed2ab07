"""Every page knows whom it is for: walked as nobody, as a stranger, and in every role."""

import pytest

from modelyard.domains.namespaces.access import standing
from modelyard.domains.namespaces.groups import get_group, update_group
from modelyard.domains.namespaces.projects import update_project
from modelyard.entrypoints.request import Policy, UndeclaredRouteError
from modelyard.entrypoints.web.routing import PageRoute, Pages
from modelyard.entrypoints.web.site import all_pages
from tests.conftest import LiveServer, Somebody, World
from tests.entrypoints.web.conftest import Browse, Log

ROUTES = all_pages().all
PLACEHOLDERS = ("group", "user", "token", "experiment", "candidate", "package", "file")


def address(route: PageRoute, world: World) -> str:
    """The route's address in the project of `world`; whatever has a number is number 1."""
    path = route.path.replace("{project:path}", world.project_path).replace("{group:path}", "acme")
    path = path.replace("{path:path}", "model/MLmodel")
    for name in PLACEHOLDERS:
        path = path.replace(f"{{{name}:int}}", "1")
    return path


def test_a_page_without_a_policy_cannot_be_mounted() -> None:
    with pytest.raises(UndeclaredRouteError):
        Pages().add(PageRoute("GET", "/open", Policy()))


def test_nobody_is_asked_to_sign_in_and_learns_nothing(browse: Browse, world: World, log: Log) -> None:
    log("brave")
    browser = browse()
    token = browser.token("/-/styleguide")
    for route in ROUTES:
        if route.policy.is_public:
            continue
        path = address(route, world)
        answer = browser.client.request(route.method, path, headers={"X-CSRF-Token": token})
        if route.method == "GET" and not path.endswith("/live"):
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/users/sign_in?next="), path
        assert answer.status_code in {303, 401, 404}, path


def test_a_stranger_cannot_tell_a_project_from_none(browse: Browse, world: World, log: Log) -> None:
    log("brave")
    browser = browse(world.stranger)
    token = browser.token("/-/styleguide")
    for route in ROUTES:
        if route.policy.ability is None:
            continue
        path = address(route, world)
        answer = browser.client.request(route.method, path, headers={"X-CSRF-Token": token})
        assert answer.status_code == 404, (route.method, path)
        assert "churn" not in answer.text.replace(path, ""), path


@pytest.mark.parametrize("role", ["guest", "reporter", "developer", "maintainer", "owner"])
def test_a_page_opens_for_those_with_its_ability(
    browse: Browse, live: LiveServer, world: World, log: Log, role: str
) -> None:
    """What the policy of each page says is what happens in each role."""
    log("brave", {"loss": 0.5})
    somebody: Somebody = getattr(world, role)
    with live.installation.database.read() as session:
        group = get_group(session, somebody.actor, "acme")
        inside = standing(session, somebody.actor, world.project(session)).abilities
        above = standing(session, somebody.actor, group).abilities
    browser = browse(somebody)
    for route in ROUTES:
        path, ability = address(route, world), route.policy.ability
        if route.method != "GET" or ability is None or path.endswith("/live"):
            continue
        abilities = above if "{group:path}" in route.path else inside
        status = browser.get(path).status
        # What an allowed page then says depends on what there is; that it says it is what is looked at here.
        assert status in ({200, 303, 404, 422} if ability in abilities else {403, 404}), (route.path, status)
        assert ability in abilities or status != 200


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("guest", "/-/ml/experiments", 200),
        ("guest", "/-/ml/experiments/new", 403),
        ("reporter", "/-/ml/candidates/1/delete", 403),
        ("developer", "/-/ml/candidates/1/delete", 200),
        ("developer", "/-/settings/access_tokens", 403),
        ("developer", "/-/settings/general", 403),
        ("maintainer", "/-/settings/general", 200),
        ("maintainer", "/-/settings/delete", 403),
        ("owner", "/-/settings/delete", 200),
        ("guest", "/-/project_members", 200),
        ("developer", "/-/project_members/new", 403),
    ],
)
def test_each_role_has_its_pages(browse: Browse, world: World, log: Log, role: str, path: str, status: int) -> None:
    log("brave")
    assert browse(getattr(world, role)).get(f"/{world.project_path}{path}").status == status


def test_people_are_not_shown_what_they_cannot_do(browse: Browse, world: World) -> None:
    guest, owner = browse(world.guest), browse(world.owner)
    path = f"/{world.project_path}/-/ml/experiments"
    assert "Create experiment" not in guest.get(path).text
    assert "Create experiment" in owner.get(path).text
    assert "Settings" not in guest.get(path).texts(".nav-item")
    assert "Settings" in owner.get(path).texts(".nav-item")


def test_a_public_project_is_open_to_everybody_and_changed_by_nobody(
    browse: Browse, live: LiveServer, world: World, log: Log
) -> None:
    log("brave", {"loss": 0.5})
    with live.installation.database.write() as session:
        update_group(session, world.owner.actor, get_group(session, world.owner.actor, "acme"), visibility="public")
        update_project(session, world.owner.actor, world.project(session), visibility="public")
    nobody, project = browse(), f"/{world.project_path}"
    for path in ("", "/", "/-/ml/experiments", "/-/ml/experiments/1", "/-/ml/experiments/1/candidates", "/-/packages"):
        assert nobody.get(project + path).status == 200, path
    for path in ("", "/performance", "/artifacts"):
        assert nobody.get(f"{project}/-/ml/candidates/1{path}").status == 200, path
    assert nobody.get(project).texts(".strip-actions a") == ["Sign in"]
    assert nobody.get("/groups/acme").status == 200
    for path in ("/-/ml/experiments/new", "/-/settings/general", "/-/settings/access_tokens"):
        assert nobody.get(project + path).status == 403, path
    assert nobody.post(f"{project}/-/ml/candidates/1/delete").status == 403
    assert nobody.post(f"{project}/-/ml/experiments", {"name": "mine"}).status == 403

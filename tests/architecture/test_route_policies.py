"""Every way in says who may use it, and turns nobody away in the same way (attack A1).

The routers themselves are walked, not their descriptions: what is mounted is what is asked.
"""

import http.client
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.routing import Mount, Route

from modelyard.domains.namespaces.access import RULES, Ability
from modelyard.domains.namespaces.groups import create_group
from modelyard.domains.namespaces.projects import create_project
from modelyard.entrypoints.mlflow import router as mlflow
from modelyard.entrypoints.mlflow.routes import all_routes
from modelyard.entrypoints.request import Installation, Policy, UndeclaredRouteError
from modelyard.entrypoints.rest.app import MOUNTS, assemble, check_routes
from modelyard.entrypoints.rest.router import Asking, Endpoint, RestRoute, Routes
from modelyard.platform.settings import Settings
from tests.conftest import LiveServer, World
from tests.snapshots import snapshot

ROOT = Path(__file__).parents[2]
MLFLOW = all_routes()
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Parts of addresses that are no numbers, so that each leads to a handler; every other variable becomes 1.
SPELLED = {
    "path": "acme",
    "path...": "a/b.txt",
    "namespace_id": "acme",
    "group": "acme",
    "project": "acme/churn",
}
# What streams need to be understood; they look at who asks right after that.
WELL_FORMED = {
    "/get-artifact": "?run_id=1&path=a.txt",
    "/artifacts/files": "?artifact_file_path=a.txt",
    "/upload-artifact": "?run_uuid=1&path=a.txt",
}
BODY = b'{"path": "a.txt", "upload_id": "1", "parts": [{"part_number": 1, "etag": "1"}]}'
# Reached without a token on purpose: a signature stands for it.
SIGNED = "/mlflow-artifacts/mpu/parts/"
SITE = "modelyard.entrypoints.web.site"
SIGN_IN = "/users/sign_in"


@dataclass(frozen=True)
class Way:
    """One method and address of the live server, with what it declares."""

    face: str
    method: str
    address: str
    policy: Policy

    def __str__(self) -> str:
        return f"{self.face}: {self.method} {self.address}"


def ways_in(project_id: int) -> Iterator[Way]:
    """Everything that is mounted."""
    yield from ways_of_mlflow(project_id)
    for declared in (declared for routes in MOUNTS for declared in routes.all):
        yield Way("rest", declared.method, "/api/v4" + _filled(declared.path, project_id), declared.policy)
    if importlib.util.find_spec(SITE.rpartition(".")[0]) and importlib.util.find_spec(SITE):
        for page in importlib.import_module(SITE).all_pages().all:
            yield Way("web", page.method, _filled(page.path, project_id), page.policy)


def ways_of_mlflow(project_id: int, spelled: Mapping[str, str] = SPELLED, other: str = "1") -> Iterator[Way]:
    """The routes of MLflow's protocol, in a project, with `other` for each variable that is not `spelled`."""
    base = f"/api/v4/projects/{project_id}/ml/mlflow"
    for route in MLFLOW.all:
        path = route.path if route.path.startswith("/") else f"/api/2.0/{route.path}"
        yield Way("mlflow", route.method, base + _filled(path, project_id, spelled, other), route.policy)


def _filled(path: str, project_id: int, spelled: Mapping[str, str] = SPELLED, other: str = "1") -> str:
    """A route's path with something in the place of each variable."""
    filled = path
    while (start := filled.find("{")) >= 0:
        end = filled.index("}", start)
        name = filled[start + 1 : end].partition(":")[0]
        value = str(project_id) if name in {"project_id", "place_id"} else spelled.get(name, other)
        filled = filled[:start] + value + filled[end + 1 :]
    return filled


WAYS = list(ways_in(1))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_route_says_who_may_use_it(way: Way) -> None:
    assert way.policy.is_declared
    # What is open says why; what asks for an ability needs no other reason.
    assert bool(way.policy.reason) != bool(way.policy.ability)
    # Only whoever signs in is not signed in yet.
    assert not (way.policy.is_public and way.method in UNSAFE) or way.face == "web" or SIGNED in way.address


def test_the_server_serves_what_was_declared_and_nothing_else(installation: Installation) -> None:
    application = assemble(installation, MOUNTS)
    check_routes(application)
    served = [
        route.endpoint.declared
        for route in application.routes
        if isinstance(route, RestRoute) and isinstance(route.endpoint, Endpoint)
    ]
    declared = [one for routes in MOUNTS for one in routes.all]
    assert served[: len(declared)] == declared
    assert [one.path for one in served[len(declared) :]] == ["/openapi.json"]
    ways = [(one.method, one.path) for one in declared]
    assert len(set(ways)) == len(ways)


def test_nobody_is_turned_away_everywhere_and_has_changed_nothing(live: LiveServer, world: World) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.installation.settings.port)
    before = snapshot(live.installation.database)
    answers: dict[str, int] = {}
    asked = 0
    for way in ways_in(world.project_id):
        body = BODY if way.method in UNSAFE else None
        query = next((query for end, query in WELL_FORMED.items() if way.address.endswith(end)), "")
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(way.method, way.address + query, body, headers)
        response = connection.getresponse()
        response.read()
        if not way.policy.is_public and not _turns_away(way, response):
            answers[str(way)] = response.status
        asked += 1
    connection.close()
    assert asked > 50
    assert answers == {}
    assert snapshot(live.installation.database) == before


@pytest.mark.parametrize(
    ("part", "query", "body"),
    [
        ("..%2F..", "?path=..&run_id=..&run_uuid=..&artifact_file_path=..&page_token=..", b"{"),
        ("%00", "?path=%00&run_id=%00&run_uuid=%FF&max_results=many", b"\xff"),
        ("a%5Cb", "", b'{"path": 1, "upload_id": [], "parts": {}, "metrics": "none"}'),
        ("0/x/artifacts/../y", "?path=0/x/artifacts//y", b""),
    ],
)
def test_whoever_may_not_ask_learns_nothing_from_how_it_is_spelled(
    live: LiveServer, world: World, part: str, query: str, body: bytes
) -> None:
    """What cannot be understood is said to those who may ask; to others, that they may not."""
    with live.installation.database.write() as session:
        owner = world.owner.actor
        group = create_group(session, owner, name="Open", path="open", visibility="public")
        opened = create_project(session, owner, name="open", namespace=group, visibility="public").id
    connection = http.client.HTTPConnection("127.0.0.1", live.installation.settings.port)
    answers: dict[str, int] = {}
    reading = RULES[Ability.READ_TRACKING].least
    for project_id, who in (
        (world.project_id, None),
        (world.project_id, world.stranger),
        (world.project_id, world.guest),
        (opened, None),
        (opened, world.stranger),
    ):
        for way in ways_of_mlflow(project_id, {}, part):
            ability = way.policy.ability
            sees = who is world.guest or project_id == opened
            if ability is None or (sees and RULES[ability].least <= reading):
                continue
            headers = {"Content-Type": "application/json"} | (who.headers if who else {})
            connection.request(way.method, way.address + query, body if way.method in UNSAFE else None, headers)
            response = connection.getresponse()
            response.read()
            if response.status not in ({401, 403, 404} if sees else {404} if who else {401, 404}):
                answers[f"{who}: {way}"] = response.status
    connection.close()
    assert answers == {}


def _turns_away(way: Way, response: http.client.HTTPResponse) -> bool:
    """Programs are told 401 or 404; people are led to where they sign in, and forms of other sites are refused."""
    if way.face != "web":
        return response.status in {401, 404}
    leads_to_sign_in = response.status == 303 and (response.headers["Location"] or "").startswith(SIGN_IN)
    return leads_to_sign_in or response.status in {401, 404} or (response.status == 403 and way.method in UNSAFE)


def test_every_prefix_of_mlflow_leads_to_the_same_route() -> None:
    for route in MLFLOW.all:
        name = _filled(route.path, 1)
        for base in (b"", b"/api/v4/projects/7/ml/mlflow", b"/api/v4/projects/a%2Fb/ml/mlflow"):
            for prefix in mlflow.API_PREFIXES:
                address = base + (prefix if not name.startswith("/") else b"") + name.encode()
                split = mlflow.split_address(address)
                assert split is not None
                found = MLFLOW.find(route.method, mlflow._route_name(split[1]) or "")
                assert found is not None, address
                assert found[0] is route, address


# Rogues


def nothing(asked: Asking) -> None:
    """Answers anybody."""


def test_a_route_of_mlflow_without_a_policy_cannot_be_mounted() -> None:
    with pytest.raises(UndeclaredRouteError):
        mlflow.Routes().add(mlflow.Route[mlflow.Nothing]("GET", "mlflow/rogue", Policy()))


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
@pytest.mark.parametrize("policy", [None, Policy(), Policy(is_public=True)])
def test_a_route_of_rest_without_a_policy_cannot_be_declared(method: str, policy: Policy | None) -> None:
    routes = Routes("Rogues")
    declare: Callable[..., object] = getattr(routes, method)
    with pytest.raises(UndeclaredRouteError):
        declare("/rogue", policy=policy, answer=None)
    assert routes.all == []


def test_a_route_added_past_the_declarations_is_refused(installation: Installation) -> None:
    with pytest.raises(UndeclaredRouteError):
        assemble(installation, ()).get("/rogue")(nothing)
    for rogue in (Route("/rogue", lambda _request: None), Mount("/rogue", routes=[])):
        application = assemble(installation, MOUNTS)
        application.router.routes.append(rogue)
        with pytest.raises(UndeclaredRouteError):
            check_routes(application)


ROGUE_SERVER = """
import sys
from pathlib import Path
from modelyard.app import serve
from modelyard.entrypoints.request import Policy
from modelyard.entrypoints.rest import app
from modelyard.entrypoints.rest.router import Declared, Routes
from modelyard.platform.settings import Settings

rogues = Routes("Rogues")
rogues.all.append(Declared("GET", "/rogue", Policy(), lambda asked: None, None, 200, "Rogues"))
app.MOUNTS = (*app.MOUNTS, rogues)
serve(Settings(data=Path(sys.argv[1]), port=int(sys.argv[2])), announce=print)
"""


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_server_with_a_rogue_route_does_not_stay_up(settings: Settings) -> None:
    command = [sys.executable, "-c", ROGUE_SERVER, str(settings.data), str(settings.port)]
    ended = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": "src"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "UndeclaredRouteError" in ended.stderr
    assert "/rogue" in ended.stderr

"""What a server tells operators, and what it tells strangers."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from modelyard.entrypoints.operator.readiness import Prober
from modelyard.entrypoints.operator.routes import OperatorRoutes
from modelyard.entrypoints.request import Installation
from modelyard.platform.errors import Busy
from modelyard.platform.http import Call, Headers
from modelyard.platform.meters import RequestMeter
from tests.conftest import LiveServer, World

Ask = Callable[..., "Answer"]


class Answer(NamedTuple):
    """Status, body, and headers."""

    status: int
    body: str
    headers: dict[str, str]


@pytest.fixture
def ask(live: LiveServer) -> Ask:
    """GETs a path of the live server."""

    def get(path: str, headers: dict[str, str] | None = None) -> Answer:
        request = urllib.request.Request(live.url + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request) as response:
                return Answer(response.status, response.read().decode(), dict(response.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), dict(error.headers))

    return get


def test_a_living_process_says_so(ask: Ask) -> None:
    assert ask("/healthz")[:2] == (200, "alive\n")


def test_strangers_learn_only_whether_it_is_ready(ask: Ask, world: World) -> None:
    for headers in ({}, world.owner.headers, {"Authorization": "Bearer wrong"}):
        answer = ask("/readyz", headers)
        assert (answer.status, json.loads(answer.body)) == (200, {"status": "ready"})


def test_administrators_are_told_of_each_part(ask: Ask, world: World) -> None:
    answer = ask("/readyz", world.administrator.headers)
    parts = json.loads(answer.body)["parts"]
    assert parts == {"database": "ready", "disk": "ready", "schema": "ready", "store": "ready"}


def test_a_part_that_is_away_makes_it_unready(
    ask: Ask, installation: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise Busy("The disk is nearly full.")

    monkeypatch.setattr(installation.database, "check_room", refuse)
    routes = OperatorRoutes(installation, RequestMeter(), checks={})
    call = called("GET", b"/readyz", [(b"authorization", world.administrator.headers["Authorization"].encode())])
    status, body, _ = routes._readiness(call)
    assert (status, json.loads(body)["parts"]["disk"]) == (503, "The disk is nearly full.")
    assert ask("/healthz").status == 200


def called(method: str, path: bytes, headers: Headers, client: str = "203.0.113.7") -> Call:
    return Call(method, path, b"", headers, b"", client, lambda _status, _body, _headers: None)


def test_a_part_that_hangs_is_waited_for_a_second_and_asked_once() -> None:
    go_on = threading.Event()
    asked: list[int] = []

    def hang() -> None:
        asked.append(1)
        go_on.wait(10)

    prober = Prober({"database": hang, "disk": lambda: None})
    found = prober.probe()
    assert not found.is_ready
    assert found.parts == {"database": "No answer within 1 s.", "disk": None}
    prober._known = None
    assert prober.probe().parts["database"] == "No answer within 1 s."
    assert asked == [1]
    go_on.set()


def test_many_who_ask_at_once_cause_one_probe() -> None:
    asked: list[int] = []
    prober = Prober({"database": lambda: asked.append(1)})
    for _ in range(50):
        assert prober.probe().is_ready
    assert asked == [1]


def test_a_stopping_server_is_not_ready(ask: Ask, installation: Installation) -> None:
    installation.is_stopping = True
    assert ask("/readyz").status == 503
    installation.is_stopping = False


def test_figures_are_told_to_this_machine(ask: Ask, world: World) -> None:
    address = (
        f"/api/v4/projects/{world.project_id}/ml/mlflow/api/2.0/mlflow/metrics/get-history?run_id=none&metric_key=loss"
    )
    assert ask(address, world.developer.headers).status == 404
    answer = ask("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.body.splitlines()
    assert 'modelyard_requests_total{route="GET mlflow/metrics/get-history",status="404"} 1.0' in lines
    assert 'modelyard_request_seconds_count{route="GET mlflow/metrics/get-history"} 1.0' in lines
    assert any(line.startswith("modelyard_tasks{") for line in lines)
    assert "modelyard_database_up 1.0" in lines
    assert any(line.startswith("modelyard_disk_free_bytes") for line in lines)
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_figures_are_not_told_through_a_proxy_on_this_machine(ask: Ask, header: str) -> None:
    assert ask("/metrics", {header: "203.0.113.7"}).status == 404


@pytest.mark.parametrize(
    ("client", "authorization", "status"),
    [
        ("127.0.0.1", "", 200),
        ("::1", "", 200),
        ("203.0.113.7", "", 404),
        ("203.0.113.7", "Bearer wrong", 404),
        ("203.0.113.7", "Bearer secret-of-the-operator", 200),
        ("", "", 404),
    ],
)
def test_other_machines_need_the_token(
    installation: Installation, client: str, authorization: str, status: int
) -> None:
    installation.settings = replace(installation.settings, metrics_token="secret-of-the-operator")
    routes = OperatorRoutes(installation, RequestMeter(), checks={})
    headers = [(b"authorization", authorization.encode())] if authorization else []
    assert routes._metrics(called("GET", b"/metrics", headers, client))[0] == status


def test_an_empty_token_opens_nothing(installation: Installation) -> None:
    routes = OperatorRoutes(installation, RequestMeter(), checks={})
    assert routes._metrics(called("GET", b"/metrics", [(b"authorization", b"Bearer ")]))[0] == 404


def test_the_database_being_away_is_a_figure_too(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise Busy("The database is away.")

    monkeypatch.setattr(installation.database, "read", away)
    routes = OperatorRoutes(installation, RequestMeter(), checks={})
    _, body, _ = routes._metrics(called("GET", b"/metrics", [], "127.0.0.1"))
    assert b"modelyard_database_up 0.0" in body


def test_only_get_is_answered(installation: Installation) -> None:
    routes = OperatorRoutes(installation, RequestMeter(), checks={})
    assert routes.match("POST", b"/healthz") is None
    assert all(route.policy.reason for route in routes.all)

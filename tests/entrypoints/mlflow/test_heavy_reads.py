"""Long reads: they answer everything that is asked for, in bounded memory, and keep nothing else waiting."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate, LogData, MetricColumns
from modelyard.entrypoints.mlflow import histories
from modelyard.entrypoints.request import Installation
from modelyard.platform.clock import now_ms
from modelyard.platform.crews import LONGEST_WAIT_S, Crew
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser

POINTS = 100_000
AT_ONCE = 10_000


def history(live: LiveServer, world: World, **query: object) -> httpx.Response:
    address = f"{live.tracking_uri(world.project_id)}/api/2.0/mlflow/metrics/get-history"
    parameters = {name: str(value) for name, value in query.items()}
    return httpx.get(address, params=parameters, headers=world.developer.headers, trust_env=False)


@pytest.fixture
def run_id(live: LiveServer, world: World) -> str:
    """A run with a long series."""
    lane, moment = live.installation.lane, now_ms()
    made = lane.submit_and_wait(
        CreateCandidate(world.project_id, 0, hex_id(), "brave", "ada", None, moment, moment, {})
    )
    assert isinstance(made, CandidateInfo)
    for first in range(0, POINTS, AT_ONCE):
        steps = range(first, first + AT_ONCE)
        columns = MetricColumns(["loss"] * AT_ONCE, steps, steps, [step / 2 for step in steps])
        lane.submit_and_wait(LogData(made.place, moment, columns))
    return made.place.run_id


def test_a_long_history_is_answered_whole(live: LiveServer, world: World, run_id: str) -> None:
    answer = history(live, world, run_id=run_id, metric_key="loss")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert "content-length" not in answer.headers
    body = answer.json()
    assert set(body) == {"metrics"}
    assert body["metrics"][1] == {"key": "loss", "value": 0.5, "timestamp": 1, "step": 1}
    assert [point["step"] for point in body["metrics"]] == list(range(POINTS))


def test_a_longer_one_goes_on_with_a_token(
    live: LiveServer, world: World, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "MOST_POINTS", 70_000)
    body = history(live, world, run_id=run_id, metric_key="loss").json()
    assert len(body["metrics"]) == 70_000
    rest = history(live, world, run_id=run_id, metric_key="loss", page_token=body["next_page_token"]).json()
    assert set(rest) == {"metrics"}
    assert [point["step"] for point in body["metrics"] + rest["metrics"]] == list(range(POINTS))
    page = history(live, world, run_id=run_id, metric_key="loss", max_results=25_000).json()
    assert len(page["metrics"]) == 25_000
    assert page["next_page_token"]


@contextmanager
def occupied(crew: Crew) -> Iterator[None]:
    """Everybody is at work and the queue is full."""
    gate = threading.Event()
    for _ in range(crew.threads + crew.most_waiting):
        crew.go_on(gate.wait)
    try:
        yield
    finally:
        gate.set()


def post(live: LiveServer, world: World, endpoint: str, body: object, token: str) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    address = f"{live.tracking_uri(world.project_id)}/api/2.0/mlflow/{endpoint}"
    return httpx.post(address, content=json.dumps(body), headers=headers, trust_env=False)


def test_heavy_reads_are_refused_before_others_wait(live: LiveServer, world: World, installation: Installation) -> None:
    token = world.developer.token
    made = post(live, world, "runs/create", {"experiment_id": "0", "start_time": 1}, token)
    run_id = made.json()["run"]["info"]["run_id"]
    browser = Browser(live.url, live.installation, world.developer)
    with occupied(installation.heavy):
        refused = [
            history(live, world, run_id=run_id, metric_key="loss"),
            post(live, world, "runs/search", {"experiment_ids": ["0"], "filter": "metrics.a > 1"}, token),
            browser.client.get(f"/{world.project_path}/-/ml/experiments"),
        ]
        assert [answer.status_code for answer in refused] == [429] * 3
        assert all(1 <= int(answer.headers["retry-after"]) <= 10 for answer in refused)
        assert refused[0].json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
        assert "Try again in a moment." in refused[2].text
        few = post(live, world, "runs/search", {"experiment_ids": ["0"], "max_results": 5}, token)
        assert [run["info"]["run_id"] for run in few.json()["runs"]] == [run_id]
        assert browser.client.get("/").status_code == 200
    browser.close()
    assert history(live, world, run_id=run_id, metric_key="loss").json() == {}


def test_logging_waits_for_no_other_work(live: LiveServer, world: World, installation: Installation) -> None:
    made = post(live, world, "runs/create", {"experiment_id": "0", "start_time": 1}, world.developer.token)
    metric = {"run_id": made.json()["run"]["info"]["run_id"], "key": "a", "value": 1, "timestamp": 1}
    with occupied(installation.heavy), occupied(installation.pool):
        # Nobody has seen this token yet, so it has to be looked up.
        assert post(live, world, "runs/log-metric", metric, world.maintainer.token).status_code == 200
        page = httpx.get(f"{live.url}/users/sign_in", trust_env=False)
        assert (page.status_code, page.headers["content-type"]) == (429, "text/plain; charset=utf-8")
        asked = httpx.get(f"{live.url}/api/v4/user", headers=world.developer.headers, trust_env=False)
        assert asked.status_code == 429
        assert 1 <= int(asked.headers["retry-after"]) <= LONGEST_WAIT_S

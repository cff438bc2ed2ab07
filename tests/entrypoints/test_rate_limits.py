"""Limits through every way in: who is counted, what they are told, and what does not count."""

import json
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from modelyard.domains.namespaces.groups import update_group
from modelyard.domains.namespaces.projects import update_project
from modelyard.domains.namespaces.tables import Namespace
from modelyard.entrypoints.request import Limits
from tests.conftest import LiveServer, Somebody, World
from tests.entrypoints.web.browser import Browser

Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(live: LiveServer, world: World) -> Ask:
    """Sends a request as somebody."""

    def send(method: str, path: str, body: object = None, *, by: Somebody | None = world.developer) -> httpx.Response:
        headers = {"Content-Type": "application/json", **(by.headers if by else {})}
        content = None if body is None else json.dumps(body)
        return httpx.request(method, live.url + path, content=content, headers=headers, trust_env=False, timeout=30)

    return send


def limited(live: LiveServer, **figures: int) -> None:
    live.installation.limits = Limits(replace(live.installation.settings, **figures))  # type: ignore[arg-type]  # all of these are numbers


def mlflow(world: World, endpoint: str) -> str:
    return f"/api/v4/projects/{world.project_id}/ml/mlflow/api/2.0/mlflow/{endpoint}"


def test_a_user_is_counted_over_pages_and_rest(live: LiveServer, world: World, ask: Ask) -> None:
    limited(live, limit_user_per_minute=4)
    first = ask("GET", "/api/v4/user")
    assert first.status_code == 200
    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("4", "3")
    assert ask("GET", "/api/v4/no-such-thing").headers.get("ratelimit-limit") is None
    browser = Browser(live.url, live.installation, world.developer)
    assert [browser.get("/").status for _ in range(4)] == [200, 200, 200, 429]
    page = browser.get("/")
    assert "4 a minute" in page.text
    assert (page.answer.headers["ratelimit-remaining"], int(page.answer.headers["retry-after"]) > 0) == ("0", True)
    refused = ask("GET", "/api/v4/user")
    assert (refused.status_code, refused.headers["ratelimit-name"]) == (429, "user")
    assert refused.json()["message"].startswith("Too many requests of one user")
    assert int(refused.headers["retry-after"]) in range(1, 16)
    # Others, and logging, go on.
    assert ask("GET", "/api/v4/user", by=world.owner).status_code == 200
    assert ask("POST", mlflow(world, "runs/create"), {"experiment_id": "0"}).status_code == 200
    browser.close()


def test_strangers_are_counted_by_address(live: LiveServer, world: World, ask: Ask) -> None:
    limited(live, limit_address_per_minute=3)
    wrong = Somebody(world.developer.actor, "myd_pat_wrong")
    assert ask("GET", "/api/v4/user", by=wrong).status_code == 401
    assert ask("GET", mlflow(world, "runs/get?run_id=x"), by=wrong).status_code == 401
    assert ask("POST", mlflow(world, "runs/log-metric"), {}, by=wrong).status_code == 401
    refused = [
        ask("GET", "/api/v4/user", by=wrong),
        ask("GET", "/api/v4/version", by=None),
        ask("GET", mlflow(world, "runs/get?run_id=x"), by=wrong),
        ask("GET", mlflow(world, "metrics/get-history?run_id=x&metric_key=y"), by=wrong),
        ask("POST", mlflow(world, "runs/log-metric"), {}, by=wrong),
        ask("GET", "/users/sign_in", by=None),
    ]
    assert [answer.status_code for answer in refused] == [429] * 6
    assert {answer.headers["ratelimit-name"] for answer in refused} == {"address"}
    # Whoever is known, and whoever only asks whether the server is there, is answered.
    assert ask("GET", "/api/v4/user").status_code == 200
    assert ask("GET", "/health", by=None).status_code == 200


def test_an_anonymous_reader_counts_with_every_request(live: LiveServer, world: World, ask: Ask) -> None:
    with live.installation.database.write() as session:
        project = world.project(session)
        update_group(session, world.owner.actor, session.get_one(Namespace, project.namespace_id), visibility="public")
        update_project(session, world.owner.actor, project, visibility="public")
    limited(live, limit_address_per_minute=3)
    body = {"experiment_ids": ["0"], "max_results": 1}
    answers = [ask("POST", mlflow(world, "runs/search"), body, by=None).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_tracking_is_counted_by_project_and_by_token(live: LiveServer, world: World, ask: Ask) -> None:
    def statuses(count: int, by: Somebody = world.developer) -> list[int]:
        body = {"run_id": run_id, "key": "a", "value": "1"}
        return [ask("POST", mlflow(world, "runs/set-tag"), body, by=by).status_code for _ in range(count)]

    made = ask("POST", mlflow(world, "runs/create"), {"experiment_id": "0"})
    run_id = made.json()["run"]["info"]["run_id"]
    limited(live, limit_token_per_second=2)
    limits = live.installation.limits
    assert limits.tokens is not None
    limits.tokens._interval_s, limits.tokens._latest_s = 60, 90  # a second is too short for a busy machine
    assert statuses(3) == [200, 200, 429]
    assert statuses(1, world.maintainer) == [200]
    limited(live, limit_project_per_second=2)
    limits = live.installation.limits
    assert limits.projects is not None
    limits.projects._interval_s, limits.projects._latest_s = 60, 90
    assert statuses(2) == [200, 200]
    refused = ask("GET", mlflow(world, f"runs/get?run_id={run_id}"), by=world.maintainer)
    assert (refused.status_code, refused.json()["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert (refused.headers["ratelimit-name"], refused.headers["retry-after"].isdigit()) == ("project", True)


def test_new_runs_are_counted_by_themselves(live: LiveServer, world: World, ask: Ask) -> None:
    limited(live, limit_runs_per_second=1)
    runs = live.installation.limits.runs
    assert runs is not None
    runs._interval_s, runs._latest_s = 60, 0
    made = [ask("POST", mlflow(world, "runs/create"), {"experiment_id": "0"}) for _ in range(2)]
    assert [answer.status_code for answer in made] == [200, 429]
    tag = {"run_id": made[0].json()["run"]["info"]["run_id"], "key": "a", "value": "1"}
    assert ask("POST", mlflow(world, "runs/set-tag"), tag).status_code == 200


def test_by_default_tracking_is_not_limited(live: LiveServer, world: World, ask: Ask) -> None:
    limits = live.installation.limits
    assert (limits.has_tracking, limits.runs) == (False, None)
    statuses = {ask("POST", mlflow(world, "runs/create"), {"experiment_id": "0"}).status_code for _ in range(30)}
    assert statuses == {200}

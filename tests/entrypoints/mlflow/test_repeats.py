"""Creations that are sent again with the key of the first request, on both engines."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, update

from modelyard.domains.namespaces.repeats import forget_requests
from modelyard.domains.namespaces.tables import RepeatableRequest
from modelyard.domains.tracking.tables import Candidate
from modelyard.platform.clock import now
from tests.conftest import LiveServer, Somebody, World

Create = Callable[..., httpx.Response]
RUN = {"experiment_id": "0", "start_time": 1, "tags": [{"key": "team", "value": "a"}]}


@pytest.fixture
def create(live: LiveServer, world: World) -> Create:
    """Sends a creation, with a key if one is given."""

    def send(endpoint: str, body: object, key: str | None = None, *, by: Somebody = world.developer) -> httpx.Response:
        headers = {"Content-Type": "application/json", **by.headers, **({"Idempotency-Key": key} if key else {})}
        address = f"{live.tracking_uri(world.project_id)}/api/2.0/mlflow/{endpoint}"
        return httpx.post(address, content=json.dumps(body), headers=headers, trust_env=False, timeout=30)

    return send


def count_runs(live: LiveServer) -> int:
    with live.installation.database.read() as session:
        return session.scalar(select(func.count()).select_from(Candidate)) or 0


def test_a_run_is_made_once(live: LiveServer, world: World, create: Create) -> None:
    first = create("runs/create", RUN, "one")
    assert first.status_code == 200
    assert [create("runs/create", RUN, "one").json() for _ in range(2)] == [first.json()] * 2
    assert count_runs(live) == 1
    # Another key, another person, or no key at all is another run.
    others = [create("runs/create", RUN, "two"), create("runs/create", RUN, "one", by=world.maintainer)]
    others += [create("runs/create", RUN), create("runs/create", RUN)]
    runs = {answer.json()["run"]["info"]["run_id"] for answer in [first, *others]}
    assert (len(runs), count_runs(live)) == (5, 5)


def test_the_same_run_is_asked_for_by_many_at_once(live: LiveServer, create: Create) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: create("runs/create", RUN, "one").json(), range(16)))
    assert answers == [answers[0]] * 16
    assert count_runs(live) == 1


@pytest.mark.parametrize("key", ["x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(live: LiveServer, create: Create, key: str) -> None:
    answer = create("runs/create", RUN, key)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "Idempotency-Key" in answer.json()["message"]
    assert count_runs(live) == 0


@pytest.mark.parametrize(
    ("endpoint", "body", "other"),
    [
        ("runs/create", RUN, {**RUN, "start_time": 2}),
        ("experiments/create", {"name": "a"}, {"name": "b"}),
        ("logged-models", {"experiment_id": "0", "name": "a"}, {"experiment_id": "0", "name": "b"}),
    ],
)
def test_a_key_stands_for_one_request(create: Create, endpoint: str, body: object, other: object) -> None:
    first = create(endpoint, body, "one")
    assert first.status_code == 200, first.text
    assert create(endpoint, body, "one").json() == first.json()
    refused = create(endpoint, other, "one")
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "Use a new key" in refused.json()["message"]
    assert create(endpoint, other, "two").status_code == 200


def test_what_was_refused_is_not_remembered(live: LiveServer, world: World, create: Create) -> None:
    assert create("runs/create", {**RUN, "experiment_id": "1"}, "one").status_code == 404
    assert create("experiments/create", {"name": "a"}, "one", by=world.reporter).status_code == 403
    assert create("experiments/create", {"name": "a"}, "one").status_code == 200
    assert create("experiments/create", {"name": "a"}, "two").status_code == 400
    with live.installation.database.read() as session:
        assert session.scalar(select(func.count()).select_from(RepeatableRequest)) == 1
    assert create("runs/create", {**RUN, "experiment_id": "1"}, "one").status_code == 200


def test_keys_are_forgotten_after_a_day(live: LiveServer, create: Create) -> None:
    first = create("runs/create", RUN, "one").json()
    assert create("experiments/create", {"name": "a"}, "one").status_code == 200
    with live.installation.database.write() as session:
        assert forget_requests(session) == 0
        session.execute(update(RepeatableRequest).values(created_at=now() - timedelta(hours=25)))
    assert create("runs/create", {**RUN, "start_time": 2}, "one").json() != first
    assert create("experiments/create", {"name": "b"}, "one").json() == {"experiment_id": "2"}
    with live.installation.database.write() as session:
        session.execute(update(RepeatableRequest).values(created_at=now() - timedelta(hours=25)))
    with live.installation.database.write() as session:
        assert forget_requests(session) == 2

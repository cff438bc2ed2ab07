"""The hot routes over HTTP, on both engines."""

import json
import math
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import LiveServer, Somebody, World

Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def post(live: LiveServer, world: World) -> Post:
    """Sends to an endpoint of the project's MLflow address; status and JSON come back."""

    def send(
        endpoint: str, body: object, *, as_somebody: Somebody | None = world.developer, method: str = "POST"
    ) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(as_somebody.headers if as_somebody else {})}
        address = f"{live.tracking_uri(world.project_id)}/api/2.0/mlflow/{endpoint}"
        request = urllib.request.Request(address, None if method == "GET" else data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return send


@pytest.fixture
def run_id(post: Post) -> str:
    """A fresh run."""
    status, answer = post("runs/create", {"experiment_id": "0", "start_time": 1, "run_name": "brave"})
    assert status == 200, answer
    return str(answer["run"]["info"]["run_id"])


def test_a_batch_is_logged_and_read_back(post: Post, run_id: str) -> None:
    metrics = [
        {"key": "loss", "value": value, "timestamp": 10, "step": step}
        for step, value in enumerate([3.0, 2, "NaN", "Infinity"])
    ]
    assert post("runs/log-batch", {"run_id": run_id, "metrics": metrics}) == (200, {})
    assert post("runs/log-batch", {"run_id": run_id, "metrics": metrics}) == (200, {})
    status, answer = post(f"metrics/get-history?run_id={run_id}&metric_key=loss", None, method="GET")
    assert status == 200
    assert [point["value"] for point in answer["metrics"]] == [3.0, 2.0, "NaN", "Infinity"]


def test_a_page_of_a_history_leads_to_the_next(post: Post, run_id: str) -> None:
    metrics = [{"key": "loss", "value": step / 2, "timestamp": step, "step": step} for step in range(7)]
    assert post("runs/log-batch", {"run_id": run_id, "metrics": metrics})[0] == 200
    token, seen = "", []
    while True:
        address = f"metrics/get-history?run_id={run_id}&metric_key=loss&max_results=3&page_token={token}"
        _, answer = post(address, None, method="GET")
        seen += [point["step"] for point in answer["metrics"]]
        if not (token := answer.get("next_page_token", "")):
            break
    assert seen == list(range(7))


def test_a_parameter_is_written_once(post: Post, run_id: str) -> None:
    assert post("runs/log-parameter", {"run_id": run_id, "key": "depth", "value": "6"}) == (200, {})
    assert post("runs/log-parameter", {"run_id": run_id, "key": "depth", "value": "6"}) == (200, {})
    status, answer = post("runs/log-parameter", {"run_id": run_id, "key": "depth", "value": "8"})
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "'6'" in answer["message"]
    assert "'8'" in answer["message"]


def test_a_refused_batch_leaves_nothing(post: Post, run_id: str) -> None:
    assert post("runs/log-parameter", {"run_id": run_id, "key": "depth", "value": "6"})[0] == 200
    batch = {
        "run_id": run_id,
        "metrics": [{"key": "acc", "value": 1, "timestamp": 1, "step": 1}],
        "params": [{"key": "new", "value": "1"}, {"key": "depth", "value": "9"}],
        "tags": [{"key": "t", "value": "1"}],
    }
    assert post("runs/log-batch", batch)[0] == 400
    _, answer = post(f"metrics/get-history?run_id={run_id}&metric_key=acc", None, method="GET")
    assert "metrics" not in answer
    assert post("runs/log-parameter", {"run_id": run_id, "key": "new", "value": "other"})[0] == 200


def test_an_update_changes_only_what_it_names(post: Post, run_id: str) -> None:
    status, answer = post("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 5})
    assert status == 200
    assert answer["run_info"]["status"] == "FINISHED"
    assert answer["run_info"]["run_name"] == "brave"
    _, answer = post("runs/update", {"run_id": run_id, "run_name": "calm"})
    assert (answer["run_info"]["status"], answer["run_info"]["end_time"]) == ("FINISHED", 5)
    assert answer["run_info"]["run_name"] == "calm"


METRIC = {"run_id": "RUN", "key": "a", "value": 1, "timestamp": 1}
PARAMETER = {"key": "a", "value": "1"}
BAD_VALUE = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    ("endpoint", "body", "expected", "text"),
    [
        ("runs/log-metric", {**METRIC, "run_id": None}, BAD_VALUE, "'run_id'"),
        ("runs/log-metric", {**METRIC, "run_id": "nope"}, MISSING, "nope"),
        ("runs/log-metric", {**METRIC, "key": None}, BAD_VALUE, "'key'"),
        ("runs/log-metric", {**METRIC, "key": "../a"}, BAD_VALUE, "../a"),
        ("runs/log-metric", {**METRIC, "key": "k" * 251}, BAD_VALUE, "250"),
        ("runs/log-metric", {**METRIC, "value": "x"}, BAD_VALUE, "double"),
        ("runs/log-metric", {**METRIC, "timestamp": 2**63}, BAD_VALUE, "timestamp"),
        ("runs/log-metric", b"{nope", BAD_VALUE, "JSON"),
        ("runs/log-metric", b'{"run_id": "RUN", "key": "a", "value": NaN, "timestamp": 1}', BAD_VALUE, "NaN"),
        ("runs/log-batch", {"run_id": "RUN", "params": [PARAMETER] * 101}, BAD_VALUE, "100"),
        ("runs/log-batch", {"run_id": "RUN", "params": [PARAMETER] * 2}, BAD_VALUE, "Duplicate"),
        ("runs/create", {"experiment_id": "77"}, MISSING, "77"),
        ("runs/update", {"run_id": "RUN", "status": "DONE"}, BAD_VALUE, "DONE"),
        ("runs/no-such-thing", {}, (404, "ENDPOINT_NOT_FOUND"), "no-such-thing"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(  # parameters
    post: Post, run_id: str, endpoint: str, body: object, expected: tuple[int, str], text: str
) -> None:
    if isinstance(body, bytes):
        body = body.replace(b"RUN", run_id.encode())
    elif isinstance(body, dict) and body.get("run_id") == "RUN":
        body = {**body, "run_id": run_id}
    status, answer = post(endpoint, body)
    assert (status, answer["error_code"]) == expected
    assert text in answer["message"]


def test_numbers_as_texts_and_nulls_are_read_as_mlflow_does(post: Post, run_id: str) -> None:
    body = {"run_id": run_id, "key": "a", "value": 1, "timestamp": "12", "step": "3", "model_id": None}
    assert post("runs/log-metric", body) == (200, {})
    _, answer = post(f"metrics/get-history?run_id={run_id}&metric_key=a", None, method="GET")
    assert answer["metrics"] == [{"key": "a", "value": 1.0, "timestamp": 12, "step": 3}]


def test_who_may_log(post: Post, world: World, run_id: str) -> None:
    body = {"run_id": run_id, "key": "a", "value": math.pi, "timestamp": 1}
    assert post("runs/log-metric", body, as_somebody=None)[0] == 401
    assert post("runs/log-metric", body, as_somebody=world.stranger)[0] == 404
    assert post("runs/log-metric", body, as_somebody=world.reporter)[0] == 403
    assert post("runs/log-metric", body, as_somebody=world.developer)[0] == 200


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("runs/log-batch", b"[" * 100_000),
        ("runs/log-batch", b'{"run_id": "\xff\xfe"}'),
        ("runs/log-batch", b'{"run_id": "a", "more": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
        ("runs/create", {"experiment_id": "0", "start_time": 2**63 - 1}),
        ("runs/create", {"experiment_id": "0", "start_time": -(2**63)}),
        ("runs/create", {"experiment_id": "0", "run_name": "a\0b"}),
        ("runs/update", {"run_id": "RUN", "end_time": 2**62}),
    ],
)
def test_what_cannot_be_kept_is_refused_as_the_clients_mistake(
    post: Post, run_id: str, endpoint: str, body: object
) -> None:
    if isinstance(body, dict) and body.get("run_id") == "RUN":
        body = {**body, "run_id": run_id}
    assert post(endpoint, body)[0] == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("metrics/get-history?metric_key=a&run_id=RUN&page_token=WzEsMSwiYWJjIl0", 400),
        ("metrics/get-history?" + "a=1&" * 10_001, 400),
        ("logged-models/%ff", 404),
        ("nothing%ff", 404),
    ],
)
def test_an_address_that_cannot_be_read_is_the_clients_mistake(post: Post, run_id: str, path: str, status: int) -> None:
    assert post(path.replace("RUN", run_id), None, method="GET")[0] == status

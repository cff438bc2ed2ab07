"""The cold routes of tracking over HTTP, on both engines: MLflow's shapes, codes and sentences."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from modelyard.domains.accounts.actor import Scope
from modelyard.domains.accounts.tokens import create_personal_token
from tests.conftest import LiveServer, Somebody, World

Answer = tuple[int, dict[str, Any]]
Send = Callable[..., Answer]


@pytest.fixture
def send(live: LiveServer, world: World) -> Send:
    """Sends to an endpoint of the project's MLflow address; status and JSON come back."""

    def send(method: str, endpoint: str, body: object = None, *, by: Somebody | None = world.developer) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(by.headers if by else {})}
        address = f"{live.tracking_uri(world.project_id)}/api/2.0/mlflow/{endpoint}"
        request = urllib.request.Request(address, None if method == "GET" else data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return send


@pytest.fixture
def run_id(send: Send) -> str:
    """A run of experiment 1."""
    assert send("POST", "experiments/create", {"name": "x"}) == (200, {"experiment_id": "1"})
    status, answer = send("POST", "runs/create", {"experiment_id": "1", "start_time": 1, "run_name": "brave"})
    assert status == 200, answer
    return str(answer["run"]["info"]["run_id"])


def refused(answer: Answer) -> tuple[int, str]:
    status, body = answer
    assert set(body) == {"error_code", "message"}
    return status, body["error_code"]


INVALID = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")


def test_an_experiment_has_mlflows_shape(send: Send) -> None:
    tags = [{"key": "a", "value": "1"}]
    assert send("POST", "experiments/create", {"name": "x", "tags": tags}) == (200, {"experiment_id": "1"})
    status, answer = send("GET", "experiments/get?experiment_id=1")
    experiment = answer["experiment"]
    assert status == 200
    assert isinstance(experiment.pop("creation_time"), int)
    assert isinstance(experiment.pop("last_update_time"), int)
    assert experiment == {
        "experiment_id": "1",
        "name": "x",
        "artifact_location": "mlflow-artifacts:/1",
        "lifecycle_stage": "active",
        "tags": tags,
    }
    assert send("GET", "experiments/get-by-name?experiment_name=x")[1]["experiment"]["experiment_id"] == "1"


def test_an_experiment_is_renamed_tagged_deleted_and_restored(send: Send) -> None:
    send("POST", "experiments/create", {"name": "x"})
    one = {"experiment_id": "1"}
    assert send("POST", "experiments/update", {**one, "new_name": "y"}) == (200, {})
    assert send("POST", "experiments/set-experiment-tag", {**one, "key": "k", "value": "v"}) == (200, {})
    assert send("POST", "experiments/delete-experiment-tag", {**one, "key": "k"}) == (200, {})
    assert refused(send("POST", "experiments/delete-experiment-tag", {**one, "key": "k"})) == MISSING
    assert send("POST", "experiments/delete", one) == (200, {})
    assert refused(send("POST", "experiments/delete", one)) == MISSING
    assert refused(send("POST", "experiments/update", {**one, "new_name": "z"})) == INVALID
    assert refused(send("POST", "runs/create", one)) == INVALID
    assert refused(send("POST", "experiments/create", {"name": "y"})) == (400, "RESOURCE_ALREADY_EXISTS")
    assert send("GET", "experiments/get-by-name?experiment_name=y")[1]["experiment"]["lifecycle_stage"] == "deleted"
    assert send("POST", "experiments/restore", one) == (200, {})
    assert refused(send("POST", "experiments/restore", one)) == MISSING


def test_the_default_experiment_is_there_for_who_may_write(send: Send, world: World) -> None:
    for query in ("get?experiment_id=0", "get-by-name?experiment_name=Default"):
        assert refused(send("GET", f"experiments/{query}", by=world.guest)) == MISSING
    assert send("GET", "experiments/get?experiment_id=0")[1]["experiment"]["name"] == "Default"
    for query in ("get?experiment_id=0", "get-by-name?experiment_name=Default"):
        assert send("GET", f"experiments/{query}", by=world.guest)[1]["experiment"]["experiment_id"] == "0"


def test_experiments_are_searched_in_pages(send: Send, world: World) -> None:
    for number in range(5):
        send("POST", "experiments/create", {"name": f"x{number}"})
    send("POST", "experiments/delete", {"experiment_id": "2"})
    body: dict[str, Any] = {"max_results": 2, "order_by": ["name DESC"], "view_type": "ALL"}
    seen: list[str] = []
    while True:
        status, answer = send("POST", "experiments/search", body, by=world.guest)
        assert status == 200, answer
        seen += [experiment["name"] for experiment in answer["experiments"]]
        if "next_page_token" not in answer:
            break
        body["page_token"] = answer["next_page_token"]
    assert seen == ["x4", "x3", "x2", "x1", "x0"]
    _, answer = send(
        "GET", "experiments/search?max_results=9&view_type=DELETED_ONLY&order_by=name&order_by=experiment_id"
    )
    assert [experiment["experiment_id"] for experiment in answer["experiments"]] == ["2"]
    assert send("GET", "experiments/search?max_results=9&filter=name%20=%20'nothing'") == (200, {})


WRONG: list[tuple[str, str, object, str]] = [
    ("POST", "experiments/create", {}, "Missing value for required parameter 'name'."),
    ("POST", "experiments/create", {"name": ""}, "Missing value for required parameter 'name'."),
    ("POST", "experiments/create", {"name": 5}, "Invalid value 5 for parameter 'name' supplied: "),
    ("POST", "experiments/create", {"name": "x", "tags": [{"key": "/a", "value": ""}]}, 'Invalid value "/a"'),
    ("POST", "experiments/create", {"name": "x", "artifact_location": "s3://x"}, "Invalid artifact_location"),
    ("GET", "experiments/get", None, "Missing value for required parameter 'experiment_id'."),
    ("GET", "experiments/get?experiment_id=", None, "Missing value for required parameter 'experiment_id'."),
    ("GET", "experiments/get?experiment_id=one", None, "Invalid experiment ID 'one'."),
    ("GET", "experiments/get-by-name", None, "Missing value for required parameter 'experiment_name'."),
    ("POST", "experiments/update", {"experiment_id": "1"}, "Missing value for required parameter 'new_name'."),
    ("POST", "experiments/search", {}, "Invalid value 0 for parameter 'max_results' supplied"),
    ("POST", "experiments/search", {"max_results": 50_001}, "Invalid value 50001 for parameter 'max_results'"),
    ("POST", "experiments/search", {"max_results": 1, "filter": "x"}, "Invalid attribute key 'x'"),
    ("POST", "experiments/search", {"max_results": 1, "order_by": ["x"]}, "Invalid attribute key 'x'"),
    ("POST", "experiments/search", {"max_results": 1, "view_type": "X"}, 'Invalid value "X" for parameter'),
    ("POST", "experiments/search", {"max_results": 1, "page_token": "x"}, "Invalid page token"),
    ("GET", "runs/get", None, "Missing value for required parameter 'run_id'."),
    ("POST", "runs/delete", {}, "Missing value for required parameter 'run_id'."),
    ("POST", "runs/delete-tag", {"run_id": "x"}, "Missing value for required parameter 'key'."),
    ("POST", "runs/search", {"experiment_ids": ["x"]}, "Invalid experiment ID 'x'."),
    ("POST", "runs/search", {"experiment_ids": "1"}, "Invalid value \"1\" for parameter 'experiment_ids'"),
    ("POST", "runs/search", {"max_results": 0}, "Invalid value 0 for parameter 'max_results' supplied"),
    ("POST", "runs/search", {"max_results": "x"}, "Invalid value \"x\" for parameter 'max_results' supplied"),
    ("POST", "runs/search", {"filter": "a = 1 AND"}, "Invalid attribute key 'a'"),
    ("POST", "runs/search", {"filter": "metrics.a = 1; DROP TABLE x"}, "Search filter contained multiple"),
    ("POST", "runs/search", {"order_by": ["metrics.a UP"]}, "Invalid ordering key in order_by clause"),
    ("POST", "runs/search", {"page_token": "é"}, "Invalid page token"),
    ("POST", "runs/log-inputs", {"run_id": "x", "datasets": [{}]}, "required parameter 'datasets[0].dataset'."),
    ("POST", "runs/outputs", {"run_id": "x"}, "Missing value for required parameter 'models'."),
    ("POST", "runs/log-model", {"run_id": "x"}, "Missing value for required parameter 'model_json'."),
    ("POST", "logged-models", {}, "Missing value for required parameter 'experiment_id'."),
    ("POST", "logged-models/search", {}, "Missing value for required parameter 'experiment_ids'."),
    ("PATCH", "logged-models/m-1", {"status": "DONE"}, "Invalid value \"DONE\" for parameter 'status' supplied"),
    (
        "POST",
        "logged-models/search",
        {"experiment_ids": ["1"], "datasets": [{}]},
        "`dataset_name` in the `datasets`",
    ),
    ("POST", "logged-models/search", {"experiment_ids": ["1"], "order_by": [{}]}, "`field_name` in the `order_by`"),
    (
        "POST",
        "logged-models/search",
        {"experiment_ids": ["1"], "order_by": [{"field_name": "name", "dataset_digest": "1"}]},
        "`dataset_digest` can only be specified if `dataset_name` is also specified.",
    ),
]


def test_a_wrong_request_is_told_what_is_wrong(send: Send) -> None:
    for method, endpoint, body, message in WRONG:
        answer = send(method, endpoint, body)
        assert refused(answer) == INVALID, (endpoint, body)
        assert message in answer[1]["message"]


def test_a_nul_is_refused_wherever_it_comes(send: Send, run_id: str) -> None:
    tag = {"run_id": run_id, "key": "k"}
    for endpoint, body in (
        ("runs/set-tag", {**tag, "value": "a\0b"}),
        ("runs/set-tag", {**tag, "value": "\\\0"}),
        ("runs/set-tag", json.dumps({**tag, "value": "\0"})),
        ("runs/set-tag", {"run_id": "\0", "key": "k"}),
        ("runs/create", {"experiment_id": "1", "user_id": "\0"}),
        ("runs/log-batch", {"run_id": run_id, "params": [{"key": "p", "value": "\0"}]}),
        ("experiments/create", {"name": "\0"}),
    ):
        answer = send("POST", endpoint, body)
        assert refused(answer) == INVALID, body
        assert "NUL" in answer[1]["message"]
    for query in ("runs/get?run_id=%00", "metrics/get-history?metric_key=%00&run_id=x"):
        assert refused(send("GET", query)) == INVALID
    assert send("POST", "runs/set-tag", {**tag, "value": "\\u0000"}) == (200, {})
    assert {"key": "k", "value": "\\u0000"} in send("GET", f"runs/get?run_id={run_id}")[1]["run"]["data"]["tags"]


def test_a_run_has_mlflows_shape(send: Send, run_id: str) -> None:
    metrics: list[dict[str, object]] = [{"key": "m", "value": 1.5, "timestamp": 7, "step": 3}]
    metrics += [{"key": "nan", "value": "NaN", "timestamp": 7, "step": 0}]
    metrics += [{"key": "inf", "value": "-Infinity", "timestamp": 7, "step": 0}]
    send("POST", "runs/log-batch", {"run_id": run_id, "metrics": metrics, "params": [{"key": "p", "value": "1"}]})
    dataset = {"name": "iris", "digest": "1", "source_type": "local", "source": "{}"}
    context = [{"key": "mlflow.data.context", "value": "train"}]
    inputs = {"run_id": run_id, "datasets": [{"dataset": dataset, "tags": context}]}
    assert send("POST", "runs/log-inputs", inputs) == (200, {})
    status, answer = send("GET", f"runs/get?run_uuid={run_id}")
    assert status == 200
    run = answer["run"]
    assert run["info"] == {
        "run_id": run_id,
        "run_uuid": run_id,
        "run_name": "brave",
        "experiment_id": "1",
        "user_id": "",
        "status": "RUNNING",
        "start_time": 1,
        "artifact_uri": f"mlflow-artifacts:/1/{run_id}/artifacts",
        "lifecycle_stage": "active",
    }
    assert {item["key"]: item for item in run["data"]["metrics"]} == {item["key"]: item for item in metrics}
    assert run["data"]["params"] == [{"key": "p", "value": "1"}]
    assert run["data"]["tags"] == [{"key": "mlflow.runName", "value": "brave"}]
    assert run["inputs"] == {"dataset_inputs": [{"dataset": dataset, "tags": context}]}
    assert "outputs" not in run
    assert send("POST", "runs/search", {"experiment_ids": ["1"]})[1] == {"runs": [run]}


def test_runs_are_searched_by_who_may_only_read(send: Send, world: World, run_id: str) -> None:
    other = send("POST", "runs/create", {"experiment_id": "1", "start_time": 2})[1]["run"]["info"]["run_id"]
    metric = {"key": "loss", "value": 1, "timestamp": 1}
    for run, value in ((run_id, 2), (other, 1)):
        assert send("POST", "runs/log-metric", {**metric, "run_id": run, "value": value}) == (200, {})

    def found(**body: object) -> list[str]:
        status, answer = send("POST", "runs/search", {"experiment_ids": [1], **body}, by=world.guest)
        assert status == 200, answer
        return [run["info"]["run_id"] for run in answer.get("runs", [])]

    assert found() == [other, run_id]
    assert found(order_by=["metrics.loss DESC"]) == [run_id, other]
    assert found(filter="metrics.loss > 1 OR (start_time = 2 AND NOT status = 'FAILED')") == [other, run_id]
    assert found(filter="metrics.loss > 1") == [run_id]
    assert send("POST", "runs/delete", {"run_id": run_id}) == (200, {})
    assert found() == [other]
    assert found(run_view_type="DELETED_ONLY") == [run_id]
    assert refused(send("POST", "runs/log-metric", {"run_id": run_id, **metric})) == INVALID
    assert send("POST", "runs/restore", {"run_id": run_id}) == (200, {})
    assert found(run_view_type=3, max_results=1) == [other]
    assert found(experiment_ids=[]) == found(experiment_ids=["99"]) == []


def test_a_token_that_only_logs_finds_nobody_by_guessing(
    send: Send, live: LiveServer, world: World, run_id: str
) -> None:
    actor = world.developer.actor
    with live.installation.database.write() as session:
        made = create_personal_token(session, actor, live.installation.key, name="log", scopes=[Scope.LOG_CANDIDATES])
    logger = Somebody(actor, made.secret)
    one: dict[str, Any] = {"experiment_ids": ["1"]}
    assert send("POST", "runs/search", one, by=logger)[1]["runs"][0]["info"]["run_id"] == run_id
    for guess in ({"filter": "author LIKE 'd%'"}, {"order_by": ["metrics.a", "attribute.author DESC"]}):
        assert send("POST", "runs/search", one | guess)[1]["runs"][0]["info"]["run_id"] == run_id
        answer = send("POST", "runs/search", one | guess, by=logger)
        assert refused(answer) == INVALID
        assert "may search by author" in answer[1]["message"]


def test_a_tag_of_a_run_is_removed_once(send: Send, run_id: str) -> None:
    send("POST", "runs/set-tag", {"run_id": run_id, "key": "k", "value": "v"})
    assert send("POST", "runs/delete-tag", {"run_id": run_id, "key": "k"}) == (200, {})
    answer = send("POST", "runs/delete-tag", {"run_id": run_id, "key": "k"})
    assert refused(answer) == MISSING
    assert answer[1]["message"] == f"No tag with name: k in run with id {run_id}"


def test_a_logged_model_lives_its_life(send: Send, run_id: str) -> None:
    body = {
        "experiment_id": "1",
        "name": "net",
        "model_type": "classifier",
        "source_run_id": run_id,
        "params": [{"key": "a", "value": "x" * 7000}],
        "tags": [{"key": "t", "value": "1"}],
    }
    status, answer = send("POST", "logged-models", body)
    assert status == 200, answer
    info = answer["model"]["info"]
    model_id = info["model_id"]
    assert (info["status"], info["source_run_id"]) == ("LOGGED_MODEL_PENDING", run_id)
    assert info["artifact_uri"] == f"mlflow-artifacts:/1/models/{model_id}/artifacts"
    assert answer["model"]["data"]["params"] == [{"key": "a", "value": "x" * 6000}]
    one = f"logged-models/{model_id}"
    assert send("POST", f"{one}/params", {"params": [{"key": "b", "value": "2"}]}) == (200, {})
    assert send("PATCH", f"{one}/tags", {"tags": [{"key": "a/b", "value": "2"}]}) == (200, {})
    assert send("DELETE", f"{one}/tags/a/b", {}) == (200, {})
    assert refused(send("DELETE", f"{one}/tags/a/b", {})) == MISSING
    _, answer = send("PATCH", one, {"model_id": model_id, "status": "LOGGED_MODEL_READY"})
    assert answer["model"]["info"]["status"] == "LOGGED_MODEL_READY"
    metric = {"key": "acc", "value": 0.5, "timestamp": 9, "step": 2}
    on = {"model_id": model_id, "dataset_name": "iris", "dataset_digest": "1"}
    assert send("POST", "runs/log-metric", {"run_id": run_id, **metric, **on}) == (200, {})
    outputs = {"run_id": run_id, "models": [{"model_id": model_id, "step": 4}]}
    assert send("POST", "runs/outputs", outputs) == (200, {})
    inputs = {"run_id": run_id, "models": [{"model_id": model_id}]}
    assert send("POST", "runs/log-inputs", inputs) == (200, {})
    run = send("GET", f"runs/get?run_id={run_id}")[1]["run"]
    assert run["outputs"] == {"model_outputs": [{"model_id": model_id, "step": 4}]}
    assert run["inputs"] == {"model_inputs": [{"model_id": model_id}]}
    search = {"experiment_ids": ["1"], "filter": "metrics.acc > 0.4", "order_by": [{"field_name": "metrics.acc"}]}
    (found,) = send("POST", "logged-models/search", search)[1]["models"]
    assert found == send("GET", one)[1]["model"]
    assert found["data"]["metrics"] == [{**metric, **on, "run_id": run_id}]
    assert send("DELETE", one, {"model_id": model_id}) == (200, {})
    assert refused(send("GET", one)) == MISSING
    assert send("GET", f"{one}?allow_deleted=true")[0] == 200


def test_datasets_of_experiments_are_summarized(send: Send, run_id: str) -> None:
    dataset = {"name": "iris", "digest": "1", "source_type": "local", "source": "{}"}
    context = [{"key": "mlflow.data.context", "value": "train"}]
    send("POST", "runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": dataset, "tags": context}]})
    summary = {"experiment_id": "1", "name": "iris", "digest": "1", "context": "train"}
    assert send("POST", "experiments/search-datasets", {"experiment_ids": ["1"]}) == (
        200,
        {"dataset_summaries": [summary]},
    )
    assert refused(send("POST", "experiments/search-datasets", {"experiment_ids": ["1"] * 21})) == INVALID


WRITES: list[tuple[str, str, dict[str, object]]] = [
    ("POST", "experiments/create", {"name": "y"}),
    ("POST", "experiments/update", {"experiment_id": "1", "new_name": "y"}),
    ("POST", "experiments/delete", {"experiment_id": "1"}),
    ("POST", "experiments/restore", {"experiment_id": "1"}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "1", "key": "k", "value": "v"}),
    ("POST", "experiments/delete-experiment-tag", {"experiment_id": "1", "key": "k"}),
    ("POST", "runs/delete", {"run_id": "RUN"}),
    ("POST", "runs/restore", {"run_id": "RUN"}),
    ("POST", "runs/delete-tag", {"run_id": "RUN", "key": "mlflow.runName"}),
    ("POST", "runs/log-inputs", {"run_id": "RUN"}),
    ("POST", "runs/outputs", {"run_id": "RUN", "models": [{"model_id": "m"}]}),
    ("POST", "runs/log-model", {"run_id": "RUN", "model_json": "{}"}),
    ("POST", "logged-models", {"experiment_id": "1"}),
]
READS: list[tuple[str, str, dict[str, object]]] = [
    ("GET", "experiments/get?experiment_id=1", {}),
    ("GET", "experiments/get-by-name?experiment_name=x", {}),
    ("POST", "experiments/search", {"max_results": 1}),
    ("POST", "experiments/search-datasets", {"experiment_ids": ["1"]}),
    ("GET", "runs/get?run_id=RUN", {}),
    ("POST", "runs/search", {"experiment_ids": ["1"]}),
    ("POST", "logged-models/search", {"experiment_ids": ["1"]}),
]


def test_who_may_what(send: Send, world: World, run_id: str) -> None:
    for method, endpoint, body in WRITES + READS:
        named = {key: run_id if value == "RUN" else value for key, value in body.items()}
        where = endpoint.replace("RUN", run_id)
        assert refused(send(method, where, named, by=world.stranger)) == MISSING
        assert refused(send(method, where, named, by=None)) == (401, "UNAUTHENTICATED")
        status, answer = send(method, where, named, by=world.guest)
        if (method, endpoint, body) in WRITES:
            assert refused((status, answer)) == (403, "PERMISSION_DENIED"), endpoint
        else:
            assert status == 200, endpoint


def test_the_address_of_a_page_is_no_tracking_uri(live: LiveServer, world: World) -> None:
    """Nobody learns from the answer which project there is."""
    told = set()
    for page in (world.project_path, "no/such", f"{world.project_path}/-/ml/experiments/1"):
        for method, call in (
            ("GET", "2.0/mlflow/experiments/get-by-name?experiment_name=x"),
            ("POST", "2.0/mlflow/runs/create"),
            ("PUT", "2.0/mlflow-artifacts/artifacts/1/x"),
        ):
            data = None if method == "GET" else b"{}"
            request = urllib.request.Request(f"{live.url}/{page}/api/{call}", data, method=method)
            with pytest.raises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(request)
            answer = json.load(raised.value)
            assert refused((raised.value.code, answer)) == INVALID
            told.add(answer["message"])
    assert len(told) == 1
    assert "ends in /api/v4/projects/ID/ml/mlflow." in told.pop()


def test_a_file_may_be_named_like_an_api_call(live: LiveServer, world: World) -> None:
    path = f"/{world.project_path}/-/ml/candidates/1/artifacts/api/2.0/mlflow/x"
    with urllib.request.urlopen(live.url + path) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")

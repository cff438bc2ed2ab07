"""The few calls of MLflow's REST protocol that prepare a workload, and the bodies its load is made of."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode

from benchmarks.samples import Unmeasurable
from benchmarks.servers import Server

API = "/api/2.0/mlflow/"
# Places the load driver overwrites before each sending. The digit before a sequence keeps it free of leading zeros.
SEQUENCE = "<<sequence:7>>"
RANDOM_VALUE = "0.<<random:16>>"
ANY_RUN = "<<item:32>>"
FIRST_MS = "17"  # with a sequence of seven digits and four more: milliseconds since 1970, in 2023 and after


def path_of(server: Server, route: str) -> str:
    """A route of the tracking API on this server, such as `runs/create`."""
    return server.base_path + API + route


def headers(server: Server) -> dict[str, str]:
    """What the MLflow client sends with each call."""
    sent = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "mlflow-python-client/3.17.2"}
    return sent | ({"Authorization": f"Bearer {server.token}"} if server.token else {})


def call(server: Server, method: str, route: str, **fields: object) -> dict[str, Any]:
    """One call, its answer decoded; fails with the server's words when that is not a 200."""
    path, body = path_of(server, route), None
    if method == "GET":
        path += "?" + urlencode(fields)
    else:
        body = json.dumps(fields)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        connection.request(method, path, body, headers(server))
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        text = answer.decode(errors="replace")
        raise Unmeasurable(f"{server.name} answered {response.status} to {method} {route}: {text}")
    found: dict[str, Any] = json.loads(answer)
    return found


def create_experiment(server: Server, name: str) -> str:
    """Its id."""
    return str(call(server, "POST", "experiments/create", name=name)["experiment_id"])


def create_run(server: Server, experiment_id: str) -> str:
    """Its id."""
    answer = call(server, "POST", "runs/create", experiment_id=experiment_id, start_time=1_700_000_000_000, tags=[])
    return str(answer["run"]["info"]["run_id"])


def create_runs(server: Server, experiment_name: str, count: int) -> list[str]:
    """The ids of new runs in a new experiment."""
    experiment_id = create_experiment(server, experiment_name)
    return [create_run(server, experiment_id) for _ in range(count)]


def create_run_body(experiment_id: str) -> str:
    """What the MLflow client sends to start a run from a script."""
    name = f"run-{SEQUENCE}"
    tags = {
        "mlflow.user": "ada",
        "mlflow.source.name": "train.py",
        "mlflow.source.type": "LOCAL",
        "mlflow.runName": name,
    }
    fields = {"experiment_id": experiment_id, "user_id": "ada", "run_name": name, "start_time": 0, "tags": _pairs(tags)}
    return json.dumps(fields).replace('"start_time": 0', f'"start_time": {FIRST_MS}{SEQUENCE}0000')


def _pairs(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def metric(key: str, timestamp: str, step: str, value: str = RANDOM_VALUE) -> str:
    """One metric as JSON; timestamp, step and value may hold places for the driver."""
    return f'{{"key": "{key}", "value": {value}, "timestamp": {timestamp}, "step": {step}}}'


def batch_body(run_id: str, metrics: list[str], params: dict[str, str] | None = None) -> str:
    """A log-batch of these metrics and parameters."""
    pairs = json.dumps(_pairs(params or {}))
    return f'{{"run_id": "{run_id}", "metrics": [{", ".join(metrics)}], "params": {pairs}, "tags": []}}'


def series_batch_body(run_id: str, keys: list[str], steps: int) -> str:
    """A log-batch of `steps` consecutive steps of each key, each batch beginning after the one before."""
    width = len(str(steps - 1))
    return batch_body(
        run_id,
        [
            metric(key, f"{FIRST_MS}{SEQUENCE}{step:04d}", f"1{SEQUENCE}{step:0{width}d}")
            for step in range(steps)
            for key in keys
        ],
    )

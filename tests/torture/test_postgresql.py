"""PostgreSQL stopped and started, gently and not, under a server at work."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ServerProcess, command
from tests.torture.conftest import Cluster
from tests.torture.truth import compare
from tests.torture.writers import Client, start_writers, stop_writers

pytestmark = [pytest.mark.full, pytest.mark.timeout(400)]


@pytest.fixture
def engine() -> str:
    """Not used: these tests bring their own PostgreSQL."""
    return "sqlite"


@pytest.fixture
def on_cluster(cluster: Cluster, tmp_path: Path) -> Iterator[ServerProcess]:
    """A running server on a PostgreSQL of its own."""
    made = ServerProcess({"data": tmp_path / "data", "database_url": cluster.url}, tmp_path / "log")
    made.start()
    yield made
    made.clean_up()


def test_while_the_database_is_away_writes_are_refused_and_may_be_repeated(
    on_cluster: ServerProcess, cluster: Cluster
) -> None:
    made = on_cluster.bootstrap()
    client = Client(made["tracking_uri"], made["token"])
    _, answer = client.ask("POST", "mlflow/runs/create", {"experiment_id": "0"})
    run_id = answer["run"]["info"]["run_id"]
    point = {"run_id": run_id, "key": "loss", "value": 1, "timestamp": 1, "step": 1}
    assert client.ask("POST", "mlflow/runs/log-metric", point)[0] == 200
    cluster.stop("fast")
    time.sleep(3)  # what was known of the token is forgotten
    for endpoint, body in (
        ("log-metric", point),
        ("log-batch", {"run_id": run_id, "params": [{"key": "a", "value": "b"}]}),
        ("create", {"experiment_id": "0"}),
        ("update", {"run_id": run_id, "status": "FINISHED"}),
        ("delete", {"run_id": run_id}),
    ):
        status, refusal = client.ask("POST", f"mlflow/runs/{endpoint}", body)
        assert (status, refusal["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED"), (endpoint, refusal)
        assert "away" in refusal["message"]
    assert on_cluster.status("/readyz") == 503
    assert on_cluster.status("/healthz") == 200
    assert on_cluster.status("/metrics") == 200
    cluster.start()
    started = time.monotonic()
    while client.ask("POST", "mlflow/runs/log-metric", {**point, "step": 2})[0] != 200:
        assert time.monotonic() - started < 10
        time.sleep(0.05)
    sys.stdout.write(f"writes again after {time.monotonic() - started:.2f} s\n")
    _, history = client.ask("GET", f"mlflow/metrics/get-history?run_id={run_id}&metric_key=loss")
    assert [int(it["step"]) for it in history["metrics"]] == [1, 2]
    client.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restarts_under_writers_lose_nothing(on_cluster: ServerProcess, cluster: Cluster, mode: str) -> None:
    made = on_cluster.bootstrap()
    writers = start_writers(made["tracking_uri"], made["token"], 16, seed=5)
    for _ in range(6):
        time.sleep(2)
        cluster.stop(mode)
        time.sleep(0.5)
        cluster.start()
    time.sleep(2)
    written = stop_writers(writers)
    client = Client(made["tracking_uri"], made["token"])
    verdict = compare(client, written)
    sys.stdout.write(f"6 restarts ({mode}): {verdict}; {written.refusals} refusals\n")
    assert verdict.faults == []
    assert verdict.batches > 20
    assert written.refusals > 0
    client.close()
    assert on_cluster.stop() == 0
    checked = command("doctor", "--deep", "--sample", "5000", settings=on_cluster.settings)
    assert checked.returncode == 0, checked.stdout

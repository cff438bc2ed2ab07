"""Restarts that nobody notices: no request is lost, none is done twice, a training script goes on."""

import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ServerProcess, command
from tests.torture.truth import compare
from tests.torture.writers import Client, start_writers, stop_writers

RESTARTS = 15

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def test_restarts_lose_no_request(server: ServerProcess) -> None:
    """Whatever a client had sent was answered; only connections that were not let in are refused."""
    server.start()
    made = server.bootstrap()
    lost: list[str] = []
    stopping = threading.Event()

    def come_and_go() -> None:
        """A new connection for each request, as the worst of clients."""
        while not stopping.is_set():
            request = urllib.request.Request(
                f"{made['tracking_uri']}/api/2.0/mlflow/runs/create",
                b'{"experiment_id": "0"}',
                {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/json"},
            )
            try:
                urllib.request.urlopen(request, timeout=30).close()
            except OSError as error:
                if not isinstance(getattr(error, "reason", error), ConnectionRefusedError):
                    lost.append(repr(error))
                time.sleep(0.02)

    visitors = [threading.Thread(target=come_and_go, daemon=True) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    for _ in range(RESTARTS):
        time.sleep(0.7)
        assert server.stop() == 0
        server.start()
    stopping.set()
    for visitor in visitors:
        visitor.join(40)
    sys.stdout.write(f"{RESTARTS} restarts, lost: {lost}\n")
    assert lost == []


def test_restarts_under_writers_leave_nothing_unknown(server: ServerProcess) -> None:
    server.start()
    made = server.bootstrap()
    writers = start_writers(made["tracking_uri"], made["token"], 12, seed=11)
    for _ in range(RESTARTS):
        time.sleep(0.7)
        assert server.stop() == 0
        server.start()
    written = stop_writers(writers)
    client = Client(made["tracking_uri"], made["token"])
    verdict = compare(client, written)
    sys.stdout.write(f"{RESTARTS} restarts: {verdict}; {len(written.unknown_runs)} runs of unknown fate\n")
    client.close()
    assert verdict.faults == []
    assert (verdict.unknown, len(written.unknown_runs)) == (0, 0)


SCRIPT = """
import sys, time, mlflow
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    ends = time.monotonic() + float(sys.argv[1])
    step = 0
    while time.monotonic() < ends:
        mlflow.log_metrics({"loss": 1 / (step + 1), "step": step}, step=step)
        if step % 20 == 0:
            mlflow.log_text(str(step), f"notes/{step}.txt")
            with mlflow.start_run(nested=True):
                mlflow.log_param("step", step)
        step += 1
        time.sleep(0.02)
print(run.info.run_id, step)
"""


def test_a_training_script_does_not_notice_restarts(server: ServerProcess, tmp_path: Path) -> None:
    server.start()
    made = server.bootstrap()
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    training = subprocess.Popen(
        [sys.executable, str(script), "25"],
        env={**environment_of(made), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    restarts = 0
    while training.poll() is None and restarts < 8:
        time.sleep(4)
        assert server.stop() == 0
        server.start()
        restarts += 1
    said, wrong = training.communicate(timeout=200)
    assert training.returncode == 0, wrong
    run_id, steps = said.split()[-2:]
    client = Client(made["tracking_uri"], made["token"])
    seen = 0
    token = ""
    while True:
        address = f"mlflow/metrics/get-history?run_id={run_id}&metric_key=loss&max_results=1000&page_token={token}"
        _, history = client.ask("GET", address)
        seen += len(history["metrics"])
        token = history.get("next_page_token", "")
        if not token:
            break
    client.close()
    assert restarts >= 3
    assert seen == int(steps)
    _, found = client.ask("POST", "mlflow/runs/search", {"experiment_ids": ["0"], "max_results": 5000})
    client.close()
    assert len(found["runs"]) == 1 + len(range(0, int(steps), 20)), "A nested run is missing, or there is a ghost."
    assert command("doctor", "--deep", settings=server.settings).returncode == 0


def environment_of(made: dict[str, Any]) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": str(made["tracking_uri"]),
        "MLFLOW_TRACKING_TOKEN": str(made["token"]),
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }

"""A disk that fills up: reads go on, writes are refused with a sentence, and room that is made is used at once."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ServerProcess, command
from tests.torture.truth import compare
from tests.torture.writers import Client, start_writers, stop_writers

MEBIBYTE = 1024 * 1024
SIZE = 32 * MEBIBYTE
BALLAST = 12 * MEBIBYTE

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 32 MiB, part of which a ballast file takes."""
    if os.geteuid() != 0:
        pytest.skip("Only root can mount a file system.")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], check=True)
    (place / "ballast").write_bytes(b"x" * BALLAST)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def server_on(place: Path, log: Path, **settings: object) -> ServerProcess:
    return ServerProcess({"data": place / "data", **settings}, log)


def fill(client: Client, run_id: str) -> tuple[int, Any]:
    """Log until the first refusal; how many batches were answered, and the refusal."""
    number = 0
    while True:
        metrics = [{"key": f"m{it}", "value": it, "timestamp": number, "step": number} for it in range(1000)]
        status, answer = client.ask("POST", "mlflow/runs/log-batch", {"run_id": run_id, "metrics": metrics})
        if status != 200:
            return number, (status, answer)
        number += 1
        assert number < 20_000, "The disk does not fill."


# `reserve`: with one, the server stops in time; without, SQLite meets the end of the disk itself.
@pytest.mark.parametrize("reserve", [6 * MEBIBYTE, 0])
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_full_disk_refuses_writes_and_nothing_else(
    small_disk: Path, tmp_path: Path, reserve: int, durability: str
) -> None:
    server = server_on(small_disk, tmp_path / "log", disk_reserve_bytes=reserve, durability=durability)
    server.start()
    try:
        made = server.bootstrap()
        client = Client(made["tracking_uri"], made["token"])
        _, answer = client.ask("POST", "mlflow/runs/create", {"experiment_id": "0"})
        run_id = answer["run"]["info"]["run_id"]
        before, (status, refusal) = fill(client, run_id)
        assert (status, refusal["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
        assert "disk" in refusal["message"]
        assert "operator" in refusal["message"]
        assert before > 10

        for _ in range(20):
            create = client.ask("POST", "mlflow/runs/create", {"experiment_id": "0"})
            assert create[0] in {200, 429}, create
            status, history = client.ask("GET", f"mlflow/metrics/get-history?run_id={run_id}&metric_key=m7")
            assert status == 200
            assert len(history["metrics"]) >= before
            assert client.ask("GET", f"mlflow/runs/get?run_id={run_id}")[0] == 200
            address = f"mlflow-artifacts/artifacts/0/{run_id}/artifacts/large.bin"
            assert client.ask("PUT", address, b"x" * 8 * MEBIBYTE)[0] == 429
        assert server.status("/healthz") == 200
        if reserve:
            assert server.status("/readyz") == 503

        (small_disk / "ballast").unlink()
        deadline = time.monotonic() + 10
        while client.ask("POST", "mlflow/runs/log-metric", one_point(run_id))[0] != 200:
            assert time.monotonic() < deadline, "Room was made and is not used."
            time.sleep(0.1)
        status, history = client.ask("GET", f"mlflow/metrics/get-history?run_id={run_id}&metric_key=m7")
        assert sorted(int(point["step"]) for point in history["metrics"])[:before] == list(range(before))
        client.close()
        assert server.stop() == 0
    finally:
        server.clean_up()
    checked = command("doctor", "--deep", settings=server.settings)
    assert checked.returncode == 0, checked.stdout


def one_point(run_id: str) -> dict[str, object]:
    return {"run_id": run_id, "key": "after", "value": 1, "timestamp": 1, "step": 1}


def test_writers_on_a_disk_that_is_full_again_and_again_lose_nothing(small_disk: Path, tmp_path: Path) -> None:
    server = server_on(small_disk, tmp_path / "log", disk_reserve_bytes=0)
    server.start()
    try:
        made = server.bootstrap()
        writers = start_writers(made["tracking_uri"], made["token"], 8, seed=3)
        for _ in range(8):
            time.sleep(0.7)
            with (small_disk / "filler").open("wb") as filler:
                try:
                    while True:
                        filler.write(b"x" * 65536)
                        filler.flush()
                except OSError:
                    pass
            time.sleep(0.7)
            (small_disk / "filler").unlink()
            if shutil.disk_usage(small_disk).free < 8 * MEBIBYTE:
                (small_disk / "ballast").unlink(missing_ok=True)
        time.sleep(1)
        written = stop_writers(writers)
        client = Client(made["tracking_uri"], made["token"])
        verdict = compare(client, written)
        assert verdict.faults == []
        assert written.refusals > 0, "The disk was never full."
        assert verdict.batches > 20
        client.close()
        assert server.stop() == 0
    finally:
        server.clean_up()
    checked = command("doctor", "--deep", settings=server.settings)
    assert checked.returncode == 0, checked.stdout

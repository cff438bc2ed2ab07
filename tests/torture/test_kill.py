"""A server is killed at random instants under sixteen writers: what it answered is there, whole and once."""

import random
import subprocess
import sys
import threading
import time

import pytest

from tests.processes import ServerProcess, command, environment
from tests.torture.truth import compare
from tests.torture.writers import Client, start_writers, stop_writers

WRITERS = 16


class Compactor(threading.Thread):
    """Folds metrics from another process all the time, and has some of its processes killed."""

    def __init__(self, settings: dict[str, object], seed: int) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self._random = random.Random(seed)  # noqa: S311  # reproducible on purpose
        self.stopping = threading.Event()
        self.folded = 0

    def run(self) -> None:
        while not self.stopping.is_set():
            process = subprocess.Popen(
                [sys.executable, "-m", "modelyard", "admin", "compact"],
                env=environment(self._settings),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                self.folded += process.wait(self._random.uniform(1, 6)) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def torture(server: ServerProcess, *, kills: int, seed: int) -> None:
    """Kill and start again; then compare."""
    chance = random.Random(seed)  # noqa: S311  # reproducible on purpose
    server.start()
    made = server.bootstrap()
    writers = start_writers(made["tracking_uri"], made["token"], WRITERS, seed=seed)
    compactor = Compactor(server.settings, seed)
    compactor.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0.1, 1.5))
        server.kill()
        server.start()
    time.sleep(1)
    written = stop_writers(writers)
    compactor.stopping.set()
    compactor.join(30)
    client = Client(made["tracking_uri"], made["token"])
    verdict = compare(client, written)
    sys.stdout.write(f"{kills} kills, seed {seed}: {verdict}; {compactor.folded} compactions\n")
    assert verdict.faults == []
    assert verdict.batches > kills, "There was no load."
    client.close()
    assert server.stop() == 0
    checked = command("doctor", "--deep", "--sample", "5000", settings=server.settings)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.timeout(120)
def test_a_few_kills(server: ServerProcess) -> None:
    torture(server, kills=3, seed=1)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_many_kills(server: ServerProcess) -> None:
    torture(server, kills=40, seed=int(time.time()))


@pytest.mark.full
@pytest.mark.timeout(600)
def test_kills_with_durability_normal(server: ServerProcess) -> None:
    """A crash of the process loses nothing there either; only the machine's would."""
    server.settings["durability"] = "normal"
    torture(server, kills=20, seed=int(time.time()))

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import processes, servers
from benchmarks.contenders import Contender, Product
from benchmarks.servers import Server

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmark measures through /proc")

# A supervisor with one worker that counts as fast as it can and holds 20 MB.
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
WORKER = "held = bytearray(20_000_000)\nwhile True: pass"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[processes.Leader]:
    command = [sys.executable, "-c", PARENT, WORKER]
    found = processes.start(command, environment=os.environ, directory=tmp_path)
    try:
        _wait_for(lambda: len(processes.session_of(found.pid)) == 2 and processes.pss_bytes(found.pid) > 20_000_000)
        yield found
    finally:
        processes.stop(found, patience_seconds=1)


@pytest.fixture
def leader(process: processes.Leader) -> int:
    return process.pid


def _wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that within ten seconds"
        time.sleep(0.02)


def _states(leader: int) -> set[str]:
    return {stat.state for stat in processes.session_of(leader)}


def test_memory_and_processor_time_are_those_of_the_whole_session(leader: int) -> None:
    assert processes.pss_bytes(leader) > 20_000_000
    before = processes.cpu_seconds(leader)
    _wait_for(lambda: processes.cpu_seconds(leader) > before + 0.05)


def test_a_paused_session_consumes_nothing_and_goes_on_afterwards(leader: int) -> None:
    with processes.paused([leader]):
        _wait_for(lambda: _states(leader) == {"T"})
        before = processes.cpu_seconds(leader)
        time.sleep(0.1)
        assert processes.cpu_seconds(leader) == before
    _wait_for(lambda: processes.cpu_seconds(leader) > before)


def test_stopping_ends_workers_that_outlive_their_supervisor(process: processes.Leader) -> None:
    processes.stop(process, patience_seconds=0.2)
    assert processes.session_of(process.pid) == []
    assert process.returncode is not None


def test_used_bytes_leave_out_pages_that_are_free_again(tmp_path: Path) -> None:
    server = Server(Contender("peer", Product.MLFLOW), tmp_path)
    (tmp_path / "notes.txt").write_text("no database")
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE points (value BLOB)")
        connection.commit()
        empty = servers.used_bytes(server)
        connection.executemany("INSERT INTO points VALUES (?)", [(b"x" * 1000,)] * 500)
        connection.commit()
        assert servers.used_bytes(server) - empty > 500_000
        connection.execute("DELETE FROM points")
        connection.commit()
    assert (tmp_path / "mlflow.db").stat().st_size > 500_000
    assert servers.used_bytes(server) == empty

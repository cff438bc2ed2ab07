"""`modelyard serve` and `worker` as processes: how they start, refuse to start, and stop."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from modelyard.domains.accounts.events import UserBlocked
from modelyard.platform.database import open_database
from modelyard.platform.errors import Unavailable
from modelyard.platform.events import EventRow, publish
from modelyard.platform.listening import listen
from modelyard.platform.lock import DataLock, is_locked
from modelyard.platform.settings import Settings
from tests.conftest import free_port
from tests.processes import ServerProcess, command, environment


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server on the installation of `settings`, not started yet."""
    made = ServerProcess({"data": settings.data, "database_url": settings.database_url}, tmp_path / "log")
    yield made
    made.clean_up()


def create_run(made: dict[str, str]) -> str:
    request = urllib.request.Request(
        f"{made['tracking_uri']}/api/2.0/mlflow/runs/create",
        b'{"experiment_id": "0"}',
        {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(json.load(response)["run"]["info"]["run_id"])


def test_it_says_where_it_is_and_how_the_first_one_gets_in(server: ServerProcess) -> None:
    server.start()
    assert f"Modelyard is at {server.url}\n" in server.log.read_text()
    # It listens before its pages are loaded, and tells of a page only after that.
    deadline = time.monotonic() + 30
    while f"{server.url}/-/first_administrator?token=myd_lnk_" not in server.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.status("/healthz") == 200


def test_a_signal_ends_it_gently_and_leaves_everything_in_order(server: ServerProcess, settings: Settings) -> None:
    server.start()
    made = server.bootstrap()
    run_ids = {create_run(made) for _ in range(5)}
    assert len(run_ids) == 5
    assert server.stop() == 0
    assert server.status("/healthz") == 0
    assert not is_locked(settings.data)
    if not settings.is_postgresql:
        assert not (settings.data / "modelyard.sqlite3-wal").exists()
    assert command("doctor", settings=server.settings).returncode == 0
    assert "Traceback" not in server.log.read_text()


def test_an_interrupt_from_the_terminal_ends_it_gently_too(server: ServerProcess) -> None:
    server.start()
    server.running.send_signal(signal.SIGINT)
    assert server.running.wait(30) == 0


def test_a_second_signal_ends_it_at_once(server: ServerProcess) -> None:
    server.start()
    with urllib.request.urlopen(server.url + "/healthz") as kept:
        assert kept.status == 200
        server.running.send_signal(signal.SIGTERM)
        server.running.send_signal(signal.SIGTERM)
        started = time.monotonic()
        status = server.running.wait(30)
    assert status in {128 + signal.SIGTERM, 0}
    assert time.monotonic() - started < 5


def test_what_was_there_is_there_after_a_restart(server: ServerProcess) -> None:
    server.start()
    made = server.bootstrap()
    run_id = create_run(made)
    assert server.stop() == 0
    server.start()
    request = urllib.request.Request(
        f"{made['tracking_uri']}/api/2.0/mlflow/runs/get?run_id={run_id}",
        headers={"Authorization": f"Bearer {made['token']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.load(response)["run"]["info"]["run_id"] == run_id


def test_no_request_is_lost_to_a_stop(server: ServerProcess) -> None:
    """Clients at work see answers or refused connections, which are safe to try again, and nothing in between."""
    server.start()
    made = server.bootstrap()
    answered: list[str] = []
    broken: list[str] = []

    def keep_creating() -> None:
        while True:
            try:
                answered.append(create_run(made))
            except OSError as error:
                reason = getattr(error, "reason", error)
                if not isinstance(reason, ConnectionRefusedError):
                    broken.append(repr(error))
                return

    clients = [threading.Thread(target=keep_creating) for _ in range(8)]
    for client in clients:
        client.start()
    time.sleep(1)
    assert server.stop() == 0
    for client in clients:
        client.join()
    assert broken == []
    assert len(answered) > 8
    server.start()
    assert len(set(answered)) == len(answered)
    assert command("doctor", settings=server.settings).returncode == 0


class TestAddress:
    """The same on both engines."""

    @pytest.fixture
    def engine(self) -> str:
        return "sqlite"

    def test_a_port_that_is_taken_is_one_sentence(self, server: ServerProcess, tmp_path: Path) -> None:
        server.start()
        ended = command("serve", settings={"data": tmp_path / "other", "port": server.port})
        sentence = (
            f"Another program listens on port {server.port} of 127.0.0.1 already."
            " Choose another port with --port or MODELYARD_PORT, or stop that program.\n"
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", sentence)
        assert server.status("/readyz") == 200

    @pytest.mark.parametrize(
        ("host", "port", "reason"),
        [
            ("192.0.2.1", 8000, "cannot listen on port 8000 of 192.0.2.1: Cannot assign requested address."),
            ("nowhere.invalid", 8000, "cannot listen on port 8000 of nowhere.invalid:"),
            ("127.0.0.1", 80_000, "A port is a number from 1 to 65535, not 80000."),
        ],
    )
    def test_an_address_that_nobody_can_have_is_one_sentence(
        self, tmp_path: Path, host: str, port: int, reason: str
    ) -> None:
        ended = command("serve", settings={"data": tmp_path / "data", "host": host, "port": port})
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
        assert reason in ended.stderr

    def test_a_name_with_two_addresses_is_listened_to_on_those_that_are_there(self) -> None:
        port = free_port()
        for listener in listen("localhost", port):
            with socket.create_connection(listener.getsockname()[:2], timeout=5):
                listener.close()

    def test_a_name_is_refused_when_one_of_its_addresses_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = int(other.getsockname()[1])
            with pytest.raises(Unavailable, match=f"Another program listens on port {port} of localhost already"):
                listen("localhost", port)


class TestLock:
    """On SQLite."""

    @pytest.fixture
    def engine(self) -> str:
        return "sqlite"

    def test_a_second_server_on_the_directory_says_so_and_stops(self, server: ServerProcess) -> None:
        server.start()
        second = command("serve", settings={**server.settings, "port": server.port + 1})
        assert second.returncode == 1
        assert f"Another Modelyard server (process {server.running.pid}) uses" in second.stderr
        assert server.status("/readyz") == 200

    def test_a_killed_server_leaves_no_lock(self, server: ServerProcess) -> None:
        server.start()
        server.kill()
        server.start()
        assert server.status("/readyz") == 200

    def test_who_holds_the_lock_can_be_asked(self, settings: Settings) -> None:
        assert not is_locked(settings.data)
        lock = DataLock(settings.data)
        lock.acquire()
        assert is_locked(settings.data)
        lock.release()
        assert not is_locked(settings.data)

    def test_commands_work_beside_a_server_that_is_busy(self, server: ServerProcess) -> None:
        server.start()
        made = server.bootstrap()
        stopping = threading.Event()
        failed: list[str] = []

        def keep_creating() -> None:
            while not stopping.is_set():
                try:
                    create_run(made)
                except OSError as error:
                    failed.append(repr(error))

        clients = [threading.Thread(target=keep_creating) for _ in range(8)]
        for client in clients:
            client.start()
        try:
            for number in range(3):
                ended = command(
                    *("admin", "create-user", f"user{number}", "--password-stdin"),
                    settings=server.settings,
                    given="correct battery, horse\n",
                )
                assert ended.returncode == 0, ended.stderr
            server.bootstrap("acme/other")
        finally:
            stopping.set()
            for client in clients:
                client.join()
        assert failed == []

    def test_nothing_that_it_makes_can_be_read_by_others(self, server: ServerProcess, tmp_path: Path) -> None:
        server.settings["data"] = data = tmp_path / "new"
        server.start()
        server.bootstrap()
        made = [data, *data.rglob("*")]
        assert {"secret.key", "server.lock", "modelyard.sqlite3", "modelyard.sqlite3-wal"} <= {it.name for it in made}
        assert [path for path in made if path.stat().st_mode & 0o077] == []


class TestWorker:
    """On PostgreSQL, where a worker can be a process of its own."""

    @pytest.fixture
    def engine(self) -> str:
        return "postgresql"

    def test_a_worker_does_what_a_server_without_one_leaves(
        self, server: ServerProcess, settings: Settings, tmp_path: Path
    ) -> None:
        server.settings["worker"] = "false"
        server.start()
        database = open_database(replace(settings, worker=False))
        with database.write() as session:
            publish(session, UserBlocked(actor_id=None, user_id=12345))
        time.sleep(1.5)

        def is_handled() -> bool:
            with database.read() as session:
                return session.scalars(select(EventRow.handled_at)).all()[-1] is not None

        assert not is_handled()
        with (tmp_path / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "modelyard", "worker"],
                env=environment(server.settings),
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while not is_handled():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert "background tasks" in (tmp_path / "worker.log").read_text()
        database.close()

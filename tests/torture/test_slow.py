"""Clients that send slowly or not at all are cut off, and the others do not notice them."""

import contextlib
import selectors
import socket
import statistics
import threading
import time

import pytest

from tests.processes import ServerProcess
from tests.torture.writers import Client

STUCK = 600
CUT_WITHIN_S = 22

pytestmark = [pytest.mark.full, pytest.mark.timeout(200)]

BEGINNINGS = (
    b"",
    b"POST /api/2.0/mlflow/runs/log-batch HTTP/1.1\r\nHost: x\r\nContent-Type: appl",
    b"POST /api/2.0/mlflow/runs/log-batch HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{",
    b"PUT /api/2.0/mlflow-artifacts/artifacts/0/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{",
)


@pytest.fixture
def engine() -> str:
    """The database has no part in this."""
    return "sqlite"


def test_stuck_connections_are_cut_and_others_go_on(server: ServerProcess) -> None:
    server.start()
    made = server.bootstrap()
    client = Client(made["tracking_uri"], made["token"])
    _, answer = client.ask("POST", "mlflow/runs/create", {"experiment_id": "0"})
    run_id = answer["run"]["info"]["run_id"]
    alone = latencies(client, run_id, 100)

    stuck = selectors.DefaultSelector()
    trickling: list[socket.socket] = []
    for number in range(STUCK):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(BEGINNINGS[number % len(BEGINNINGS)])
        connection.setblocking(False)
        stuck.register(connection, selectors.EVENT_READ)
        if number % len(BEGINNINGS) == 1:
            trickling.append(connection)
    stopping = threading.Event()

    def trickle() -> None:
        while not stopping.wait(1):
            for connection in trickling:
                with contextlib.suppress(OSError):
                    connection.send(b"x")

    threading.Thread(target=trickle, daemon=True).start()
    opened_at = time.monotonic()
    beside = latencies(client, run_id, 100)
    cut = 0
    while cut < STUCK and time.monotonic() - opened_at < CUT_WITHIN_S + 8:
        for key, _ in stuck.select(0.5):
            held = key.fileobj
            assert isinstance(held, socket.socket)
            with contextlib.suppress(ConnectionError):
                if held.recv(1000):
                    continue
            stuck.unregister(held)
            held.close()
            cut += 1
    took_s = time.monotonic() - opened_at
    stopping.set()
    client.close()
    assert cut == STUCK
    assert took_s < CUT_WITHIN_S
    assert statistics.median(beside) < 3 * statistics.median(alone) + 0.02


def latencies(client: Client, run_id: str, count: int) -> list[float]:
    took: list[float] = []
    for step in range(count):
        started = time.perf_counter()
        point = {"run_id": run_id, "key": "loss", "value": 1, "timestamp": 1, "step": step}
        assert client.ask("POST", "mlflow/runs/log-metric", point)[0] == 200
        took.append(time.perf_counter() - started)
    return took

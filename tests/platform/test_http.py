"""The server's protocol: how it ends connections, when it stops and when clients are slow."""

import asyncio
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from uvicorn.config import Config

from modelyard.platform import http as our_http
from modelyard.platform.http import Call, Direct, Receive, Scope, Send, protocol_with
from modelyard.platform.server import HttpServer
from tests.conftest import free_port

TEXT = [(b"content-type", b"text/plain")]
LARGE_BYTES = 1_000_000


class Stage:
    """A server with a quick route, one that waits, and an ASGI application behind them."""

    def __init__(self) -> None:
        self.port = free_port()
        self.go_on = threading.Event()
        self.has_streamed = threading.Event()
        self.seen: list[tuple[str, int]] = []
        self.connections: list[http.client.HTTPConnection] = []
        config = Config(
            self.application,
            host="127.0.0.1",
            port=self.port,
            http=protocol_with(self.match, self.observe),
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=5,
            interface="asgi3",
        )
        self.server = HttpServer(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def observe(self, direct: Direct, _call: Call, status: int, _seconds: float) -> None:
        self.seen.append((direct.route, status))

    def match(self, _method: str, path: bytes) -> Direct | None:
        if path == b"/direct":
            return Direct(
                lambda call: call.reply(200, call.body, TEXT), 100, lambda call: call.reply(413, b"", TEXT), "direct"
            )
        if path == b"/large":
            return Direct(
                lambda call: call.reply(200, bytes(LARGE_BYTES), TEXT),
                100,
                lambda call: call.reply(413, b"", TEXT),
                "large",
            )
        if path == b"/waits":
            return Direct(self._wait, 100, self._wait, "waits")
        return None

    def _wait(self, call: Call) -> None:
        turn = our_http.event_loop_turn()

        def answer() -> None:
            self.go_on.wait(10)
            turn(call.reply, 200, b"at last", TEXT)

        threading.Thread(target=answer, daemon=True).start()

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/stream":
            await self._stream(send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"asgi"})

    async def _stream(self, send: Send) -> None:
        length = str(20 * LARGE_BYTES).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for piece in range(20):
            await send({"type": "http.response.body", "body": bytes(LARGE_BYTES), "more_body": piece < 19})
        self.has_streamed.set()

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.connect()
        self.connections.append(connection)
        return connection


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A running server."""
    made = Stage()
    made.thread.start()
    while not made.server.started:
        time.sleep(0.01)
    yield made
    for connection in made.connections:
        connection.close()
    made.go_on.set()
    made.server.should_exit = True
    made.thread.join(10)


def get(connection: http.client.HTTPConnection, path: str) -> tuple[str, bool]:
    """The body, and whether the answer ends the connection."""
    connection.request("GET", path)
    response = connection.getresponse()
    return response.read().decode(), response.will_close


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False  # not heard any more, and not refused yet
    return False


@pytest.mark.parametrize("path", ["/direct", "/asgi"])
def test_a_kept_connection_brings_its_last_request_while_the_server_stops(stage: Stage, path: str) -> None:
    connection = stage.connect()
    assert get(connection, path)[1] is False
    stage.server.should_exit = True
    wait_for(lambda: is_refused(stage.port))
    _, will_close = get(connection, path)
    assert will_close
    stage.thread.join(3)
    assert not stage.thread.is_alive()


def test_a_request_in_flight_is_answered_before_the_end(stage: Stage) -> None:
    connection = stage.connect()
    connection.request("GET", "/waits")
    time.sleep(0.1)
    stage.server.should_exit = True
    wait_for(lambda: is_refused(stage.port))
    time.sleep(1.5)  # longer than idle connections are waited for
    assert stage.thread.is_alive()
    stage.go_on.set()
    response = connection.getresponse()
    assert (response.read(), response.will_close) == (b"at last", True)
    stage.thread.join(3)
    assert not stage.thread.is_alive()


def test_idle_connections_do_not_keep_it_from_ending(stage: Stage) -> None:
    connections = [stage.connect() for _ in range(20)]
    for connection in connections[:10]:
        get(connection, "/direct")
    stage.server.should_exit = True
    stage.thread.join(4)
    assert not stage.thread.is_alive()


def test_every_direct_answer_is_observed(stage: Stage) -> None:
    connection = stage.connect()
    get(connection, "/direct")
    connection.request("POST", "/direct", body=b"x" * 101)
    assert connection.getresponse().status == 413
    assert stage.seen == [("direct", 200), ("direct", 413)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of a second instead of ten."""
    monkeypatch.setattr(our_http, "HEADER_SECONDS", 1.0)
    monkeypatch.setattr(our_http, "BODY_GRACE_SECONDS", 1.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /direct HTTP/1.1\r\nHost: x\r\n",
        b"POST /direct HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nslow",
        b"POST /asgi HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nslow",
    ],
)
def test_a_client_that_does_not_go_on_is_cut(stage: Stage, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", stage.port), timeout=10) as client:
        client.sendall(beginning)
        started = time.monotonic()
        try:
            rest = client.recv(1000)
        except ConnectionResetError:
            rest = b""
        assert rest == b""
        assert time.monotonic() - started < 5


@pytest.mark.usefixtures("impatient")
def test_a_client_that_trickles_its_headers_is_cut(stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", stage.port), timeout=10) as client:
        client.sendall(b"GET /direct HTTP/1.1\r\n")
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 8:
                client.sendall(b"X-Slow: 1\r\n")
                time.sleep(0.1)
        assert time.monotonic() - started < 6


@pytest.mark.usefixtures("impatient")
def test_a_body_that_comes_steadily_is_not_cut(stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", stage.port), timeout=10) as client:
        client.sendall(b"POST /asgi HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(20):
            client.sendall(b"x" * 1000)
            time.sleep(0.15)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


@contextlib.contextmanager
def narrow_client(stage: Stage) -> Iterator[socket.socket]:
    """A client whose kernel takes next to nothing that it does not read."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(("127.0.0.1", stage.port))
        yield client


def asking_for(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def read_to_end(client: socket.socket) -> int:
    """How many bytes come until the connection ends."""
    size_bytes = 0
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(1 << 20):
            size_bytes += len(piece)
    return size_bytes


def test_pipelined_requests_wait_until_their_client_takes_the_answers(stage: Stage) -> None:
    with narrow_client(stage) as client:
        client.sendall(
            asking_for("/large") * 30 + asking_for("/asgi") + b"GET /direct HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        time.sleep(0.5)
        answered = len(stage.seen)
        # As many as the kernel's buffer has room for.
        assert 1 <= answered < 15
        assert read_to_end(client) > 30 * LARGE_BYTES
    assert stage.seen == [("large", 200)] * 30 + [("direct", 200)]


def test_a_thousand_pipelined_requests_are_answered_in_their_order(stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", stage.port), timeout=10) as client:
        client.sendall(asking_for("/waits") + asking_for("/direct") * 1000 + asking_for("/asgi"))
        stage.go_on.set()
        answers = b""
        while not answers.endswith(b"asgi"):
            answers += client.recv(1 << 20)
    assert answers.count(b"HTTP/1.1 200") == 1002
    assert stage.seen == [("waits", 200)] + [("direct", 200)] * 1000


@pytest.mark.parametrize("path", ["/large", "/stream"])
def test_a_client_that_takes_nothing_is_cut(stage: Stage, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(our_http, "TAKING_SECONDS", 0.5)
    with narrow_client(stage) as client:
        client.sendall(asking_for(path) * 20)
        wait_for(lambda: bool(stage.server.server_state.connections))
        wait_for(lambda: not stage.server.server_state.connections)
        assert read_to_end(client) < 20 * LARGE_BYTES
    # The application is not held by it either.
    assert path == "/large" or stage.has_streamed.wait(5)


def test_a_client_that_takes_its_answer_steadily_is_not_cut(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(our_http, "TAKING_SECONDS", 0.5)
    with narrow_client(stage) as client:
        client.sendall(asking_for("/stream"))
        for _ in range(28):
            # Too little for the kernel to ask the server for more.
            assert client.recv(4096)
            time.sleep(0.1)
        assert stage.server.server_state.connections
        assert not stage.has_streamed.is_set()


def test_a_turn_of_the_event_loop_can_only_be_asked_for_on_it() -> None:
    async def ask() -> object:
        return our_http.event_loop_turn()

    assert callable(asyncio.run(ask()))
    with pytest.raises(RuntimeError):
        our_http.event_loop_turn()

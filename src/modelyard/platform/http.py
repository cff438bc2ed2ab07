"""Requests that are answered without ASGI's ceremony, and a server protocol that gives slow clients an end.

A *direct* route gets its request whole (a `Call`) and answers it with one `reply`, from any turn of the event loop. The
same routes work under any ASGI server through `as_asgi`; under ours they skip scope, task and messages.
"""

import asyncio
import contextlib
import fcntl
import http
import logging
import struct
import termios
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, cast

from uvicorn._types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from modelyard.platform.hosts import Admits
from modelyard.platform.telemetry import Facts

Headers = list[tuple[bytes, bytes]]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER_SECONDS = 10.0
BODY_GRACE_SECONDS = 10.0
LEAST_BODY_BYTES_PER_SECOND = 1024
# A client that takes nothing of its answer for so long, while more waits for it, is cut.
TAKING_SECONDS = 60.0
# In an ASGI scope: what ends the connection once the client has taken what was sent.
CUT_KEY = "modelyard.cut"
MOST_CONNECTIONS = 2000
KEEP_ALIVE_SECONDS = 75

log = logging.getLogger(__name__)

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus}


class Call:
    """One request, complete. `path` and `query` are as they came, percent-encoded; names of headers are lower case."""

    __slots__ = ("body", "client", "facts", "headers", "method", "path", "query", "reply")

    def __init__(  # noqa: PLR0917  # made once a request; names would cost
        self,
        method: str,
        path: bytes,
        query: bytes,
        headers: Headers,
        body: bytes,
        client: str,
        reply: Callable[[int, bytes, Headers], None],
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.client = client
        self.reply = reply
        # Only made where somebody will read them: most calls are not logged.
        self.facts: Facts | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first header of that name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Direct:
    """A route that is answered directly: its handler, the most bytes its body may have, and its name in metrics."""

    handle: Callable[[Call], None]
    most_bytes: int
    too_large: Callable[[Call], None]
    route: str = "unknown"


Match = Callable[[str, bytes], Direct | None]
Observe = Callable[[Direct, Call, int, float], None]
"""Hears of every direct request after its answer: what it was, its status, and its seconds."""


def _refuse_host(call: Call) -> None:
    call.reply(
        421, b"This server does not answer to the host name of this request.\n", [(b"content-type", b"text/plain")]
    )


# In the place of the route that a request with a foreign host name asked for.
WRONG_HOST = Direct(_refuse_host, 0, _refuse_host, "wrong host")


def any_host(_headers: Headers) -> bool:
    """For servers that somebody else guards."""
    return True


def as_asgi(match: Match, fallback: Asgi, admits: Admits = any_host) -> Asgi:
    """An ASGI application that serves direct routes itself and leaves the others to `fallback`.

    `admits` tells from a request's headers whether its host name is one of ours.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await fallback(scope, receive, send)
            return
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        direct = match(scope["method"], raw_path) if admits(scope["headers"]) else WRONG_HOST
        if direct is None:
            await fallback(scope, receive, send)
        else:
            await _serve_direct(direct, raw_path, scope, receive, send)

    return application


async def cut(scope: Scope, receive: Receive) -> None:
    """Leave an answer incomplete, so that programs see it, and wait until the client is gone.

    What returns before that is logged by the server as a fault of ours.
    """
    if CUT_KEY in scope:
        scope[CUT_KEY]()
        while (await receive())["type"] != "http.disconnect":
            pass


async def _serve_direct(direct: Direct, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    answered: asyncio.Future[tuple[int, bytes, Headers]] = asyncio.get_running_loop().create_future()

    def reply(status: int, body: bytes, headers: Headers) -> None:
        if not answered.done():
            answered.set_result((status, body, headers))

    body = bytearray()
    is_too_large = False
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        is_too_large = is_too_large or len(body) > direct.most_bytes
        if is_too_large:
            body.clear()
        if not message.get("more_body", False):
            break
    client = (scope.get("client") or ("", 0))[0]
    call = Call(scope["method"], raw_path, scope["query_string"], list(scope["headers"]), bytes(body), client, reply)
    (direct.too_large if is_too_large else direct.handle)(call)
    status, content, headers = await answered
    lengths = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, lengths]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


class _DirectCycle:
    """Stands in uvicorn's protocol where a request's ASGI cycle would, so that pipelining stays uvicorn's business."""

    __slots__ = (
        *("body", "call", "direct", "disconnected", "flow_started", "keep_alive", "message_event", "more_body"),
        *("on_response", "protocol", "response_complete", "started", "waiting_for_100_continue"),
    )

    def __init__(self, protocol: "HttpProtocol", direct: Direct, call: Call, *, keep_alive: bool) -> None:
        self.protocol = protocol
        self.direct = direct
        self.call = call
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.flow_started = False
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NoEvent
        self.started = time.perf_counter()
        call.reply = self.reply

    def advance(self) -> None:
        """Handle the request once it is this one's turn and its body is there."""
        if self.flow_started and not self.more_body and not self.response_complete:
            self.call.body = bytes(self.body)
            self.direct.handle(self.call)

    def reply(self, status: int, body: bytes, headers: Headers) -> None:
        """Answer, once; later answers and a client that is gone are let pass."""
        if self.response_complete:
            return
        self.response_complete = True
        if self.disconnected:
            return
        parts = [_STATUS_LINES[status], *self.protocol.default_lines()]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"content-length: ", str(len(body)).encode(), b"\r\n\r\n")
        if self.call.method != "HEAD":
            parts.append(body)
        self.protocol.transport.write(b"".join(parts))
        if not self.keep_alive:
            self.protocol.transport.close()
        self.protocol.on_response_complete()
        type(self.protocol).observe(self.direct, self.call, status, time.perf_counter() - self.started)


class _NoEvent:
    """The event that an ASGI cycle waits on; a direct one does not wait."""

    @staticmethod
    def set() -> None:
        """Nothing waits."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with direct routes, and deadlines for headers, bodies and answers, which uvicorn has not."""

    match: Match = staticmethod(lambda _method, _path: None)
    admits: Admits = staticmethod(any_host)
    observe: Observe = staticmethod(lambda _direct, _call, _status, _seconds: None)

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # The moment by which the headers, enough of the body, or the next request must have come; None while the
        # server works. One sweep a second looks at it, which is cheaper than a timer a request.
        self.deadline: float | None = None
        self._is_idle = True
        self._lines: tuple[object, tuple[bytes, ...]] = (None, ())
        self._is_last_request = False
        # Whether the next request waits until the client has taken the answers before it.
        self._is_held = False
        self._asgi_cycle: RequestResponseCycle | None = None
        self._untaken_bytes: int | None = None
        self._taking_deadline = 0.0

    def end_if_overdue(self, moment: float) -> None:
        """End the connection if its client is late with what it sends, or takes nothing of what it is sent."""
        if self.flow.write_paused or self.transport.is_closing():
            untaken_bytes = _untaken_bytes(self.transport)
            if self._untaken_bytes is None or untaken_bytes < self._untaken_bytes:
                self._untaken_bytes = untaken_bytes
                self._taking_deadline = moment + TAKING_SECONDS
            elif self._taking_deadline < moment:
                self.transport.abort()
            return
        self._untaken_bytes = None
        if self.deadline is not None and self.deadline < moment:
            self.deadline = None
            self.transport.close()

    def end_after_next_answer(self) -> None:
        """The server stops: answer what is under way, or one request more, and close."""
        self._is_last_request = True
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False

    def default_lines(self) -> tuple[bytes, ...]:
        """The headers that every answer carries, such as the date, as lines."""
        headers = self.server_state.default_headers
        if self._lines[0] is not headers:
            self._lines = (headers, tuple(b"%s: %s\r\n" % pair for pair in headers))
        return self._lines[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        if len(self.connections) > MOST_CONNECTIONS:
            self.transport.write(
                b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()
            return
        self.deadline = self.loop.time() + HEADER_SECONDS

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest request only, which may be waiting behind the one that is being answered.
        answered = self._asgi_cycle
        if answered is not None and not answered.response_complete:
            answered.disconnected = True
            answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_idle:
            self._is_idle = False
            self.deadline = self.loop.time() + HEADER_SECONDS
        super().data_received(data)

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        raw_path, _, query = self.url.partition(b"?")
        method = self.parser.get_method().decode("ascii")
        direct = None if self.expect_100_continue else type(self).match(method, raw_path)
        if not type(self).admits(self.headers):
            # A client that waits to be told to send its body is answered by the ASGI application, which asks again.
            direct = None if self.expect_100_continue else WRONG_HOST
        self.deadline = self.loop.time() + BODY_GRACE_SECONDS
        if direct is None or self.parser.should_upgrade() or self.parser.get_http_version() != "1.1":
            self._begin_scope()
            super().on_headers_complete()
            if self._is_last_request:
                self.cycle.keep_alive = False
            return
        client = self.client[0] if self.client else ""
        call = Call(method, raw_path, query, self.headers, b"", client, _nowhere)
        earlier = cast("RequestResponseCycle | None", self.cycle)
        keep_alive = self.parser.should_keep_alive() and not self._is_last_request
        cycle = _DirectCycle(self, direct, call, keep_alive=keep_alive)
        self.cycle = cast("RequestResponseCycle", cycle)
        if earlier is None or (earlier.response_complete and not self.flow.write_paused):
            cycle.flow_started = True
            if direct is WRONG_HOST:
                cycle.keep_alive = False
                direct.handle(call)
        else:
            self._is_held = self._is_held or earlier.response_complete
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        if self.deadline is not None:
            self.deadline += len(body) / LEAST_BODY_BYTES_PER_SECOND
        cycle: object = self.cycle
        if not isinstance(cycle, _DirectCycle):
            super().on_body(body)
        elif not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > cycle.direct.most_bytes:
                cycle.keep_alive = False
                cycle.direct.too_large(cycle.call)

    def on_message_complete(self) -> None:
        self.deadline = None
        cycle: object = self.cycle
        if isinstance(cycle, _DirectCycle):
            cycle.more_body = False
            cycle.advance()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, without its timer for idle connections, and no further than the client takes its answers."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            self._is_held = True
            self.flow.pause_reading()
        else:
            self._go_on()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._untaken_bytes = None
        if self.deadline is not None:
            # It could not send, or was not looked at, while its answer waited.
            self.deadline = self.loop.time() + BODY_GRACE_SECONDS
        if self._is_held:
            self._is_held = False
            if not self.transport.is_closing():
                self._go_on()

    def _go_on(self) -> None:
        """Turn to the next request, which is here already or is waited for."""
        self.flow.resume_reading()
        if self.pipeline:
            # In a turn of its own: many requests that are answered at once would call each other without end.
            self.loop.call_soon(self._start_asgi_task, *self.pipeline.pop())
        else:
            self._is_idle = True
            self.deadline = self.loop.time() + self.timeout_keep_alive

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  # uvicorn's signature
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            self._is_held = True
            self.flow.pause_reading()
            self.pipeline.append((cycle, app))
            return
        turn: object = cycle
        if isinstance(turn, _DirectCycle):
            turn.flow_started = True
            turn.advance()
        else:
            self._asgi_cycle = cycle
            super()._start_asgi_task(cycle, app)

    def _begin_scope(self) -> None:
        """What uvicorn prepares at the beginning of each message, only for those that need it."""
        scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": self.headers,
            "state": self.app_state.copy(),
            CUT_KEY: self.transport.close,
        }
        # uvicorn fills in the rest when the headers are complete.
        self.scope = cast("HTTPScope", scope)


def _untaken_bytes(transport: asyncio.Transport) -> int:
    """How much of what was written the client has not taken, with what the kernel keeps for it.

    The kernel keeps megabytes, and takes more only when a third of them are gone: at 10 KiB a second, after minutes.
    """
    size_bytes = transport.get_write_buffer_size()
    with contextlib.suppress(OSError, AttributeError):  # not every system tells, and a socket may just have ended
        told = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        size_bytes += struct.unpack("i", told)[0]
    return size_bytes


def _nowhere(_status: int, _body: bytes, _headers: Headers) -> None:
    """Where a call answers before it has a cycle."""


def protocol_with(
    match: Match, observe: Observe = HttpProtocol.observe, admits: Admits = any_host
) -> type[HttpProtocol]:
    """The protocol class of a server with these direct routes, for requests with these host names."""
    own = {"match": staticmethod(match), "observe": staticmethod(observe), "admits": staticmethod(admits)}
    return type("DirectHttpProtocol", (HttpProtocol,), own)


def event_loop_turn() -> Callable[..., object]:
    """A way back to the event loop that runs now, for a thread that answers a call."""
    return asyncio.get_running_loop().call_soon_threadsafe

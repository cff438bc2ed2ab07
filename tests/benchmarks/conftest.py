"""A small HTTP server that the load driver is tried on."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.contenders import Contender, Product
from benchmarks.servers import Server


@dataclass
class Peer:
    """A server in this process, what it was asked and what it says."""

    server: Server
    bodies: list[str] = field(default_factory=list)
    authorizations: set[str | None] = field(default_factory=set)
    addresses: set[int] = field(default_factory=set)


def _handler(peer: Peer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            peer.bodies.append(body)
            peer.authorizations.add(self.headers["Authorization"])
            peer.addresses.add(self.client_address[1])
            if self.path.endswith("runs/log-batch"):
                self._answer(200, b"{}")
            elif self.path.endswith("runs/log-metric"):
                self._answer(400 if json.loads(body)["step"] % 2 else 200, b'{"message": "an odd \\"step\\""}')
            elif self.path.endswith("runs/search"):
                self._answer_in_chunks(b"x" * 300_000)
            else:
                self.close_connection = True  # no answer at all

        def do_GET(self) -> None:
            self._answer(200, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _answer_in_chunks(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for begin in range(0, len(body), 70_001):
                part = body[begin : begin + 70_001]
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the parent's
            """Say nothing: the tests' output is for the tests."""

    return Handler


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    found = Peer(Server(Contender("peer", Product.FASTTRACKML), tmp_path, token="a-token"))
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(found)) as listener:
        found.server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        listener.shutdown()
        thread.join()

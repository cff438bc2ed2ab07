"""Requests to where users point: never inside, never elsewhere than checked, never for long."""

import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from modelyard.platform.egress import client
from modelyard.platform.egress.client import Answer, Egress, EgressPolicy, Unreachable
from modelyard.platform.errors import Invalid

PUBLIC = "93.184.216.34"
ANYWHERE = EgressPolicy(allows_http=True, ports=frozenset(range(1, 65536)))


class Listener:
    """Counts whoever connects, on IPv4 and IPv6, at one port of this machine: what is inside."""

    def __init__(self) -> None:
        self.accepted = 0
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self._sockets[0].getsockname()[1]
        if socket.has_ipv6:
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for it in self._sockets:
            threading.Thread(target=self._accept, args=(it,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.accepted += 1
            connection.close()

    def close(self) -> None:
        for it in self._sockets:
            it.shutdown(socket.SHUT_RDWR)
            it.close()


@pytest.fixture
def inside() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def spellings(address: str) -> list[str]:
    """Ways to write an IPv4 address that some resolver or parser takes for it."""
    number = int(ipaddress.IPv4Address(address))
    a, b, c, d = address.split(".")
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    return [
        *(address, f"{address}.", str(number), hex(number), f"0{number:o}", f"{a}.{number & 0xFFFFFF}"),
        *(f"{a}.{b}.{number & 0xFFFF}", ".".join(hex(int(it)) for it in (a, b, c, d))),
        *(".".join(f"0{int(it):o}" for it in (a, b, c, d)), f"[::ffff:{address}]", f"[{mapped}]", f"[::{address}]"),
        *(f"[64:ff9b::{address}]", f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::]"),
        *(f"{a}。{b}。{c}。{d}", "".join(chr(ord(it) + 0xFEE0) if it.isdigit() else it for it in address)),
        *(f"0x{number:08X}", f"{address}%00.example.org"),
    ]


TARGETS = (
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1"),  # noqa: S104  # addresses as data
    *("169.254.169.254", "100.64.0.1"),
    *("100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255"),
)
NAMED = (
    "localhost",
    "localhost.",
    "LOCALHOST",
    "ip6-localhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[fe80::1]",
    "[fd00:ec2::254]",
)
FORMS = [*(form for target in TARGETS for form in spellings(target)), *NAMED]


def test_nothing_inside_is_ever_connected_to(inside: Listener) -> None:
    egress = Egress(ANYWHERE)
    tried = 0
    for scheme, form in product(("http", "https"), FORMS):
        tried += 1
        with pytest.raises((Invalid, Unreachable)):
            egress.send("POST", f"{scheme}://{form}:{inside.port}/hook")
    assert tried > 400
    assert inside.accepted == 0
    socket.create_connection(("127.0.0.1", inside.port)).close()
    time.sleep(0.1)
    assert inside.accepted == 1, "The listener would have counted."


@pytest.mark.parametrize(
    "address",
    [
        *("", "nowhere", "//example.org/", "/etc/passwd", "file:///etc/passwd", "gopher://example.org/", "https://"),
        *("http://example.org/", "https://example.org:22/", "https://example.org:8443/", "ftp://example.org/"),
        *("https://user:secret@example.org/", "https://user@example.org/", "https://example.org:99999/"),
        *("unix:///var/run/docker.sock", "https://exa mple.org/", "https:/example.org", "javascript:alert(1)"),
        "https://example.org/" + "x" * 3000,
    ],
)
def test_what_is_not_an_address_for_this_is_said_before_anybody_is_asked(address: str) -> None:
    def nobody(*_: object) -> list[str]:
        raise AssertionError("Asked.")

    with pytest.raises(Invalid):
        Egress(resolve=nobody).send("GET", address)


# A receiver that stands for somebody on the internet


class Receiver(BaseHTTPRequestHandler):
    """Answers as its path says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        seen = self.server.seen  # type: ignore[attr-defined]
        length = int(self.headers.get("content-length", 0))
        seen.append((self.path, dict(self.headers), self.rfile.read(length)))
        kind, _, value = self.path.strip("/").partition("/")
        getattr(self, f"_{kind}")(value)

    do_GET = do_POST  # noqa: N815  # http.server's name

    def _status(self, value: str) -> None:
        self.send_response(int(value))
        if value.startswith("3"):
            self.send_header("Location", "http://127.0.0.1:1/secret")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def _large(self, value: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", value)
        self.end_headers()
        for _ in range(int(value) // 65536):
            self.wfile.write(b"x" * 65536)

    def _zipped(self, value: str) -> None:
        self.send_response(200)
        self.send_header("Content-Encoding", value)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"\x1f\x8b\x08\x00")

    def _trickle(self, value: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b"x")
            time.sleep(float(value))

    def _slow(self, value: str) -> None:
        time.sleep(float(value))
        self._status("200")

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True


@pytest.fixture
def receiver() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.seen = []  # type: ignore[attr-defined]
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


Connections = list[tuple[str, int]]


def internet(server: ThreadingHTTPServer, connections: Connections) -> Callable[[str, int, float], socket.socket]:
    """Connects to the receiver whatever the address is, and notes which it was."""

    def connect(address: str, port: int, timeout_s: float) -> socket.socket:
        connections.append((address, port))
        return socket.create_connection(("127.0.0.1", server.server_address[1]), timeout_s)

    return connect


@pytest.fixture
def connections() -> Connections:
    return []


@pytest.fixture
def egress(receiver: ThreadingHTTPServer, connections: Connections) -> Egress:
    """A client to whom `hooks.example.org` is a public address with the receiver behind it."""
    policy = EgressPolicy(allows_http=True, ports=frozenset({80, 443}))
    return Egress(policy, resolve=lambda _host, _port: [PUBLIC], connect=internet(receiver, connections))


def post(egress: Egress, path: str) -> Answer:
    return egress.send("POST", f"http://hooks.example.org{path}", headers={"X-Event": "run"}, body=b'{"a": 1}')


def test_a_public_address_gets_the_request_with_its_own_name(
    egress: Egress, receiver: ThreadingHTTPServer, connections: Connections
) -> None:
    answer = post(egress, "/status/200")
    assert (answer.status, answer.is_success, answer.body) == (200, True, b"hello")
    assert connections == [(PUBLIC, 80)]
    ((path, headers, body),) = receiver.seen  # type: ignore[attr-defined]
    assert (path, body) == ("/status/200", b'{"a": 1}')
    assert headers["Host"] == "hooks.example.org"
    assert headers["X-Event"] == "run"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(egress: Egress, connections: Connections, status: int) -> None:
    answer = post(egress, f"/status/{status}")
    assert (answer.status, answer.is_success, answer.status_class) == (status, False, "3xx")
    assert len(connections) == 1


def answering(addresses: list[str], _host: str, _port: int) -> list[str]:
    """A resolver with one answer."""
    return addresses


def test_an_address_that_is_private_among_public_ones_is_refused(connections: Connections) -> None:
    def never(address: str, port: int, _timeout_s: float) -> socket.socket:
        connections.append((address, port))
        raise AssertionError("Connected.")

    for addresses in ([PUBLIC, "127.0.0.1"], ["10.0.0.1", PUBLIC], ["::ffff:127.0.0.1"], ["fe80::1%eth0"], []):
        egress = Egress(resolve=partial(answering, addresses), connect=never)
        with pytest.raises(Unreachable):
            egress.send("GET", "https://hooks.example.org/")
    assert connections == []


def test_a_resolver_that_changes_its_mind_is_asked_once(
    receiver: ThreadingHTTPServer, connections: Connections
) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    asked: list[str] = []

    def flips(host: str, _port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    egress = Egress(
        EgressPolicy(allows_http=True, ports=frozenset({80})), resolve=flips, connect=internet(receiver, connections)
    )
    assert post(egress, "/status/200").is_success
    assert asked == ["hooks.example.org"]
    assert connections == [(PUBLIC, 80)]
    with pytest.raises(Unreachable):
        post(egress, "/status/200")
    assert connections == [(PUBLIC, 80)], "The next exchange is checked anew."


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), OSError("SERVFAIL"), UnicodeError("idna")])
def test_a_resolver_that_fails_means_no(error: Exception) -> None:
    def fails(_host: str, _port: int) -> list[str]:
        raise error

    with pytest.raises(Unreachable):
        Egress(resolve=fails).send("GET", "https://hooks.example.org/")


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BUDGET_S", 0.3)
    go_on = threading.Event()
    egress = Egress(resolve=lambda _host, _port: [PUBLIC] if go_on.wait(5) else [])
    started = time.monotonic()
    with pytest.raises(Unreachable):
        egress.send("GET", "https://hooks.example.org/")
    assert time.monotonic() - started < 2
    go_on.set()


@pytest.mark.parametrize("path", ["/trickle/0.05", "/slow/3"])
def test_the_whole_exchange_has_one_budget(egress: Egress, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BUDGET_S", 0.5)
    started = time.monotonic()
    with pytest.raises(Unreachable):
        post(egress, path)
    assert time.monotonic() - started < 2


def test_a_large_answer_is_cut(egress: Egress) -> None:
    assert len(post(egress, f"/large/{8 * 1024 * 1024}").body) == client.MOST_BODY_BYTES


def test_a_packed_answer_is_not_unpacked(egress: Egress) -> None:
    assert post(egress, "/zipped/gzip").body == b""


def test_open_closed_and_forbidden_ports_look_the_same() -> None:
    """Of a public host nothing is told but that it cannot be reached; of a private one, not even whether it answers."""

    def closed(_address: str, _port: int, _timeout_s: float) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    def filtered(_address: str, _port: int, _timeout_s: float) -> socket.socket:
        raise TimeoutError

    told = set()
    for resolve, connect in (
        (lambda _host, _port: [PUBLIC], closed),
        (lambda _host, _port: [PUBLIC], filtered),
        (lambda _host, _port: ["127.0.0.1"], closed),
        (lambda _host, _port: [], closed),
    ):
        with pytest.raises(Unreachable) as refused:
            Egress(resolve=resolve, connect=connect).send("GET", "https://hooks.example.org/")
        told.add(refused.value.message)
    assert len(told) == 1


def test_the_environment_changes_nothing(
    egress: Egress,
    receiver: ThreadingHTTPServer,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / ".netrc").write_text("machine hooks.example.org login ada password hunter2\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert post(egress, "/status/200").is_success
    assert connections == [(PUBLIC, 80)]
    assert "Authorization" not in receiver.seen[0][1]  # type: ignore[attr-defined]
    assert os.environ["HTTP_PROXY"]


def test_two_at_once_to_one_destination(egress: Egress, receiver: ThreadingHTTPServer) -> None:
    most, now_there, lock = 0, 0, threading.Lock()
    real = Receiver._slow

    def counting(self: Receiver, value: str) -> None:
        nonlocal most, now_there
        with lock:
            now_there += 1
            most = max(most, now_there)
        real(self, value)
        with lock:
            now_there -= 1

    Receiver._slow = counting  # type: ignore[method-assign]
    try:
        threads = [threading.Thread(target=post, args=(egress, "/slow/0.2")) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        Receiver._slow = real  # type: ignore[method-assign]
    assert len(receiver.seen) == 6  # type: ignore[attr-defined]
    assert most == 2


# Allow-lists


def test_an_entry_opens_its_host_and_port_alone(receiver: ThreadingHTTPServer, inside: Listener) -> None:
    port = receiver.server_address[1]
    egress = Egress(EgressPolicy(allowed=frozenset({f"localhost:{port}"})), resolve=lambda _host, _port: ["127.0.0.1"])
    assert egress.send("POST", f"http://localhost:{port}/status/204").is_success
    for other in (
        *(f"http://localhost:{inside.port}/", f"http://127.0.0.1:{port}/", f"http://localhost.:{port}/"),
        *(f"https://localhost.example.org:{port}/", f"http://x.localhost:{port}/", "http://localhost/"),
    ):
        with pytest.raises((Invalid, Unreachable)):
            egress.send("POST", other)
    assert inside.accepted == 0


HOSTS = st.sampled_from(["a.example", "b.example", "a.example.org", "xa.example", "127.0.0.1", "localhost"])
PORTS = st.sampled_from([80, 443, 8080, 8443])


@given(st.frozensets(st.tuples(HOSTS, PORTS), max_size=4), HOSTS, PORTS)
def test_whatever_the_list_only_what_is_on_it_reaches_a_private_address(
    entries: frozenset[tuple[str, int]], host: str, port: int
) -> None:
    reached: list[tuple[str, int]] = []

    def connect(address: str, port: int, _timeout_s: float) -> socket.socket:
        reached.append((address, port))
        raise ConnectionRefusedError

    policy = EgressPolicy(allows_http=True, allowed=frozenset(f"{name}:{number}" for name, number in entries))
    egress = Egress(
        policy, tls=ssl.create_default_context(), resolve=lambda _host, _port: ["10.0.0.7"], connect=connect
    )
    with pytest.raises((Invalid, Unreachable)):
        egress.send("GET", f"http://{host}:{port}/")
    assert bool(reached) == ((host, port) in entries)


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of `hooks.example.org`, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example.org")])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(moment - timedelta(hours=1))
        .not_valid_after(moment + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.org")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def test_the_certificate_must_be_of_the_name_in_the_address(
    receiver: ThreadingHTTPServer, connections: Connections, certificate: Path
) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    receiver.socket = serving.wrap_socket(receiver.socket, server_side=True)
    trusting = ssl.create_default_context(cafile=str(certificate))
    egress = Egress(tls=trusting, resolve=lambda _host, _port: [PUBLIC], connect=internet(receiver, connections))
    assert egress.send("POST", "https://hooks.example.org/status/200").is_success
    with pytest.raises(Unreachable):
        egress.send("POST", "https://other.example.org/status/200")
    strict = Egress(resolve=lambda _host, _port: [PUBLIC], connect=internet(receiver, connections))
    with pytest.raises(Unreachable):
        strict.send("POST", "https://hooks.example.org/status/200")


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.05, "up to 0.1 s"), (0.5, "up to 1 s"), (3, "up to 5 s"), (9, "up to 10 s"), (11, "up to 10 s")],
)
def test_only_coarse_durations_are_for_showing(seconds: float, bucket: str) -> None:
    assert Answer(200, b"", seconds).duration_bucket == bucket

"""Send one request to where a user's address points, and learn as little of it as is needed."""

import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpcore
import httpx

from modelyard.platform.egress.network import CheckedNetwork, Connect, Deadline, Resolve, connected, resolved
from modelyard.platform.errors import Busy, Invalid, ModelyardError

BUDGET_S = 10.0
CONNECT_S = 5.0
MOST_BODY_BYTES = 1024 * 1024
MOST_AT_ONCE = 2
MOST_URL_CHARACTERS = 2048
BUCKETS_S = (0.1, 1.0, 5.0, BUDGET_S)
# A name, or an address of either kind.
HOST = re.compile(r"[0-9a-z_.-]{1,253}|[0-9a-f:.]{2,45}", re.IGNORECASE)
DEFAULT_PORTS = {"http": 80, "https": 443}
AGENT = "Modelyard"


class Unreachable(ModelyardError):
    """Nothing came back. The sentence is the same whether it is not there, does not answer, or may not be asked."""

    def __init__(self) -> None:
        super().__init__("This address could not be reached from the server, or the server may not go there.")


@dataclass(frozen=True)
class EgressPolicy:
    """Where requests may go.

    `allowed` are hosts with their port, such as `hooks.internal:8443`, exactly as in the address: each opens itself
    alone, for private addresses and for its port, and nothing else.
    """

    allows_http: bool = False
    ports: frozenset[int] = frozenset({443})
    allowed: frozenset[str] = frozenset()

    def allows(self, host: str, port: int) -> bool:
        """Whether an entry names this very host and port."""
        return f"{host}:{port}" in self.allowed


@dataclass(frozen=True)
class Answer:
    """What came back. Only `status_class` and `duration_bucket` may be shown to whoever chose the address."""

    status: int
    body: bytes
    seconds: float

    @property
    def is_success(self) -> bool:
        """A redirect is none: it is not followed."""
        return 200 <= self.status < 300  # noqa: PLR2004  # HTTP's

    @property
    def status_class(self) -> str:
        return f"{self.status // 100}xx"

    @property
    def duration_bucket(self) -> str:
        return next(f"up to {bound:g} s" for bound in BUCKETS_S if self.seconds <= bound or bound == BUDGET_S)


class Egress:
    """The client of one server. Safe to use from many threads; each destination has a few exchanges at once."""

    def __init__(
        self,
        policy: EgressPolicy = EgressPolicy(),  # frozen
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolved,
        connect: Connect = connected,
    ) -> None:
        self._policy = policy
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._resolve = resolve
        self._connect = connect
        self._at_work: Counter[str] = Counter()
        self._turn = threading.Condition()

    def send(self, method: str, address: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """One request and its answer within the budget.

        Raises:
            Invalid: the address is not one that may be used; that says nothing about what is there.
            Unreachable: nothing came back.
            Busy: others are talking to that destination.
        """
        url = self.checked(address)
        deadline = Deadline(BUDGET_S)
        started = time.monotonic()
        with self._one_of_few(f"{_host(url)}:{_port(url)}"):
            try:
                status, content = self._exchange(method, url, dict(headers or {}), body, deadline)
            except (httpx.TransportError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
                raise Unreachable from error
        return Answer(status, content, time.monotonic() - started)

    def checked(self, address: str) -> httpx.URL:
        """The address, as far as it can be judged without asking anybody.

        Raises:
            Invalid
        """
        if len(address) > MOST_URL_CHARACTERS:
            raise Invalid(f"An address has at most {MOST_URL_CHARACTERS} characters.")
        try:
            url = httpx.URL(address)
            host, port = _host(url), _port(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise Invalid(f"This is not an address: {error}.") from None
        if not HOST.fullmatch(host) or url.scheme not in DEFAULT_PORTS:
            raise Invalid("An address begins with https:// and a host.")
        if url.userinfo:
            raise Invalid("An address may not carry a user name or password.")
        if self._policy.allows(host, port):
            return url
        if url.scheme == "http" and not self._policy.allows_http:
            raise Invalid("An address begins with https://.")
        if port not in self._policy.ports:
            ports = ", ".join(str(it) for it in sorted(self._policy.ports))
            raise Invalid(f"An address has one of these ports: {ports}.")
        return url

    def _exchange(
        self, method: str, url: httpx.URL, headers: dict[str, str], body: bytes, deadline: Deadline
    ) -> tuple[int, bytes]:
        network = CheckedNetwork(deadline, resolve=self._resolve, connect=self._connect, allows=self._policy.allows)
        with (
            httpx.Client(
                transport=_Transport(self._tls, network),
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(BUDGET_S, connect=CONNECT_S),
                headers={"User-Agent": AGENT, "Accept-Encoding": "identity", "Connection": "close"},
            ) as client,
            client.stream(method, url, headers=headers, content=body) as response,
        ):
            if response.headers.get("content-encoding", "identity") != "identity":
                # It was asked for none; a small answer that becomes a large one is not unpacked.
                return response.status_code, b""
            return response.status_code, _first_bytes(response)

    @contextmanager
    def _one_of_few(self, destination: str) -> Iterator[None]:
        with self._turn:
            if not self._turn.wait_for(lambda: self._at_work[destination] < MOST_AT_ONCE, timeout=BUDGET_S):
                raise Busy("The server is still talking to this destination. Try again in a moment.")
            self._at_work[destination] += 1
        try:
            yield
        finally:
            with self._turn:
                self._at_work[destination] -= 1
                if not self._at_work[destination]:
                    del self._at_work[destination]
                self._turn.notify_all()


class _Transport(httpx.BaseTransport):
    """httpx on the checked network: one connection, no proxy, whatever the environment says."""

    def __init__(self, tls: ssl.SSLContext, network: CheckedNetwork) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls, max_connections=1, max_keepalive_connections=0, retries=0, network_backend=network
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.read(),
            extensions=request.extensions,
        )
        try:
            answered = self._pool.handle_request(asked)
            return httpx.Response(answered.status, headers=answered.headers, stream=_Body(answered))
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise httpx.TransportError(str(error)) from error

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answered: httpcore.Response) -> None:
        self._answered = answered

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answered.iter_stream()
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise httpx.TransportError(str(error)) from error

    def close(self) -> None:
        self._answered.close()


def _first_bytes(response: httpx.Response) -> bytes:
    """As much of a body as is taken; the rest is not waited for."""
    taken = bytearray()
    for chunk in response.iter_raw():
        taken += chunk
        if len(taken) >= MOST_BODY_BYTES:
            break
    return bytes(taken[:MOST_BODY_BYTES])


def _host(url: httpx.URL) -> str:
    """The host as it goes over the wire."""
    return url.raw_host.decode("ascii")


def _port(url: httpx.URL) -> int:
    return url.port or DEFAULT_PORTS.get(url.scheme, 0)

"""`/healthz`, `/readyz` and `/metrics`, on threads of their own: they answer also when the server's others are busy."""

import importlib
import ipaddress
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from modelyard.domains.accounts.actor import Actor
from modelyard.entrypoints.operator.readiness import Check, Prober, Readiness
from modelyard.entrypoints.request import Installation, Policy, credentials_of, public
from modelyard.platform.crypto import same
from modelyard.platform.errors import ModelyardError
from modelyard.platform.http import Call, Direct, Headers, event_loop_turn
from modelyard.platform.meters import RequestMeter

TEXT: Headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
JSON: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
MOST_BYTES = 4096
# Only written by what stands between a client and us: then an address of this machine says nothing about the client.
FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")

Answer = tuple[int, bytes, Headers]


@dataclass(frozen=True)
class OperatorRoute:
    """One of these routes, with who may use it."""

    path: str
    policy: Policy
    answer: Callable[[Call], Answer]


class OperatorRoutes:
    """The operator's routes of one server. `checks` are what readiness asks besides the database and the disk."""

    def __init__(self, installation: Installation, meter: RequestMeter, *, checks: Mapping[str, Check]) -> None:
        self._installation = installation
        self._meter = meter
        database = installation.database
        self._prober = Prober({"database": database.probe, "disk": database.check_room, **checks})
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="operator")
        self.all = (
            OperatorRoute("/healthz", public("Says only that the process answers."), self._health),
            OperatorRoute("/readyz", public("Says yes or no; administrators are told why."), self._readiness),
            OperatorRoute("/metrics", Policy(reason="This machine, or the metrics token."), self._metrics),
        )
        self._directs = {("GET", route.path.encode()): self._direct(route) for route in self.all}

    def match(self, method: str, path: bytes) -> Direct | None:
        """How a call is answered; None when it is not the operator's."""
        return self._directs.get((method, path))

    def _direct(self, route: OperatorRoute) -> Direct:
        def handle(call: Call) -> None:
            turn = event_loop_turn()
            self._threads.submit(lambda: turn(call.reply, *_answered(route, call)))

        def too_large(call: Call) -> None:
            call.reply(413, b"Send no body.\n", TEXT)

        return Direct(handle, MOST_BYTES, too_large, f"GET {route.path}")

    def _health(self, _call: Call) -> Answer:
        return 200, b"alive\n", TEXT

    def _readiness(self, call: Call) -> Answer:
        if self._installation.is_stopping:
            return 503, b'{"status": "stopping"}\n', JSON
        found = self._prober.probe()
        status = 200 if found.is_ready else 503
        body: dict[str, object] = {"status": "ready" if found.is_ready else "not ready"}
        if self._is_administrator(call):
            body["parts"] = _in_words(found)
        return status, json.dumps(body).encode() + b"\n", JSON

    def _metrics(self, call: Call) -> Answer:
        if not self._may_read_metrics(call):
            return 404, b"There is nothing here.\n", TEXT
        # Prometheus' library is loaded by the first who asks for its format.
        exposition = importlib.import_module("modelyard.entrypoints.operator.exposition")
        content_type, body = exposition.exposed(self._installation, self._meter)
        return 200, body, [(b"content-type", content_type.encode())]

    def _may_read_metrics(self, call: Call) -> bool:
        token = self._installation.settings.metrics_token
        given = (call.header(b"authorization") or b"").decode("latin-1")
        if token and same(given, f"Bearer {token}"):
            return True
        is_forwarded = any(call.header(name) is not None for name in FORWARDED)
        return not is_forwarded and _is_this_machine(call.client)

    def _is_administrator(self, call: Call) -> bool:
        header = call.header(b"authorization")
        if header is None:
            return False
        try:
            with self._installation.database.read() as session:
                actor: Actor = self._installation.authenticate(session, credentials_of(header.decode("latin-1")))
        except ModelyardError:
            return False
        return actor.is_administrator


def _answered(route: OperatorRoute, call: Call) -> Answer:
    try:
        return route.answer(call)
    except ModelyardError as error:
        return 503, error.message.encode() + b"\n", TEXT


def _in_words(found: Readiness) -> dict[str, str]:
    return {name: trouble or "ready" for name, trouble in found.parts.items()}


def _is_this_machine(client: str) -> bool:
    try:
        return ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False

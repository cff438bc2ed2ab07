"""Routes of the MLflow protocol: one dictionary, every prefix leading to the same handler.

Served below a project's address (`/api/v4/projects/:id/ml/mlflow`) and at the server's root; there the project is the
workspace that the client names, or the token's default project. `/api/2.0`, `/api/3.0`, `/ajax-api/…` and `preview/`
are the same to us.

A *cold* route is a function `(asked, body) -> answer` that runs on a thread; it opens its session with `asked.read()`
or `asked.write()` and calls one use case. A *hot* route gets the call itself, on the event loop (`hot_routes.py`).
Streams (artifacts) are ASGI and are found with `find_stream`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.namespaces.tables import Project
from modelyard.entrypoints.mlflow.admission import admission_of, check_policy, counted, identify
from modelyard.entrypoints.mlflow.errors import JSON_HEADERS, EndpointNotFound, WrongMethod, error_answer
from modelyard.entrypoints.mlflow.wire import decode_body, decode_query, encode
from modelyard.entrypoints.request import Admission, Installation, Policy, refuse_undeclared
from modelyard.platform.database import Session
from modelyard.platform.errors import Busy, Invalid, TooLarge
from modelyard.platform.http import Asgi, Call, Direct, Headers, event_loop_turn
from modelyard.platform.observing import under_route
from modelyard.platform.settings import MEBIBYTE
from modelyard.platform.telemetry import Facts, note_actor, on_behalf_of

Body = TypeVar("Body")
Body_contra = TypeVar("Body_contra", contravariant=True)

PROJECT_PREFIX = b"/api/v4/projects/"
MLFLOW_PREFIX = b"/ml/mlflow"
API_PREFIXES = tuple(
    b"/" + api + b"/" + version + b"/" + preview
    for api in (b"api", b"ajax-api")
    for version in (b"2.0", b"3.0")
    for preview in (b"preview/", b"")
)
_API_CALLS = tuple(prefix + name for prefix in API_PREFIXES for name in (b"mlflow/", b"mlflow-artifacts/"))
PAGE_AS_TRACKING_URI = (
    "This is the address of a page for browsers. The tracking URI of a project stands on the project's overview page"
    " and ends in /api/v4/projects/ID/ml/mlflow."
)
# Addresses whose route is remembered: one for each project and route.
MOST_KNOWN = 5000
MOST_BYTES = 4 * MEBIBYTE


def always(_call: Call) -> bool:
    """For routes whose every call is heavy."""
    return True


class Nothing(msgspec.Struct):
    """A body or query without parameters."""


@dataclass(frozen=True)
class Asked:
    """One request to a cold route. `variables` are the parts of the path that its pattern names."""

    installation: Installation
    call: Call
    credentials: bytes
    reference: bytes
    variables: dict[str, str]

    @contextmanager
    def read(self) -> Iterator[tuple[Session, Actor, Project]]:
        """A session that reads, who asks, and the project that the request names."""
        with self.installation.database.read() as session:
            yield session, *self._who_and_where(session)

    @contextmanager
    def write(self) -> Iterator[tuple[Session, Actor, Project]]:
        """The same with a session that writes; leaving it commits."""
        # Who asks is settled before the pen is taken, so that strangers never hold it.
        admission = self.admission()
        with self.installation.database.write(changes_access=False) as session:
            yield session, admission.actor, get_project(session, admission.actor, admission.project_id)

    def admission(self) -> Admission:
        """Who asks and where, possibly from the last two seconds.

        Raises:
            Unauthenticated, NotFound
        """
        return admission_of(self.installation, self.credentials, self.reference)

    def _who_and_where(self, session: Session) -> tuple[Actor, Project]:
        admission = self.admission()
        return admission.actor, get_project(session, admission.actor, admission.project_id)


class ColdHandler(Protocol[Body_contra]):
    """A function behind a cold route; the answer is a struct or mapping, encoded as JSON, or bytes as they are."""

    def __call__(self, asked: Asked, body: Body_contra, /) -> object: ...


@dataclass(frozen=True)
class Route(Generic[Body]):
    """One route. `path` is what follows the prefix, such as `mlflow/runs/get`; `{name}` stands for one segment."""

    method: str
    path: str
    policy: Policy
    cold: ColdHandler[Body] | None = None
    hot: "Callable[[Installation, Call, bytes, bytes], None] | None" = None
    stream: "Callable[[StreamAsked], Asgi] | None" = None
    is_heavy: "Callable[[Call], bool] | None" = None
    body: type[Body] | None = None
    most_bytes: int = MOST_BYTES
    decoder: "msgspec.json.Decoder[Any] | None" = field(default=None, compare=False)


@dataclass(frozen=True)
class StreamAsked:
    """One request to a streaming route, before its body is read."""

    installation: Installation
    reference: bytes
    variables: dict[str, str]
    policy: Policy


class Routes:
    """All routes of the protocol; files of nouns add theirs with `cold`, `hot` and `stream`."""

    def __init__(self) -> None:
        self.all: list[Route[Any]] = []
        self._exact: dict[tuple[str, str], Route[Any]] = {}
        self._patterns: list[tuple[list[str], Route[Any]]] = []

    def add(self, route: Route[Any]) -> None:
        """Mount a route.

        Raises:
            UndeclaredRouteError: it says nothing about who may use it.
        """
        refuse_undeclared(route.policy, route.method, route.path)
        self.all.append(route)
        if "{" in route.path:
            self._patterns.append((route.path.split("/"), route))
        else:
            self._exact[route.method, route.path] = route

    def cold(
        self,
        method: str,
        path: str,
        policy: Policy,
        body: type[Body],
        *,
        most_bytes: int = MOST_BYTES,
        is_heavy: Callable[[Call], bool] | None = None,
    ) -> Callable[[ColdHandler[Body]], ColdHandler[Body]]:
        """Declare the function below as a cold route. `is_heavy` tells a call that may take long from the others."""

        def declare(handler: ColdHandler[Body]) -> ColdHandler[Body]:
            decoder = msgspec.json.Decoder(body)
            self.add(
                Route(
                    method,
                    path,
                    policy,
                    cold=handler,
                    is_heavy=is_heavy,
                    body=body,
                    most_bytes=most_bytes,
                    decoder=decoder,
                )
            )
            return handler

        return declare

    def hot(
        self,
        method: str,
        path: str,
        policy: Policy,
        handler: Callable[[Installation, Call, bytes, bytes], None],
        *,
        most_bytes: int,
    ) -> None:
        """Declare a hot route: its handler gets the installation, the call, the credentials and the project's name."""
        self.add(Route[Nothing](method, path, policy, hot=handler, most_bytes=most_bytes))

    def stream(
        self, method: str, path: str, policy: Policy
    ) -> Callable[[Callable[[StreamAsked], Asgi]], Callable[[StreamAsked], Asgi]]:
        """Declare the function below as a streaming route; it returns an ASGI application.

        A last `{path...}` takes the rest of the path.
        """

        def declare(handler: Callable[[StreamAsked], Asgi]) -> Callable[[StreamAsked], Asgi]:
            self.add(Route[Nothing](method, path, policy, stream=handler))
            return handler

        return declare

    def find(self, method: str, path: str) -> tuple[Route[Any], dict[str, str]] | None:
        """The route and the variables of a path without its prefix."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, {}
        parts = path.split("/")
        for pattern, route in self._patterns:
            if route.method == method and (variables := _fits(pattern, parts)) is not None:
                return route, variables
        return None

    def methods_of(self, path: str) -> list[str]:
        """Methods under which a path exists."""
        return sorted({route.method for route in self.all if self.find(route.method, path)})


def _fits(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    takes_rest = pattern[-1].endswith("...}")
    if len(parts) < len(pattern) or (len(parts) > len(pattern) and not takes_rest):
        return None
    variables: dict[str, str] = {}
    for index, piece in enumerate(pattern):
        if piece.endswith("...}"):
            variables[piece[1:-4]] = "/".join(parts[index:])
        elif piece.startswith("{"):
            variables[piece[1:-1]] = parts[index]
        elif piece != parts[index]:
            return None
    return variables


def split_address(path: bytes) -> tuple[bytes, bytes] | None:
    """A raw path as the project's reference (empty at the root) and the rest; None when it is not MLflow's."""
    if path.startswith(PROJECT_PREFIX):
        end = path.find(b"/", len(PROJECT_PREFIX))
        if end < 0 or not path.startswith(MLFLOW_PREFIX, end):
            return None
        rest = path[end + len(MLFLOW_PREFIX) :]
        if rest and not rest.startswith(b"/"):
            return None
        return unquote_to_bytes(path[len(PROJECT_PREFIX) : end]), rest or b"/"
    return b"", path


def _is_below_a_page(path: bytes) -> bool:
    """Whether a client was given the address of a page, of a project or its experiments, as its tracking URI."""
    for call in _API_CALLS:
        page, found, _ = path.partition(call)
        if found and page:
            # Below other pages such a path may be that of a file.
            return b"/-/" not in page or b"/-/ml/experiments" in page
    return False


def _decoded(path: bytes) -> str:
    """A path as text. Where it is no UTF-8 stands U+FFFD, which no route, id or file name has."""
    return unquote_to_bytes(path).decode("utf-8", "replace")


def without_prefix(rest: bytes) -> str | None:
    """`mlflow/runs/get` from any of the API prefixes; paths directly below the base keep their slash."""
    for prefix in API_PREFIXES:
        if rest.startswith(prefix):
            return _decoded(rest[len(prefix) :])
    return None


class Dispatcher:
    """Finds the route of a call; made once for an installation."""

    def __init__(self, installation: Installation, routes: Routes) -> None:
        self.installation = installation
        self.routes = routes
        self._known: dict[tuple[str, bytes], Direct] = {}

    def match(self, method: str, path: bytes) -> Direct | None:
        """How a call is answered directly; None when it is not MLflow's, or is a stream."""
        known = self._known.get((method, path))
        if known is not None:
            return known
        found = self._find(method, path)
        if found is None:
            return None
        direct, is_cacheable = found
        if is_cacheable:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[method, path] = direct
        return direct

    def find_stream(self, method: str, path: bytes) -> Asgi | None:
        """The ASGI application of a streaming route."""
        address = split_address(path)
        if address is None:
            return None
        reference, rest = address
        found = self.routes.find(method, _route_name(rest))
        if found is None or found[0].stream is None:
            return None
        route, variables = found
        handler = route.stream
        if handler is None:
            return None
        return under_route(route.path, handler(StreamAsked(self.installation, reference, variables, route.policy)))

    def _find(self, method: str, path: bytes) -> tuple[Direct, bool] | None:
        address = split_address(path)
        if address is None:
            return None
        reference, rest = address
        name = _route_name(rest)
        found = self.routes.find(method, name)
        if found is None and not reference and _is_below_a_page(rest):
            return self._refuse(Invalid(PAGE_AS_TRACKING_URI)), False
        if found is None:
            # The bare address of a project is a page, for people who open what the client printed.
            is_ours = (bool(reference) and rest.strip(b"/") != b"") or without_prefix(rest) is not None
            return (self._refuse(self._missing(method, name)), False) if is_ours else None
        route, variables = found
        if route.stream is not None:
            return None
        if route.hot is not None:
            return self._hot(route, reference), True
        return self._cold(route, reference, variables), not variables

    def _missing(self, method: str, name: str) -> Exception:
        methods = self.routes.methods_of(name)
        if methods:
            return WrongMethod(f"Use {' or '.join(methods)} here.")
        return EndpointNotFound(f"This server has no endpoint {method} {name[:200]}.")

    def _hot(self, route: Route[Any], reference: bytes) -> Direct:
        installation, handler = self.installation, route.hot
        assert handler is not None  # noqa: S101  # the caller saw it

        def handle(call: Call) -> None:
            credentials, named = identify(call.headers, reference)
            handler(installation, call, credentials, named)

        return Direct(handle, route.most_bytes, too_large, f"{route.method} {route.path}")

    def _cold(self, route: Route[Any], reference: bytes, variables: dict[str, str]) -> Direct:
        installation, is_heavy = self.installation, route.is_heavy

        def handle(call: Call) -> None:
            crew = installation.heavy if is_heavy is not None and is_heavy(call) else installation.pool
            try:
                crew.submit(self._run, route, call, reference, variables, event_loop_turn())
            except Busy as error:
                call.reply(*error_answer(error))

        return Direct(handle, route.most_bytes, too_large, f"{route.method} {route.path}")

    def _run(self, route: Route[Any], call: Call, reference: bytes, variables: dict[str, str], turn: "Turn") -> None:
        """A cold route on its thread; the answer goes back to the event loop."""
        call.facts = Facts()
        with on_behalf_of(call.facts):
            try:
                answer = self._answer(route, call, reference, variables)
            except Exception as error:  # edge: every error becomes an answer
                answer = error_answer(error)
        turn(call.reply, *answer)

    def _answer(
        self, route: Route[Any], call: Call, reference: bytes, variables: dict[str, str]
    ) -> tuple[int, bytes, Headers]:
        installation = self.installation
        credentials, named = identify(call.headers, reference)
        asked = Asked(installation, call, credentials, named, variables)
        body_type, handler = route.body, route.cold
        assert body_type is not None  # noqa: S101  # cold routes have both
        assert handler is not None  # noqa: S101
        if not route.policy.is_public:
            # Nobody learns from our parser what they may not ask.
            admission = counted(installation, call.client, call.headers, asked.admission)
            check_policy(route.policy, admission)
            note_actor(admission.actor.user_id)
        if call.method == "GET":
            body = decode_query(body_type, call.query)
        else:
            _check_content_type(call)
            assert route.decoder is not None  # noqa: S101
            body = decode_body(route.decoder, body_type, call.body)
        answered = handler(asked, body)
        if isinstance(answered, bytes):
            return 200, answered, [(b"content-type", b"text/plain; charset=utf-8")]
        return 200, encode({} if answered is None else answered), JSON_HEADERS

    def _refuse(self, error: Exception) -> Direct:
        def handle(call: Call) -> None:
            call.reply(*error_answer(error))

        return Direct(handle, MOST_BYTES, too_large)


Turn = Callable[..., object]


def _route_name(rest: bytes) -> str:
    name = without_prefix(rest)
    if name is not None:
        return name
    return _decoded(rest)


def _check_content_type(call: Call) -> None:
    """Browsers send other sites' forms without asking as anything but JSON."""
    kind = call.header(b"content-type") or b""
    if call.body and kind.partition(b";")[0].strip().lower() != b"application/json":
        raise Invalid("Bad Request. Content-Type must be 'application/json'.")


def too_large(call: Call) -> None:
    """Answer to a body over its route's limit."""
    call.reply(*error_answer(TooLarge("The body of this request is too large. Send less at once.")))

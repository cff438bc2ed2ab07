"""What all ways in share: the parts of a running server, who asks, and whether they may.

Every route declares a `Policy`; one that does not cannot be mounted. The policy says who may knock; the use case behind
it asks `require` for the very thing, so that no way in can forget it.
"""

import base64
import binascii
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from modelyard.domains.accounts.actor import ANONYMOUS, Actor
from modelyard.domains.accounts.sign_in import actor_of_session, note_session_use
from modelyard.domains.accounts.tokens import actor_of_token, note_token_use
from modelyard.domains.namespaces.access import Ability, Standing, standing
from modelyard.domains.namespaces.place_tokens import default_project
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.hot.lane import Lane
from modelyard.platform.background import Background
from modelyard.platform.clock import now_ms
from modelyard.platform.crews import Crew, cores
from modelyard.platform.crypto import ServerKey
from modelyard.platform.database import Database, Session
from modelyard.platform.errors import ModelyardError, NotFound, Unauthenticated
from modelyard.platform.http import Headers
from modelyard.platform.observing import Observer
from modelyard.platform.proxies import Proxies, holder_of
from modelyard.platform.rates import limit
from modelyard.platform.reservations import Reservations
from modelyard.platform.settings import Settings
from modelyard.platform.storage.blobs import BlobStore
from modelyard.platform.telemetry import note_actor

log = logging.getLogger(__name__)

CACHE_SECONDS = 2.0
MOST_CACHED = 10_000
# All of them together are fewer than the connections of a process to its database (`database.POOL_SIZE`).
ORDINARY_THREADS = 10
LOOK_UP_THREADS = 3
PASSWORD_THREADS = 2
# One interpreter computes one thing at a time, so more cores help only while SQLite or zstandard work beside it.
HEAVY_THREADS = min(max(cores(), 2), 4)
USE_GRAIN_MS = 600_000


class Limits:
    """How often things may be done on this server; None where any number is allowed."""

    def __init__(self, settings: Settings) -> None:
        self.users = limit("user", settings.limit_user_per_minute, 60, what="requests of one user")
        self.addresses = limit(
            "address", settings.limit_address_per_minute, 60, what="requests from one address that is not signed in"
        )
        self.projects = limit("project", settings.limit_project_per_second, 1, what="requests to one project")
        self.tokens = limit("token", settings.limit_token_per_second, 1, what="requests with one access token")
        self.runs = limit("runs", settings.limit_runs_per_second, 1, what="new runs in one project")
        self.has_tracking = self.projects is not None or self.tokens is not None

    def count_tracking(self, admission: "Admission") -> None:
        """Count a request of the MLflow protocol. To be called only if `has_tracking`.

        Raises:
            LimitReachedError
        """
        if self.tokens is not None and admission.actor.token_id is not None:
            self.tokens.take(admission.actor.token_id)
        if self.projects is not None:
            self.projects.take(admission.project_id)


class UndeclaredRouteError(RuntimeError):
    """A route without a policy: the server does not start with one."""


@dataclass(frozen=True)
class Policy:
    """Who may knock at a route. `ability` is what its use case will ask for in the place that the request names."""

    ability: Ability | None = None
    is_public: bool = False
    reason: str = ""

    @property
    def is_declared(self) -> bool:
        """Whether it says anything: an ability, or the reason why none is asked for."""
        return self.ability is not None or bool(self.reason)


def refuse_undeclared(policy: Policy | None, method: str, path: str) -> Policy:
    """The policy of a route that is to be mounted.

    Raises:
        UndeclaredRouteError: it says nothing about who may use the route.
    """
    if policy is None or not policy.is_declared:
        raise UndeclaredRouteError(f"{method} {path} declares no policy.")
    return policy


def public(reason: str) -> Policy:
    """Open to anybody, with the reason why that is right."""
    return Policy(is_public=True, reason=reason)


def needs(ability: Ability) -> Policy:
    """Open to whoever has this ability in the place that the request names."""
    return Policy(ability=ability)


SIGNED_IN = Policy(reason="Any signed-in user, about themselves or what they can see.")


@dataclass(frozen=True, slots=True)
class Admission:
    """An actor at a project: what a request that names both has to know. Valid for a moment only."""

    actor: Actor
    project_id: int
    project_path: str
    standing: Standing
    expires: float
    generation: int


@dataclass
class Installation:
    """The parts of one running server. Assembled once, in `app.py`.

    Requests are done by crews of threads. `pool` does what is ordinary; `heavy` what may take more than 50 ms, such as
    long histories, searches and tables; `look_ups` finds out who asks and where, so that logging waits for neither;
    `passwords` hashes them.
    """

    settings: Settings
    database: Database
    key: ServerKey
    lane: Lane
    store: BlobStore
    pool: Crew = field(default_factory=partial(Crew, "request", ORDINARY_THREADS, most_waiting=1000))
    heavy: Crew = field(default_factory=partial(Crew, "heavy", HEAVY_THREADS, most_waiting=200))
    look_ups: Crew = field(default_factory=partial(Crew, "look-up", LOOK_UP_THREADS, most_waiting=2000))
    passwords: Crew = field(default_factory=partial(Crew, "password", PASSWORD_THREADS, most_waiting=40))
    observer: Observer = field(default_factory=Observer)
    background: Background = field(default_factory=Background)
    reservations: Reservations = field(default_factory=Reservations)
    proxies: Proxies = field(init=False)
    limits: Limits = field(init=False)
    is_stopping: bool = False
    has_failed: bool = False
    _has_warned: bool = False
    _admissions: dict[tuple[bytes, bytes], Admission] = field(default_factory=dict)
    _noted: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.proxies = Proxies(self.settings.trusted_proxies)
        self.limits = Limits(self.settings)

    @property
    def crews(self) -> tuple[Crew, ...]:
        """All threads that answer requests."""
        return self.pool, self.heavy, self.look_ups, self.passwords

    def client_of(self, peer: str, headers: Headers) -> str:
        """What stands for the client of a request when it is counted: its address, or for IPv6 its network."""
        if (
            not self._has_warned
            and not self.proxies.trusts(peer)
            and any(it == b"x-forwarded-for" for it, _ in headers)
        ):
            self._has_warned = True
            log.warning(
                "Requests come through a proxy at %s that MODELYARD_TRUSTED_PROXIES does not name:"
                " all its visitors are counted as one.",
                peer,
            )
        return holder_of(self.proxies.client_of(peer, headers))

    def count_stranger(self, peer: str, headers: Headers) -> None:
        """Count a request of somebody who is not signed in, or whose credentials are wrong.

        Raises:
            LimitReachedError
        """
        if self.limits.addresses is not None:
            self.limits.addresses.take(self.client_of(peer, headers))

    def known_admission(self, credentials: bytes, reference: bytes) -> Admission | None:
        """An admission from the last two seconds, unless something was changed since."""
        found = self._admissions.get((credentials, reference))
        if found is None or found.expires < time.monotonic() or found.generation != self.database.generation:
            return None
        return found

    def admit(self, session: Session, actor: Actor, credentials: bytes, reference: bytes) -> Admission:
        """Look an actor and a project up, and remember both for two seconds.

        `reference` is a project's number or path, empty for the token's default project.

        Raises:
            NotFound
        """
        generation = self.database.generation
        project = named_project(session, actor, reference.decode("utf-8", "replace"))
        admission = Admission(
            actor,
            project.id,
            project.full_path,
            standing(session, actor, project),
            time.monotonic() + CACHE_SECONDS,
            generation,
        )
        if len(self._admissions) >= MOST_CACHED:
            self._admissions.clear()
        self._admissions[credentials, reference] = admission
        return admission

    def authenticate(self, session: Session, credentials: "Credentials") -> Actor:
        """Who asks. Nobody at all is the anonymous actor; wrong credentials are refused.

        Raises:
            Unauthenticated
        """
        if credentials.token:
            actor = actor_of_token(session, self.key, credentials.token)
        elif credentials.cookie:
            settings = self.settings
            actor = actor_of_session(
                session, self.key, credentials.cookie, idle_s=settings.session_idle_s, most_s=settings.session_max_s
            )
        else:
            return ANONYMOUS
        self._note_use(actor)
        note_actor(actor.user_id)
        return actor

    def _note_use(self, actor: Actor) -> None:
        """Write down in the background, now and then, that a token or session is in use."""
        kind, number = ("token", actor.token_id) if actor.token_id is not None else ("session", actor.session_id)
        if number is None or self._noted.get((kind, number), 0) > now_ms() - USE_GRAIN_MS:
            return
        if len(self._noted) >= MOST_CACHED:
            self._noted.clear()
        self._noted[kind, number] = now_ms()
        note: Callable[[Session, int], None] = note_token_use if kind == "token" else note_session_use
        if not self.is_stopping:
            # Nobody waits for it; it is one in ten minutes for each token and session.
            self.pool.go_on(self._write_use, note, number)

    def _write_use(self, note: Callable[[Session, int], None], number: int) -> None:
        with self.database.write(changes_access=False) as session:
            note(session, number)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows of itself: a token, or a browser's cookie."""

    token: str = ""
    cookie: str = ""


def credentials_of(
    authorization: str | None, private_token: str | None = None, cookie: str | None = None
) -> Credentials:
    """From the headers `Authorization` (Bearer, or Basic with the token as password) and `PRIVATE-TOKEN`.

    Raises:
        Unauthenticated: the header cannot be read.
    """
    if private_token:
        return Credentials(token=private_token.strip())
    if not authorization:
        return Credentials(cookie=cookie or "")
    kind, _, rest = authorization.partition(" ")
    if kind.lower() == "bearer":
        return Credentials(token=rest.strip())
    if kind.lower() == "basic":
        try:
            _, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            password = ""
        if password:
            return Credentials(token=password)
    raise Unauthenticated("Send an access token as `Authorization: Bearer TOKEN`, or as the password of HTTP Basic.")


def named_project(session: Session, actor: Actor, reference: str) -> Project:
    """The project that a request names, by number or path; without a name the token's default project.

    Raises:
        NotFound
    """
    if reference:
        return get_project(session, actor, reference)
    project = default_project(session, actor)
    if project is None:
        raise NotFound(
            "This address names no project. Use the project's own address as tracking URI"
            " (…/api/v4/projects/ID/ml/mlflow), set MLFLOW_WORKSPACE to its path, or use a project's access token."
        )
    return project


def asks_who(error: ModelyardError, actor: Actor) -> bool:
    """Whether an error should rather ask nobody in particular to sign in."""
    return actor.is_anonymous and isinstance(error, NotFound)

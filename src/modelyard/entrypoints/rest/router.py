"""Routes of REST: each declares its policy, and a way in that is none of these cannot be mounted.

A handler is a plain function of `asked` and of what FastAPI reads for it from the address, the query and the body. It
runs on one of the installation's threads, opens its session with `asked.read()` or `asked.write()` and returns an
answer, a `Listed` page of answers, or nothing. A handler that is `async` streams: it gets its body unread, runs on the
event loop and returns a response.

The address is matched as it was sent, percent-encoded, so that a slash inside a segment stays there.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, Place, require
from modelyard.domains.namespaces.groups import get_group
from modelyard.domains.namespaces.place_tokens import note_reuse
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.entrypoints.request import Installation, Policy, UndeclaredRouteError, credentials_of, refuse_undeclared
from modelyard.entrypoints.rest.bodies import read_parameters
from modelyard.entrypoints.rest.errors import HEADERS, error_response, naming
from modelyard.entrypoints.rest.paging import Listed, page_headers
from modelyard.platform.database import Session
from modelyard.platform.errors import Unauthenticated
from modelyard.platform.telemetry import note_actor

PREFIX = "/api/v4"
PLACES = "{places}"
SAFE = frozenset({"GET", "HEAD"})
NO_CONTENT = 204
# How the addresses end at which a token that was rotated away gives itself up.
ROTATION = "/rotate"

HandlerT = TypeVar("HandlerT", bound=Callable[..., object])


@dataclass(frozen=True)
class Declared:
    """One route as its file declares it. `answer`: what the handler returns; a list for pages, `bytes` for files."""

    method: str
    path: str
    policy: Policy
    handler: Callable[..., object]
    answer: Any
    status: int
    tag: str

    @property
    def streams(self) -> bool:
        return inspect.iscoroutinefunction(self.handler)


@dataclass(frozen=True)
class Asked:
    """One request: the server it came to, who asks, what its route declares, and the address that links repeat."""

    installation: Installation
    actor: Actor
    declared: Declared
    address: str
    query: str

    @property
    def url(self) -> str:
        """The server's own address."""
        return self.installation.settings.url

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that reads."""
        with self.installation.database.read() as session:
            yield session

    @contextmanager
    def write(self, *, changes_access: bool = True) -> Iterator[Session]:
        """A session that writes; leaving it commits."""
        with self.installation.database.write(changes_access=changes_access) as session:
            yield session

    def project(self, session: Session, reference: str, *, ability: Ability | None = None) -> Project:
        """The project that the address names, if the actor has the ability that the route declares, or another one.

        Raises:
            Missing, NotFound, Forbidden
        """
        with naming("Project"):
            found = get_project(session, self.actor, reference)
        require(session, self.actor, ability or self._ability, found)
        return found

    def group(self, session: Session, reference: str, *, ability: Ability | None = None) -> Namespace:
        """The same for a group.

        Raises:
            Missing, NotFound, Forbidden
        """
        with naming("Group"):
            found = get_group(session, self.actor, reference)
        require(session, self.actor, ability or self._ability, found)
        return found

    def place(self, session: Session, reference: str, *, ability: Ability | None = None) -> Place:
        """The project or group, whichever the route is of.

        Raises:
            Missing, NotFound, Forbidden
        """
        if self.declared.path.startswith("/projects/"):
            return self.project(session, reference, ability=ability)
        return self.group(session, reference, ability=ability)

    @property
    def _ability(self) -> Ability:
        """What the route declares."""
        if self.declared.policy.ability is None:
            raise UndeclaredRouteError("A route that names a group or project declares the ability it takes there.")
        return self.declared.policy.ability


class Routes:
    """The routes of one noun. `{places}` in a path stands for `projects` and `groups`: two routes, one handler."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.all: list[Declared] = []

    def get(
        self, path: str, *, policy: Policy | None = None, answer: object, status: int = 200
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare the function below for GET and HEAD. Its docstring is what the reference says of the route.

        Raises:
            UndeclaredRouteError: it says nothing about who may use it. So for the other methods.
        """
        return self._declare("GET", path, policy, answer, status)

    def post(
        self, path: str, *, policy: Policy | None = None, answer: object, status: int = 201
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare the function below for POST."""
        return self._declare("POST", path, policy, answer, status)

    def put(
        self, path: str, *, policy: Policy | None = None, answer: object, status: int = 200
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare the function below for PUT."""
        return self._declare("PUT", path, policy, answer, status)

    def delete(
        self, path: str, *, policy: Policy | None = None, answer: object = None, status: int = NO_CONTENT
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare the function below for DELETE."""
        return self._declare("DELETE", path, policy, answer, status)

    def _declare(
        self, method: str, path: str, policy: Policy | None, answer: object, status: int
    ) -> Callable[[HandlerT], HandlerT]:
        declared = refuse_undeclared(policy, method, path)

        def declare(handler: HandlerT) -> HandlerT:
            for one in (
                [path.replace(PLACES, places) for places in ("projects", "groups")] if PLACES in path else [path]
            ):
                self.all.append(Declared(method, one, declared, handler, answer, status, self.tag))
            return handler

        return declare


def asked_of(request: Request) -> Asked:
    """What `RestRoute` has found out about a request."""
    asked = request.state.asked
    assert isinstance(asked, Asked)  # noqa: S101  # set before any handler runs
    return asked


async def _asked(request: Request) -> Asked:
    # A coroutine only so that FastAPI does not send it to a thread.
    return asked_of(request)


Asking = Annotated[Asked, Depends(_asked)]


class Endpoint:
    """What FastAPI calls for a route: it has the handler's signature, and runs it where it belongs."""

    def __init__(self, declared: Declared) -> None:
        self.declared = declared
        self.__signature__ = inspect.signature(declared.handler)
        self.__name__ = declared.handler.__name__
        self.__doc__ = declared.handler.__doc__
        self._adapter: TypeAdapter[object] = TypeAdapter(declared.answer)

    async def __call__(self, **values: object) -> Response:
        """The handler's own response, or its answer as one."""
        if self.declared.streams:
            response = self.declared.handler(**values)
            assert isinstance(response, Coroutine)  # noqa: S101  # `streams` says so
            streamed: Response = await response
            return streamed
        asked = values["asked"]
        assert isinstance(asked, Asked)  # noqa: S101  # every handler asks for it
        return await asyncio.get_running_loop().run_in_executor(asked.installation.pool, self._answer, asked, values)

    def _answer(self, asked: Asked, values: dict[str, object]) -> Response:
        """On a thread: call the handler, and write its answer as JSON."""
        answer = self.declared.handler(**values)
        if isinstance(answer, Response):
            return answer
        if self.declared.status == NO_CONTENT:
            return Response(status_code=NO_CONTENT, headers=HEADERS)
        headers = HEADERS
        if isinstance(answer, Listed):
            headers = HEADERS | page_headers(answer, asked.address, asked.query)
            answer = list(answer.items)
        content = self._adapter.dump_json(answer, by_alias=True)
        return Response(content, self.declared.status, headers, media_type="application/json")


class RestRoute(APIRoute):
    """A route of FastAPI that finds out who asks before anything of the request is read, and answers every error."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler behind the door.

        Raises:
            UndeclaredRouteError: the route was added without `Routes`.
        """
        endpoint = self.endpoint
        if not isinstance(endpoint, Endpoint):
            raise UndeclaredRouteError(f"{self.path} declares no policy: add it with `Routes`.")
        declared = endpoint.declared
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                request.state.asked = await _admitted(request, declared)
                reads_body = self.body_field is not None and not declared.streams
                response = await inner(await read_parameters(request) if reads_body else request)
                response.headers.update(_allowance(asked_of(request)))
                return response
            except ClientDisconnect:
                # Nobody is there to be answered, and nothing was begun.
                return Response(status_code=400)
            except Exception as error:  # edge: every error becomes an answer
                return error_response(error, is_anonymous=not _shows_credentials(request))

        return handle


def _allowance(asked: Asked) -> dict[str, str]:
    """What is left of the actor's limit, for the answer's headers."""
    users = asked.installation.limits.users
    return {} if users is None or asked.actor.is_anonymous else users.allowance(asked.actor.user_id).headers()


def _shows_credentials(request: Request) -> bool:
    return "authorization" in request.headers or "private-token" in request.headers


async def _admitted(request: Request, declared: Declared) -> Asked:
    """Who asks, unless they are nobody and the route is not for them."""
    installation: Installation = request.app.state.installation
    # Cookies count for nothing here, so that no other site's page can act through a browser.
    credentials = credentials_of(request.headers.get("authorization"), request.headers.get("private-token"))

    def authenticated() -> Actor:
        try:
            with installation.database.read() as session:
                return installation.authenticate(session, credentials)
        except Unauthenticated:
            if credentials.token and declared.path.endswith(ROTATION):
                with installation.database.write() as session:
                    note_reuse(session, installation.key, credentials.token)
            raise

    peer = request.client.host if request.client else ""
    try:
        actor = await asyncio.get_running_loop().run_in_executor(installation.look_ups, authenticated)
    except Unauthenticated:
        installation.count_stranger(peer, request.scope["headers"])
        raise
    note_actor(actor.user_id)
    if actor.is_anonymous:
        installation.count_stranger(peer, request.scope["headers"])
    elif installation.limits.users is not None:
        installation.limits.users.take(actor.user_id)
    policy = declared.policy
    may_be_anybody = policy.is_public or (policy.ability is not None and request.method in SAFE)
    if actor.is_anonymous and not may_be_anybody:
        raise Unauthenticated("Sign in first.")
    address = f"{installation.settings.url}{request.scope['path']}"
    return Asked(installation, actor, declared, address, request.scope["query_string"].decode("latin-1"))

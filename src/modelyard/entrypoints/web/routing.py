"""The table of pages, and what happens around each: proof of origin, a thread, and errors as pages.

Every page declares its policy; one that does not cannot be mounted.
"""

import asyncio
import contextlib
import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from modelyard.entrypoints.request import Installation, Policy, refuse_undeclared
from modelyard.entrypoints.web.assets import URL_PREFIX, Assets, load_assets
from modelyard.entrypoints.web.errors import answer_crash, answer_error, answer_in_words
from modelyard.entrypoints.web.security import CSRF_FIELD, CSRF_HEADER, SAFE_METHODS, check_csrf, check_origin
from modelyard.entrypoints.web.static import StaticFiles
from modelyard.entrypoints.web.templating import template_environment
from modelyard.entrypoints.web.visit import Visit
from modelyard.platform.crews import Crew
from modelyard.platform.errors import Busy, ModelyardError, NotFound, TooLarge
from modelyard.platform.telemetry import Facts, current_facts

Handler = Callable[[Visit], Response]
StreamHandler = Callable[[Visit], Awaitable[Response]]
MOST_FORM_BYTES = 1024 * 1024
MOST_PASSWORD_FORM_BYTES = 4096
NO_PAGE = "There is no page at this address."
_FORM_KINDS = ("application/x-www-form-urlencoded", "multipart/form-data")

log = logging.getLogger(__name__)


class Crews(Enum):
    """Whose threads run a page."""

    ORDINARY = auto()
    HEAVY = auto()
    PASSWORDS = auto()

    def of(self, installation: Installation) -> Crew:
        """The crew of an installation."""
        match self:
            case Crews.ORDINARY:
                return installation.pool
            case Crews.HEAVY:
                return installation.heavy
            case Crews.PASSWORDS:
                return installation.passwords


@dataclass(frozen=True)
class PageRoute:
    """One page: `path` as Starlette writes it. A streaming one runs on the event loop and reads its own body."""

    method: str
    path: str
    policy: Policy
    handler: Handler | None = None
    stream: StreamHandler | None = None
    crew: Crews = Crews.ORDINARY
    most_bytes: int = MOST_FORM_BYTES


class Pages:
    """All pages; the files of nouns add theirs with `get`, `post` and `stream`."""

    def __init__(self) -> None:
        self.all: list[PageRoute] = []

    def add(self, route: PageRoute) -> None:
        """Mount a page.

        Raises:
            UndeclaredRouteError: it says nothing about who may see it.
        """
        refuse_undeclared(route.policy, route.method, route.path)
        self.all.append(route)

    def get(self, path: str, policy: Policy, handler: Handler, *, is_heavy: bool = False) -> None:
        """Declare a page; one that may take long is heavy."""
        crew = Crews.HEAVY if is_heavy else Crews.ORDINARY
        self.add(PageRoute("GET", path, policy, handler, crew=crew))

    def post(self, path: str, policy: Policy, handler: Handler, *, takes_password: bool = False) -> None:
        """Declare what a form is sent to; one with passwords is small, and they are hashed by a crew of their own."""
        crew, most_bytes = (
            (Crews.PASSWORDS, MOST_PASSWORD_FORM_BYTES) if takes_password else (Crews.ORDINARY, MOST_FORM_BYTES)
        )
        self.add(PageRoute("POST", path, policy, handler, crew=crew, most_bytes=most_bytes))

    def stream(self, method: str, path: str, policy: Policy, handler: StreamHandler) -> None:
        """Declare a page that answers, or is sent, piece by piece."""
        self.add(PageRoute(method, path, policy, stream=handler))


def create_pages(installation: Installation, pages: Pages) -> Starlette:
    """The pages as an ASGI application; anything that is none of them answers with the page for that."""
    register_url_convertor("int", _Number())
    edge = _Edge(installation, load_assets())
    routes = [Route(URL_PREFIX + "{name:path}", StaticFiles().serve, methods=["GET"])]
    routes += [Route(page.path, edge.endpoint(page), methods=[page.method]) for page in pages.all]
    return Starlette(routes=routes, exception_handlers={HTTPException: edge.no_page})


class _Number(Convertor[int]):
    """Starlette's own takes any number of digits; ours fits a column, and an address with more is none of ours."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


class _Edge:
    """Runs pages for requests of one installation."""

    def __init__(self, installation: Installation, assets: Assets) -> None:
        self._installation = installation
        self._assets = assets
        self._templates = template_environment(assets)

    def _visit(self, request: Request, *, is_public: bool = False) -> Visit:
        return Visit(self._installation, self._assets, self._templates, request, is_public)

    def endpoint(self, page: PageRoute) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            visit = self._visit(request, is_public=page.policy.is_public)
            try:
                if request.method not in SAFE_METHODS:
                    await self._admit(visit, page)
                if page.stream is not None:
                    return await page.stream(visit)
                assert page.handler is not None  # noqa: S101  # a page has a handler or a stream
                return await self._on_thread(page.handler, visit, page.crew.of(self._installation))
            except ModelyardError as error:
                return await self._told(functools.partial(_shown, error=error), visit)
            except ClientDisconnect:
                raise
            except Exception:  # edge: a page that fails is answered, and the log says why
                facts = current_facts() or Facts()
                log.exception("The page %s failed.", visit.path, extra={"facts": facts})
                return await self._told(functools.partial(answer_crash, request_id=facts.request_id), visit)

        return answer

    async def no_page(self, request: Request, fault: Exception) -> Response:
        """An address, or a method, that no page has."""
        visit = self._visit(request)
        response = await self._told(functools.partial(_shown, error=NotFound(NO_PAGE)), visit)
        if isinstance(fault, HTTPException) and fault.status_code == 405:  # noqa: PLR2004  # the method is wrong
            response.status_code = 405
            response.headers.update(fault.headers or {})
        return response

    async def _told(self, handler: Handler, visit: Visit) -> Response:
        """The page for an error; where there is no thread left to make one, a sentence."""
        try:
            return await self._on_thread(handler, visit)
        except Busy as busy:
            return answer_in_words(busy)

    async def _admit(self, visit: Visit, page: PageRoute) -> None:
        """Prove that an unsafe request comes from one of our own pages, and read its form."""
        check_origin(visit.request, self._installation.settings.url)
        if page.handler is not None:
            visit.form = await _read_form(visit.request, page.most_bytes)
        given = visit.request.headers.get(CSRF_HEADER) or visit.field(CSRF_FIELD)
        check_csrf(self._installation.key, visit.known_cookie, given)

    async def _on_thread(self, handler: Handler, visit: Visit, crew: Crew | None = None) -> Response:
        # The context goes along, so that the log knows there too for which request a line was written.
        run = contextvars.copy_context().run
        return await asyncio.get_running_loop().run_in_executor(crew or self._installation.pool, run, handler, visit)


def _shown(visit: Visit, error: ModelyardError) -> Response:
    """An error page in the chrome of whoever asked; who that is may not be known yet."""
    with contextlib.suppress(ModelyardError), visit.installation.database.read() as session:
        visit.identify(session)
    return answer_error(visit, error)


async def _read_form(request: Request, most_bytes: int) -> FormData:
    """The fields of a form.

    Raises:
        TooLarge
    """
    if not request.headers.get("content-type", "").startswith(_FORM_KINDS):
        return FormData()
    size = 0
    chunks: list[bytes] = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > most_bytes:
            raise TooLarge(f"This form has at most {most_bytes} bytes. Write less.")
        chunks.append(chunk)
    replayed = Request(request.scope, _replay(b"".join(chunks)))
    return await replayed.form(max_files=0, max_fields=200)


def _replay(body: bytes) -> Callable[[], Awaitable[dict[str, object]]]:
    async def receive() -> dict[str, object]:  # ASGI's signature
        return {"type": "http.request", "body": body, "more_body": False}

    return receive

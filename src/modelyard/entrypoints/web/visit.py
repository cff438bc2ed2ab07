"""One request to a page: who asks, what they sent, and how they are answered.

A page is a function `(visit) -> Response` that runs on a thread. It opens its session with `visit.read()` or
`visit.write()`, calls the domain, and answers with `page`, `go` or an error of the product, which `errors` turns into a
page. htmx is told apart by its headers: `is_partial` asks for a region, anything else for the whole page.
"""

import contextlib
import gzip
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from modelyard.domains.accounts.actor import ANONYMOUS, Actor
from modelyard.domains.accounts.users import get_user
from modelyard.entrypoints.request import CACHE_SECONDS, Credentials, Installation
from modelyard.entrypoints.web import flash
from modelyard.entrypoints.web.assets import Assets
from modelyard.entrypoints.web.chrome import (
    HOME,
    Link,
    Preferences,
    Shell,
    Surroundings,
    Toast,
    Viewer,
    as_seen_by,
    preferences_from,
)
from modelyard.entrypoints.web.recollection import Recollection
from modelyard.entrypoints.web.security import csrf_token, page_headers
from modelyard.platform.database import Session
from modelyard.platform.errors import Unauthenticated
from modelyard.platform.telemetry import note_actor

DIALOG_SLOT = "dialog-slot"
VISITOR_COOKIE = "modelyard_visitor"
PRODUCT = "Modelyard"
VARY = "Accept-Encoding, Cookie, HX-Request, HX-Request-Type, HX-Target"
COMPRESSED_FROM_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Where:
    """Where a page stands: its names from the innermost to the outermost, what it belongs to, the way there."""

    titles: tuple[str, ...]
    place: Surroundings = HOME
    crumbs: tuple[Link, ...] = ()


class _Caller(NamedTuple):
    """Whose session a cookie is, and how they like their pages."""

    actor: Actor
    viewer: Viewer
    theme: str


_callers: Recollection[_Caller] = Recollection(lasts_s=CACHE_SECONDS)


@dataclass
class Visit:
    """A request, its form if it has one, and the server it came to."""

    installation: Installation
    assets: Assets
    templates: Environment
    request: Request
    is_public: bool = False
    form: FormData = field(default_factory=FormData)
    actor: Actor = ANONYMOUS
    viewer: Viewer | None = None
    _is_counted: bool = False
    _theme: str = "system"
    _visitor: str = ""

    # What was asked

    @property
    def is_tls(self) -> bool:
        return self.installation.settings.url.startswith("https://")

    @property
    def session_cookie(self) -> str:
        """The name of the session's cookie; under TLS one that no subdomain can set."""
        return "__Host-modelyard_session" if self.is_tls else "modelyard_session"

    @property
    def client(self) -> str:
        """The address that this comes from, as far as it can be trusted; for IPv6 its network."""
        return self.installation.client_of(self._peer, self.request.scope["headers"])

    @property
    def _peer(self) -> str:
        return self.request.client.host if self.request.client else ""

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def address(self) -> str:
        """Path and query, to come back to."""
        return f"{self.path}?{self.request.url.query}" if self.request.url.query else self.path

    @property
    def is_htmx(self) -> bool:
        return self.request.headers.get("hx-request") == "true"

    @property
    def is_partial(self) -> bool:
        """Whether only a region is wanted."""
        return self.request.headers.get("hx-request-type") == "partial"

    @property
    def wants_dialog(self) -> bool:
        """Whether a task is to be shown over the page one is on."""
        return self.wants_region(DIALOG_SLOT)

    def wants_region(self, region: str) -> bool:
        """Whether the element with this id is to be renewed."""
        return self.is_partial and self.request.headers.get("hx-target", "").endswith(f"#{region}")

    def variable(self, name: str) -> str:
        """A part of the path that the route's pattern names."""
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        """The same where the pattern asks for a whole number."""
        return int(self.request.path_params[name])

    def query(self, name: str) -> str:
        """A value of the query, trimmed; empty when it is not there."""
        return self.request.query_params.get(name, "").strip()

    def field(self, name: str) -> str:
        """A text of the form; empty when it is not there."""
        value = self.form.get(name, "")
        return value if isinstance(value, str) else ""

    def fields(self) -> dict[str, object]:
        """What was written, to be shown again; never passwords."""
        return {name: value for name, value in self.form.items() if "password" not in name and isinstance(value, str)}

    # Sessions

    @contextmanager
    def read(self) -> Iterator[tuple[Session, Actor]]:
        """A session that reads, and who asks."""
        with self.installation.database.read() as session:
            self.identify(session)
            yield session, self.actor

    @contextmanager
    def write(self, *, changes_access: bool = True) -> Iterator[tuple[Session, Actor]]:
        """A session that writes; leaving it commits. Who asks is settled afresh before: no stranger holds the pen."""
        self.forget()
        with self.installation.database.read() as session:
            self.identify(session, remembers=False)
        with self.installation.database.write(changes_access=changes_access) as session:
            yield session, self.actor

    def identify(self, session: Session, *, remembers: bool = True) -> None:
        """Find out who asks, and count the request. A session that has ended counts as nobody.

        What `remembers` may be two seconds old where another process has changed it; what this one changes counts at
        once.

        Raises:
            LimitReachedError: they ask too often.
        """
        if not self.actor.is_anonymous:
            return
        cookie = self.request.cookies.get(self.session_cookie, "")
        if cookie:
            key = (cookie, self.installation.database.generation)
            with contextlib.suppress(Unauthenticated):
                self.actor, self.viewer, self._theme = (
                    _callers.recall(key, lambda: self._found(session, cookie))
                    if remembers
                    else self._found(session, cookie)
                )
                note_actor(self.actor.user_id)
        self._count()

    def _found(self, session: Session, cookie: str) -> _Caller:
        actor = self.installation.authenticate(session, Credentials(cookie=cookie))
        user = get_user(session, actor, actor.user_id or 0)
        return _Caller(actor, Viewer(user.name, user.username, user.is_administrator), user.theme)

    def _count(self) -> None:
        """Once for each request, however long it is a stream."""
        if self._is_counted:
            return
        self._is_counted = True
        users = self.installation.limits.users
        if self.actor.is_anonymous:
            self.installation.count_stranger(self._peer, self.request.scope["headers"])
        elif users is not None:
            users.take(self.actor.user_id)

    def forget(self) -> None:
        """Ask anew who this is: before each look of a stream, whose reader may have been signed out or blocked."""
        self.actor = ANONYMOUS
        self.viewer = None

    def require_person(self) -> None:
        """Go on only for somebody who is signed in.

        Raises:
            Unauthenticated
        """
        if self.actor.is_anonymous:
            raise Unauthenticated("Sign in first.")

    # Answers

    @property
    def known_cookie(self) -> str:
        """The cookie that ties forms to this browser: its session's, else the one that visitors are given."""
        cookies = self.request.cookies
        return cookies.get(self.session_cookie) or cookies.get(VISITOR_COOKIE) or ""

    @property
    def browser_cookie(self) -> str:
        """The same, made now for a browser that has none."""
        if not self.known_cookie and not self._visitor:
            self._visitor = secrets.token_urlsafe(24)
        return self.known_cookie or self._visitor

    def preferences(self) -> Preferences:
        """What this browser remembers; the theme else as the person's account has it."""
        chosen = preferences_from(self.request.cookies)
        return chosen if "modelyard_theme" in self.request.cookies else replace(chosen, theme=self._theme)

    def page(
        self,
        template: str,
        where: Where,
        *,
        status: int = 200,
        **context: object,
    ) -> Response:
        """A whole page, or the region of one, made by a template."""
        nonce = secrets.token_urlsafe(16)
        kept = () if self.is_htmx else flash.unsealed(self.installation.key, self.request.cookies.get(flash.COOKIE, ""))
        shell = Shell(
            title=" · ".join((*where.titles, PRODUCT)),
            path=self.address,
            csrf_token=csrf_token(self.installation.key, self.browser_cookie),
            nonce=nonce,
            viewer=self.viewer,
            place=as_seen_by(self.viewer, where.place, self.path),
            crumbs=where.crumbs,
            preferences=self.preferences(),
            toasts=kept,
        )
        html = self.templates.get_template(template).render(shell=shell, **context)
        headers = page_headers(nonce, is_tls=self.is_tls) | {"Vary": VARY}
        body = html.encode()
        if len(body) >= COMPRESSED_FROM_BYTES and "gzip" in self.request.headers.get("accept-encoding", ""):
            body, headers = gzip.compress(body, 1, mtime=0), headers | {"Content-Encoding": "gzip"}
        response = HTMLResponse(body, status, headers)
        if kept:
            response.delete_cookie(flash.COOKIE)
        self._keep_visitor(response)
        return response

    def task(self, template: str, where: Where, *, status: int = 200, **context: object) -> Response:
        """A form or question that is a page of its own, or a dialog when htmx asks for one."""
        layout = "layouts/dialog.html" if self.wants_dialog else "layouts/task.html"
        return self.page(template, where, status=status, **(context | {"layout": layout}))

    def go(self, path: str, toast: Toast | None = None) -> Response:
        """Send the browser to another page of ours, with a message to be shown there."""
        address = quote(path, safe="/:?=&%@+,;~!*'()-._")
        response = (
            Response(status_code=204, headers={"HX-Redirect": address})
            if self.is_htmx
            else RedirectResponse(address, status_code=303)
        )
        if toast is not None:
            response.set_cookie(
                flash.COOKIE,
                flash.sealed(self.installation.key, toast),
                max_age=flash.LIVES_S,
                httponly=True,
                samesite="lax",
                secure=self.is_tls,
            )
        return response

    def _keep_visitor(self, response: Response) -> None:
        if self._visitor:
            response.set_cookie(VISITOR_COOKIE, self._visitor, httponly=True, samesite="lax", secure=self.is_tls)


@dataclass(frozen=True, slots=True)
class Paging:
    """Where a list begins and how it goes on; empty where it does not."""

    first_url: str = ""
    next_url: str = ""


def search_address(path: str, **query: str) -> str:
    """A path with those parts of a query that say something."""
    kept = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)
    return f"{path}?{kept}" if kept else path

"""Server-sent events: an open page hears within a second that its experiment or candidate has changed.

A stream asks the database once a second, as another process may have written, and ends after a minute; the browser
comes back by itself, and is let in anew.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from starlette.responses import Response, StreamingResponse

from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.tracking.experiment_search import read_experiment
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.news import news_of_experiment, version_of_candidate, version_of_experiment
from modelyard.domains.tracking.numbered import read_numbered_candidate
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web.candidate_pages import ALIVE, HEADING
from modelyard.entrypoints.web.candidates import ROUTE
from modelyard.entrypoints.web.navigation import EXPERIMENTS, PROJECT_ROUTE
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import data_headers
from modelyard.entrypoints.web.visit import Visit
from modelyard.platform.errors import Invalid, ModelyardError

EVERY_S = 1.0
LASTS_S = 60
RETRY_MS = 1_000

# Given what was last seen, says what is to be sent, if anything, and whether that was the end.
Look = Callable[[str], tuple[bytes, str, bool]]


def mount(pages: Pages) -> None:
    """Add the streams of this file."""
    read = needs(Ability.READ_TRACKING)
    pages.stream("GET", f"{PROJECT_ROUTE}{EXPERIMENTS}/{{experiment:int}}/live", read, follow_experiment)
    pages.stream("GET", ROUTE + "/live", read, follow_candidate)


async def follow_experiment(visit: Visit) -> Response:
    """Tells of candidates that came or changed after the version `since`."""
    seen = visit.request.headers.get("last-event-id") or visit.query("since")
    if seen and (not seen.isascii() or not seen.isdecimal()):
        raise Invalid("since is the number that the page was given.")

    def look(version: str) -> tuple[bytes, str, bool]:
        with visit.read() as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            if not version:
                experiment = read_experiment(session, actor, project, visit.number("experiment"))
                return b"", str(version_of_experiment(session, actor, project, experiment.id)), False
            news = news_of_experiment(session, actor, project, visit.number("experiment"), int(version))
        if not news.created and not news.changed:
            return b"", version, False
        body = msgspec.json.encode({"created": news.created, "changed": news.changed})
        return _event("change", body, str(news.version)), str(news.version), False

    return await _stream(visit, look, seen)


async def follow_candidate(visit: Visit) -> Response:
    """Tells that something was logged, and ends when the candidate does."""

    def look(version: str) -> tuple[bytes, str, bool]:
        with visit.read() as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=HEADING)
            current = version_of_candidate(session, actor, project, row.id)
        is_over = Status(row.status) not in ALIVE
        changed = _event("change", b'{"changed":1}', current) if version and current != version else b""
        return changed + (_event("end", b"{}", current) if is_over else b""), current, is_over

    return await _stream(visit, look, visit.request.headers.get("last-event-id", ""))


async def _stream(visit: Visit, look: Look, seen: str) -> Response:
    """Answers once the first look has shown that the actor may look at all."""
    loop = asyncio.get_running_loop()
    first = await loop.run_in_executor(visit.installation.pool, look, seen)
    headers = data_headers() | {"X-Accel-Buffering": "no"}
    return StreamingResponse(_events(visit, look, first), media_type="text/event-stream", headers=headers)


async def _events(visit: Visit, look: Look, first: tuple[bytes, str, bool]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    body, version, is_over = first
    yield f"retry: {RETRY_MS}\n\n".encode() + body
    for _ in range(int(LASTS_S / EVERY_S)):
        if is_over or visit.installation.is_stopping:
            return
        await asyncio.sleep(EVERY_S)
        visit.forget()
        try:
            body, version, is_over = await loop.run_in_executor(visit.installation.pool, look, version)
        except (ModelyardError, RuntimeError):
            return  # the right to look has gone, or the server is stopping; a new request will say which
        if body:
            yield body
        else:
            yield b":\n\n"  # tells the server when nobody listens any more


def _event(name: str, body: bytes, version: str) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), version.encode(), body)

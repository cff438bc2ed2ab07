"""Server-sent events: an open page hears within a second that its project, experiment or candidate has changed.

The database is asked once a second for each of them that is followed, as another process may have
written. A page's own reader is asked anew only when there is something to tell. A stream ends after a minute; the
browser comes back by itself, and is let in anew. With `once` it ends at once, for pages that only ask now and then.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.tracking.experiment_search import read_experiment
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.news import (
    news_of_experiment,
    version_from,
    version_of_candidate,
    version_of_experiment,
    version_of_project,
)
from modelyard.domains.tracking.numbered import read_numbered_candidate
from modelyard.entrypoints.request import Installation, needs
from modelyard.entrypoints.web.candidate_pages import ALIVE, STATE
from modelyard.entrypoints.web.candidates import ROUTE
from modelyard.entrypoints.web.following import EVERY_S, Following
from modelyard.entrypoints.web.navigation import EXPERIMENTS, PROJECT_ROUTE
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import data_headers
from modelyard.entrypoints.web.visit import Visit
from modelyard.platform.errors import Busy, ModelyardError

LASTS_S = 60
BEAT_S = 15
RETRY_MS = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found: what is to be sent, if anything, the version seen, and whether that was the end."""

    body: bytes
    version: str
    is_over: bool = False


# Given the version that was seen last.
Look = Callable[[str], Seen]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a stream follows. It is looked up for the server itself, which tells nobody more than that it changed."""

    kind: str
    project_id: int
    id: int

    def find_version(self, installation: Installation) -> str:
        with installation.database.read() as session:
            project = get_project(session, SYSTEM, self.project_id)
            if self.kind == "candidate":
                return version_of_candidate(session, SYSTEM, project, self.id)
            if self.kind == "project":
                return version_of_project(session, SYSTEM, project)
            return str(version_of_experiment(session, SYSTEM, project, self.id))


def mount(pages: Pages) -> None:
    """Add the streams of this file."""
    read, following = needs(Ability.READ_TRACKING), Following()
    of_project = f"{PROJECT_ROUTE}{EXPERIMENTS}/live"
    pages.stream("GET", of_project, read, lambda visit: follow_project(visit, following))
    of_experiment = f"{PROJECT_ROUTE}{EXPERIMENTS}/{{experiment:int}}/live"
    pages.stream("GET", of_experiment, read, lambda visit: follow_experiment(visit, following))
    pages.stream("GET", ROUTE + "/live", read, lambda visit: follow_candidate(visit, following))


async def follow_project(visit: Visit, following: Following) -> Response:
    """Tells that there is an experiment or a candidate more, or that one of the newest has another state."""

    def find() -> Subject:
        with visit.read() as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            return Subject("project", project.id, project.id)

    def look(version: str) -> Seen:
        with visit.read() as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            current = version_of_project(session, actor, project)
        is_news = version and current != version
        return Seen(_event("change", b'{"changed":1}', current) if is_news else b"", current)

    return await _stream(visit, following, find, look, _since(visit))


async def follow_experiment(visit: Visit, following: Following) -> Response:
    """Tells that candidates came, changed or logged after the version `since`.

    Raises:
        Invalid: that is none.
    """
    seen = _since(visit)
    if seen:
        version_from(seen)

    def find() -> Subject:
        with visit.read() as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            experiment = read_experiment(session, actor, project, visit.number("experiment"))
            return Subject("experiment", project.id, experiment.id)

    def look(version: str) -> Seen:
        with visit.read() as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            if not version:
                experiment = read_experiment(session, actor, project, visit.number("experiment"))
                return Seen(b"", str(version_of_experiment(session, actor, project, experiment.id)))
            news = news_of_experiment(session, actor, project, visit.number("experiment"), version_from(version))
        if not news.created and not news.changed:
            return Seen(b"", version)
        body = msgspec.json.encode({"created": news.created, "changed": news.changed})
        return Seen(_event("change", body, str(news.version)), str(news.version))

    return await _stream(visit, following, find, look, seen)


async def follow_candidate(visit: Visit, following: Following) -> Response:
    """Tells that something was logged, and ends when the candidate does."""

    def find() -> Subject:
        with visit.read() as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=STATE)
            return Subject("candidate", project.id, row.id)

    def look(version: str) -> Seen:
        with visit.read() as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=STATE)
            current = version_of_candidate(session, actor, project, row.id)
        is_over = Status(row.status) not in ALIVE
        changed = _event("change", b'{"changed":1}', current) if version and current != version else b""
        return Seen(changed + (_event("end", b"{}", current) if is_over else b""), current, is_over)

    return await _stream(visit, following, find, look, _since(visit))


def _since(visit: Visit) -> str:
    """The version that the page has seen, by its last event or else by what it was given."""
    return visit.request.headers.get("last-event-id") or visit.query("since")


class _EventStream(StreamingResponse):
    """A stream that gives up its place when it is over, however it ends."""

    def __init__(self, events: AsyncGenerator[bytes], place: contextlib.ExitStack) -> None:
        headers = data_headers() | {"X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._events = events
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            async with contextlib.aclosing(self._events):
                await super().__call__(scope, receive, send)


async def _stream(visit: Visit, following: Following, find: Callable[[], Subject], look: Look, seen: str) -> Response:
    """Answers once the first look has shown that the actor may look at all."""
    loop, pool = asyncio.get_running_loop(), visit.installation.pool
    subject = await loop.run_in_executor(pool, find)
    first = await loop.run_in_executor(pool, look, seen)
    place = contextlib.ExitStack()
    place.enter_context(following.admitted(visit.actor.user_id or visit.client))
    return _EventStream(_events(visit, following, subject, look, first), place)


async def _events(
    visit: Visit, following: Following, subject: Subject, look: Look, seen: Seen
) -> AsyncGenerator[bytes]:
    loop = asyncio.get_running_loop()
    yield f"retry: {RETRY_MS}\n\n".encode() + seen.body
    if visit.query("once"):
        return
    ends = loop.time() + LASTS_S
    find_version = functools.partial(subject.find_version, visit.installation)
    async with following.followed(visit.installation, subject, find_version) as topic:
        # Pages that came before may know already of something that happened after the look.
        turn = topic.turn if topic.version in {"", seen.version} else topic.turn - 1
        while not seen.is_over and loop.time() < ends:
            if not await topic.turned(turn, within_s=min(BEAT_S, max(0.0, ends - loop.time()))):
                yield b":\n\n"  # keeps proxies from taking the connection for dead
                continue
            turn = topic.turn
            if topic.is_over:
                return
            if topic.version == seen.version:
                continue
            visit.forget()
            try:
                seen = await loop.run_in_executor(visit.installation.pool, look, seen.version)
            except Busy:
                await asyncio.sleep(EVERY_S)
                turn -= 1  # what has changed is still to be told
                continue
            except (ModelyardError, RuntimeError):
                return  # the right to look has gone, or the server is stopping; a new request will say which
            if seen.body:
                yield seen.body


def _event(name: str, body: bytes, version: str) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), version.encode(), body)

"""The table of an experiment's candidates as CSV: the same address with `.csv`, every row of it."""

import asyncio
import contextlib
import csv
import functools
import io
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator, Mapping, Sequence

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.domains.accounts.authors import Author
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.candidate_rows import CandidateRow
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.search.syntax import Entity
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web.candidate_lists import STATUS_WORDS
from modelyard.entrypoints.web.errors import answer_in_words
from modelyard.entrypoints.web.experiment_candidates import Asked, asked_for, authors_shown, search_asked
from modelyard.entrypoints.web.experiment_pages import open_experiment
from modelyard.entrypoints.web.formatting import iso
from modelyard.entrypoints.web.grid import Column
from modelyard.entrypoints.web.navigation import EXPERIMENTS, PROJECT_ROUTE
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import data_headers
from modelyard.entrypoints.web.visit import Visit
from modelyard.platform.clock import from_ms
from modelyard.platform.errors import Busy, ModelyardError, Unauthenticated
from modelyard.platform.http import cut

CSV_ROWS = 1_000
MOST_CSVS = 10
MOST_CSVS_OF_ONE = 2
MOST_TRIES = 5
RETRY_S = 2.0
_RISKY = ("=", "+", "-", "@", "\t", "\r")

log = logging.getLogger(__name__)


def mount(pages: Pages) -> None:
    """Add the page of this file."""
    url, desk = f"{PROJECT_ROUTE}{EXPERIMENTS}/{{experiment:int}}/candidates.csv", Desk()
    pages.get(url, needs(Ability.READ_TRACKING), lambda visit: send_csv(visit, desk), is_heavy=True)


class Desk:
    """The CSVs that are being written in one process: a few at once, whose pages take turns on one heavy thread."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self._open: Counter[Hashable] = Counter()

    @contextlib.contextmanager
    def admitted(self, reader: Hashable) -> Iterator[None]:
        """One more CSV of a reader, as long as this lasts.

        Raises:
            Busy: there are too many already.
        """
        if self._open[reader] >= MOST_CSVS_OF_ONE:
            raise Busy(f"You are downloading {MOST_CSVS_OF_ONE} CSVs already. Try again when one of them is complete.")
        if self._open.total() >= MOST_CSVS:
            raise Busy(f"The server is writing {MOST_CSVS} CSVs already. Try again in a moment.", retry_after_s=10)
        self._open[reader] += 1
        try:
            yield
        finally:
            self._open -= Counter([reader])  # nobody stays in it with none


def send_csv(visit: Visit, desk: Desk) -> Response:
    """Exactly the candidates and chosen columns of the table, all pages of it."""
    with visit.read() as (session, actor):
        opened = open_experiment(visit, session, actor)
        asked = asked_for(visit, session, actor, opened)
        search_asked(session, actor, opened, asked, max_results=1, token=None)  # what cannot be read is refused at once
    name = f"{opened.project.path}-experiment-{opened.experiment.iid}.csv"
    headers = data_headers() | {"Content-Disposition": f'attachment; filename="{name}"'}
    return _CsvResponse(_csv(visit, asked, desk), desk, visit.actor.user_id or visit.client, headers)


class _CsvResponse(StreamingResponse):
    """A CSV that is written once there is a place for it, which it gives up however it ends."""

    def __init__(self, pages: AsyncGenerator[str], desk: Desk, reader: Hashable, headers: Mapping[str, str]) -> None:
        super().__init__(pages, media_type="text/csv; charset=utf-8", headers=headers)
        self._pages = pages
        self._desk = desk
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.ExitStack() as place:
            try:
                place.enter_context(self._desk.admitted(self._reader))
            except Busy as busy:
                await answer_in_words(busy)(scope, receive, send)
                return
            try:
                async with contextlib.aclosing(self._pages):
                    await super().__call__(scope, receive, send)
            except ModelyardError as refused:
                log.warning("A CSV was cut before its end: %s", refused.message)
                await cut(scope, receive)


async def _csv(visit: Visit, asked: Asked, desk: Desk) -> AsyncGenerator[str]:
    """Page by page, each on a heavy thread and only while the reader may look.

    A table that cannot be written to its end says so to people in its last line, and to programs by being cut off.
    """
    yield _csv_lines([["candidate", "name", "run_id", *(column.name for column in asked.columns)]])
    reader, token = visit.actor.user_id, ""
    while True:
        try:
            lines, token = await _patiently(visit, desk, functools.partial(_csv_page, visit, asked, reader, token))
        except ModelyardError as refused:
            yield _csv_lines([[f"The rest is missing. {refused.message}"]])
            raise
        yield lines
        if not token:
            return


async def _patiently(visit: Visit, desk: Desk, work: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """What `work` finds when it is its turn; while the server is busy it is tried again, as a new request would be."""
    for _ in range(MOST_TRIES - 1):
        with contextlib.suppress(Busy):
            return await _in_turn(visit, desk, work)
        await asyncio.sleep(RETRY_S)
    return await _in_turn(visit, desk, work)


async def _in_turn(visit: Visit, desk: Desk, work: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    async with desk.turn:
        return await asyncio.wrap_future(visit.installation.heavy.go_on(work))


def _csv_page(visit: Visit, asked: Asked, reader: int | None, token: str) -> tuple[str, str]:
    """The lines of one page, and the token of the next one if there is one.

    Raises:
        Unauthenticated: the reader was signed out, and what is public would go on without the authors.
        Forbidden, NotFound: they have lost the right to look, or the project is gone.
    """
    visit.forget()
    with visit.read() as (session, actor):
        if actor.user_id != reader:
            raise Unauthenticated("You were signed out.")
        opened = open_experiment(visit, session, actor)
        page = search_asked(session, actor, opened, asked, max_results=CSV_ROWS, token=token or None)
        authors = authors_shown(session, actor, asked, page.items)
    return _csv_lines([_csv_row(row, asked.columns, authors) for row in page.items]), page.next_cursor or ""


def _csv_row(row: CandidateRow, columns: Sequence[Column], authors: Mapping[int, Author]) -> list[str]:
    metrics = {metric.key: repr(metric.value) for metric in row.metrics}
    sources = {Entity.METRIC: metrics, Entity.PARAMETER: row.parameters, Entity.TAG: row.tags}
    values = (
        _attribute(row, column.key, authors)
        if column.entity is Entity.ATTRIBUTE
        else sources[column.entity].get(column.key, "")
        for column in columns
    )
    return [str(row.iid), row.name, row.run_id, *values]


def _attribute(row: CandidateRow, key: str, authors: Mapping[int, Author]) -> str:
    match key:
        case "status":
            return STATUS_WORDS[Status(row.status)]
        case "created" | "ended":
            moment_ms = row.start_ms if key == "created" else row.end_ms
            return iso(from_ms(moment_ms)) if moment_ms is not None else ""
        case "duration":
            return str((row.end_ms - row.start_ms) / 1000) if row.end_ms is not None else ""
        case "author":
            author = authors.get(row.creator_id or 0)
            return author.username if author is not None else ""
        case "user_id":
            return row.source_user
        case _:
            return row.run_id


def _csv_lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue()


def _harmless(value: str) -> str:
    """A text that a spreadsheet would take for a formula, after an apostrophe. Numbers stay numbers."""
    if not value.startswith(_RISKY):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value

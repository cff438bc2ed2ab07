"""The table of candidates: which columns, in which order, and the markup of its rows. Pure; knows no session.

Rows are written as text, not by templates: a page has thousands of cells, and each is escaped exactly once.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from markupsafe import Markup, escape

from modelyard.domains.accounts.authors import Author
from modelyard.domains.tracking.candidate_rows import CandidateRow, Wanted
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.numbered import Parent
from modelyard.domains.tracking.search.syntax import Entity, Field, OrderKey, printed_order
from modelyard.entrypoints.web.candidate_lists import STATUS_WORDS, claim_of
from modelyard.entrypoints.web.deletions import REMOVED_SOON, Deletion, deletion_of
from modelyard.entrypoints.web.formatting import (
    absolute,
    ago,
    day,
    duration,
    exact,
    initial,
    iso,
    iso_of_ms,
    measure,
    tile,
)
from modelyard.platform.clock import now_ms
from modelyard.platform.errors import Invalid

MOST_COLUMNS = 60
MOST_CELL = 120
MOST_TITLE = 1000
MOST_CELLS_KNOWN = 4096
NESTED = "corner-down-right"
STATUS_BADGES = {
    Status.SCHEDULED: ("neutral", "circle-dashed"),
    Status.RUNNING: ("running", "loader-circle"),
    Status.FINISHED: ("success", "circle-check"),
    Status.FAILED: ("danger", "circle-x"),
    Status.KILLED: ("warning", "circle-slash"),
}
_LABELS = {Entity.METRIC: "Metrics", Entity.PARAMETER: "Parameters", Entity.TAG: "Tags", Entity.ATTRIBUTE: ""}
# Columns that every candidate has: what they are called, and what the search language sorts them by.
ATTRIBUTES = {
    "status": ("Status", "status"),
    "created": ("Created", "start_time"),
    "ended": ("Ended", "end_time"),
    "duration": ("Duration", ""),
    "author": ("Author", "author"),
    "user_id": ("Client's user", "user_id"),
    "run_id": ("Run ID", "run_id"),
}
NAME = Field(Entity.ATTRIBUTE, "run_name")
NEWEST = OrderKey(Field(Entity.ATTRIBUTE, "start_time"), is_ascending=False)

# Columns of deleted candidates, in front of those that were chosen.
DELETION = {"deleted": ("Deleted", ""), "restorable": ("Restorable until", "")}
_WORDS = ATTRIBUTES | DELETION

Cell = Callable[[CandidateRow], str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `name` is how addresses call it: metrics.val_auc."""

    entity: Entity
    key: str

    @property
    def name(self) -> str:
        return f"{self.entity}.{self.key}"

    @property
    def spelling(self) -> str:
        """The name as addresses and forms carry it: a comma stands between two of them, never in one."""
        return quote(self.name, safe="/:@")

    @property
    def label(self) -> str:
        return _WORDS[self.key][0] if self.entity is Entity.ATTRIBUTE else self.key

    @property
    def sorts_by(self) -> Field | None:
        """What the search language sorts by for this column; None if it cannot."""
        if self.entity is not Entity.ATTRIBUTE:
            return Field(self.entity, self.key)
        sortable = _WORDS[self.key][1]
        return Field(Entity.ATTRIBUTE, sortable) if sortable else None

    @property
    def is_number(self) -> bool:
        return self.entity is Entity.METRIC or self.name == "attributes.duration"


@dataclass(frozen=True, slots=True)
class SortLink:
    """The head of a column: where pressing it leads, and how it is sorted now."""

    label: str
    url: str
    direction: str = ""


def column_named(name: str) -> Column:
    """The column behind a name from an address.

    Raises:
        Invalid: there can be no such column.
    """
    prefix, _, key = name.partition(".")
    try:
        entity = Entity(prefix)
    except ValueError:
        entity = Entity.DATASET
    if entity is Entity.DATASET or not key or (entity is Entity.ATTRIBUTE and key not in ATTRIBUTES):
        raise Invalid(
            f"There is no column {name[:MOST_CELL]}. Columns are metrics.…, params.…, tags.… and attributes.…."
        )
    return Column(entity, key)


def columns_from(values: Sequence[str]) -> list[Column]:
    """The columns that an address names in their spelling, `cols=a,b` or `cols=a&cols=b`, each once.

    Raises:
        Invalid
    """
    names = (unquote(name.strip()) for name in ",".join(values).split(","))
    chosen = [column_named(name) for name in dict.fromkeys(names) if name]
    if len(chosen) > MOST_COLUMNS:
        raise Invalid(f"A table shows at most {MOST_COLUMNS} columns, not {len(chosen)}.")
    return chosen


def order_from(text: str) -> OrderKey | None:
    """The order that an address names: a column, after a minus for the greatest first; None for none.

    Raises:
        Invalid
    """
    if not text:
        return None
    name = text.removeprefix("-")
    field = NAME if name == "name" else column_named(name).sorts_by
    if field is None:
        raise Invalid(f"Candidates cannot be sorted by {name}.")
    return OrderKey(field, is_ascending=not text.startswith("-"))


def order_text(key: OrderKey) -> str:
    """An order as the search language writes it."""
    return printed_order((key,))


def wanted_for(columns: Sequence[Column]) -> Wanted:
    """Exactly what these columns show."""
    keys = {entity: frozenset(column.key for column in columns if column.entity is entity) for entity in Entity}
    return Wanted(keys[Entity.METRIC], keys[Entity.PARAMETER], keys[Entity.TAG], inputs_and_outputs=False)


@dataclass(frozen=True)
class GridMarkup:
    """What writing rows needs to know of the page: where candidates live, and how an icon is drawn."""

    candidate_url: str
    icon: Callable[[str], Markup]
    emphasised: str = ""
    has_boxes: bool = False
    authors: Mapping[int, Author] = field(default_factory=dict)
    parents: Mapping[int, Parent] = field(default_factory=dict)
    deletion_days: int = 0

    def rows(self, columns: Sequence[Column], candidates: Sequence[CandidateRow]) -> Markup:
        """The body of the table."""
        badges = {status.value: self._badge(status) for status in Status}
        starts = _group_starts(columns)
        cells = [self._cell(column, badges, begins_group=index in starts) for index, column in enumerate(columns)]
        lines = ("".join((self._head(row), *(cell(row) for cell in cells), "</tr>")) for row in candidates)
        return Markup("".join(lines))  # noqa: S704  # every cell below escapes what users wrote

    def _head(self, row: CandidateRow) -> str:
        mark = ' data-deleted=""' if row.deleted_ms is not None else ""
        iid, name = row.iid, row.name
        title = escape(name[:MOST_TITLE])
        shown = title if len(name) <= MOST_CELL else escape(f"{name[:MOST_CELL]}…")
        box = (
            f'<input class="tick" type="checkbox" name="c" value="{iid}" form="selection" aria-label="Select {iid}">'
            if self.has_boxes
            else ""
        )
        return (
            f'<tr{mark}><th scope="row" class="pin"><span class="cell-title">{box}<span class="iid">{iid}</span>'
            f'<a href="{self.candidate_url}/{iid}" title="{title}">{shown}</a>'
            f"{self._nesting(row)}</span></th>"
        )

    def _nesting(self, row: CandidateRow) -> str:
        """What a candidate is nested in, if it is."""
        parent = self.parents.get(row.id)
        if parent is None:
            return ""
        deleted = "deleted " if parent.is_deleted else ""
        title = escape(f"Child of {deleted}candidate {parent.iid} — {parent.name[:MOST_TITLE]}")
        return (
            f'<a class="child-mark" href="{self.candidate_url}/{parent.iid}" title="{title}">'
            f"{self.icon(NESTED)}<span>child of {deleted}</span>{parent.iid}</a>"
        )

    def _badge(self, status: Status) -> str:
        kind, symbol = STATUS_BADGES[status]
        return f'<span class="badge badge-{kind}">{self.icon(symbol)}{STATUS_WORDS[status]}</span>'

    def _cell(self, column: Column, badges: dict[int, str], *, begins_group: bool) -> Cell:
        start = " group-start" if begins_group else ""
        key = column.key
        match column.entity:
            case Entity.METRIC:
                strong = " best" if column.name == self.emphasised else ""
                return lambda row: _metric_cell(row, key, f"num{strong}{start}")
            case Entity.PARAMETER:
                return lambda row: _text_cell(row.parameters.get(key), start)
            case Entity.TAG:
                return lambda row: _text_cell(row.tags.get(key), start)
            case Entity.ATTRIBUTE if key == "author":
                author = functools.cache(lambda number, user: _author_cell(self.authors.get(number), user, start))
                return lambda row: author(row.creator_id or 0, row.source_user)
            case Entity.ATTRIBUTE if key in DELETION:
                return _deletion_cell(key, self.deletion_days, start)
            case _:
                return _attribute_cell(key, badges, start)


def _group_starts(columns: Sequence[Column]) -> set[int]:
    """The places where another kind of column begins."""
    return {
        index for index, column in enumerate(columns) if index and column.entity is not columns[index - 1].entity
    } | ({0} if columns and columns[0].entity is not Entity.ATTRIBUTE else set())


def groups_of(columns: Sequence[Column]) -> list[dict[str, object]]:
    """The row of headings above the columns: how many columns, and what they are."""
    previous = Entity.ATTRIBUTE
    spans: list[tuple[Entity, int]] = [(Entity.ATTRIBUTE, 1)]
    for column in columns:
        if column.entity is previous:
            spans[-1] = (previous, spans[-1][1] + 1)
        else:
            spans.append((column.entity, 1))
            previous = column.entity
    return [{"span": span, "label": _LABELS[entity]} for entity, span in spans] if len(spans) > 1 else []


def _metric_cell(row: CandidateRow, key: str, classes: str) -> str:
    for metric in row.metrics:
        if metric.key == key:
            return _number_cell(metric.value, classes)
    return f'<td class="{classes} none"></td>'


# The same table is asked for again and again: sorted, paged, refreshed while candidates arrive.
@functools.lru_cache(maxsize=MOST_CELLS_KNOWN)
def _number_cell(value: float, classes: str) -> str:
    return f'<td class="{classes}" title="{exact(value)}">{measure(value)}</td>'


def _text_cell(value: str | None, start: str) -> str:
    if value is None:
        return f'<td class="none{start}"></td>'
    return _short_cell(value, start) if len(value) <= MOST_CELL else _cut_cell(value, start)


@functools.lru_cache(maxsize=MOST_CELLS_KNOWN)
def _short_cell(value: str, start: str) -> str:
    kind = "num" if _is_number(value) else "cut"
    shown = escape(value)
    return f'<td class="{kind}{start}" title="{shown}">{shown}</td>'


def _cut_cell(value: str, start: str) -> str:
    kind = "num" if _is_number(value) else "cut"
    return f'<td class="{kind}{start}" title="{escape(value[:MOST_TITLE])}">{escape(value[:MOST_CELL])}…</td>'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _attribute_cell(key: str, badges: dict[int, str], start: str) -> Cell:
    now_s = now_ms() / 1000
    match key:
        case "status":
            return lambda row: f'<td class="{start}">{badges[row.status]}</td>'
        case "created":
            return lambda row: _time_cell(row.start_ms, start, now_s)
        case "ended":
            return lambda row: _time_cell(row.end_ms, start, now_s)
        case "duration":
            return lambda row: f'<td class="num{start}">{_duration(row)}</td>'
        case "user_id":
            return lambda row: _text_cell(row.source_user or None, start)
        case _:
            return lambda row: f'<td class="{start}"><code>{row.run_id}</code></td>'


def _time_cell(moment_ms: int | None, start: str, now_s: float) -> str:
    """A moment as the page's own script completes it: its exact time is shown on hover."""
    if moment_ms is None:
        return f'<td class="none{start}"></td>'
    words = ago(moment_ms / 1000 - now_s)
    return f'<td class="{start}"><time datetime="{iso_of_ms(moment_ms)}" data-relative>{words}</time></td>'


def _deletion_cell(key: str, days: int, start: str) -> Cell:
    now_s = now_ms() / 1000
    if key == "deleted":
        return lambda row: _time_cell(row.deleted_ms or None, start, now_s)
    return lambda row: _restorable_cell(deletion_of(row.deleted_ms, days), start)


def _restorable_cell(deletion: Deletion | None, start: str) -> str:
    if deletion is None or deletion.until is None:
        return f'<td class="none{start}">{REMOVED_SOON}</td>'
    until = deletion.until
    return f'<td class="{start}"><time datetime="{iso(until)}" title="{absolute(until)}">{day(until)}</time></td>'


def _duration(row: CandidateRow) -> str:
    return duration((row.end_ms - row.start_ms) / 1000) if row.end_ms is not None else ""


def _author_cell(author: Author | None, user: str, start: str) -> str:
    """Who authenticated. What the client called its user is no proof of anything: it stands in for nobody's name."""
    claim = claim_of(author, user)
    if author is None:
        return f'<td class="none{start}">{escape(claim)}</td>'
    title = f"@{author.username}, {claim}" if claim else f"@{author.username}"
    return (
        f'<td class="{start}"><span class="person" title="{escape(title)}"><span class="avatar tile-'
        f'{tile(author.username)} avatar-small avatar-round" aria-hidden="true">{escape(initial(author.name))}</span>'
        f"<span>{escape(author.name)}</span></span></td>"
    )

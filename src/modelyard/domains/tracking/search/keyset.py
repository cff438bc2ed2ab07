"""Paging through any order by key: what the last row sorted by becomes a condition for the next page.

A column whose value may be missing is preceded by its rank (0 there, 1 NaN, 2 missing), so that NULL is never compared.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import msgspec

from modelyard.domains.tracking.search.fragments import FALSE, Sql, joined, sql
from modelyard.platform.errors import Invalid
from modelyard.platform.pagination import CursorValue, decode_cursor, encode_cursor

SortValue = str | int | float | None

_encode = msgspec.json.Encoder().encode
_BIGGEST = 2**63


class Sorts(Enum):
    """What a column holds, so that a token is only believed when it fits."""

    NUMBER = auto()
    INTEGER = auto()
    TEXT = auto()


@dataclass(frozen=True)
class SortColumn:
    """One column of an order."""

    expression: Sql
    sorts: Sorts
    is_ascending: bool = True
    is_nullable: bool = False


@dataclass(frozen=True)
class Place:
    """Where a page ended: the phase of the order, and the sort values of its last row."""

    phase: int
    values: tuple[SortValue, ...]


def order_by(columns: Sequence[SortColumn]) -> Sql:
    """ORDER BY these columns."""
    terms = (sql("? ASC" if column.is_ascending else "? DESC", column.expression) for column in columns)
    return sql("ORDER BY ?", joined(", ", terms))


def after(columns: Sequence[SortColumn], values: Sequence[SortValue]) -> Sql:
    """Rows that come after the one with these values.

    The first column is said twice: its plain range lets the engine seek in an index.
    """
    *front, last = zip(columns, values, strict=True)
    condition = _beyond(*last)
    for column, value in reversed(front):
        condition = sql("(? OR (? AND ?))", _beyond(column, value), _equal(column, value), condition)
    guard = "? >= ? AND ?" if columns[0].is_ascending else "? <= ? AND ?"
    return sql(guard, columns[0].expression, values[0], condition)


def _beyond(column: SortColumn, value: SortValue) -> Sql:
    if value is None:
        return FALSE
    return sql("? > ?" if column.is_ascending else "? < ?", column.expression, value)


def _equal(column: SortColumn, value: SortValue) -> Sql:
    return sql("? IS NULL", column.expression) if value is None else sql("? = ?", column.expression, value)


def fingerprint(*parts: object) -> str:
    """A short mark of a query, so that a token is refused by another one."""
    return hashlib.blake2b(_encode(parts), digest_size=9).hexdigest()


def page_token(mark: str, place: Place) -> str:
    """The opaque token of the page after `place`, for the query with this mark."""
    values = [value.hex() if isinstance(value, float) else value for value in place.values]
    return encode_cursor([mark, place.phase, *values])


def place_of(token: str, mark: str, phases: dict[int, tuple[SortColumn, ...]]) -> Place:
    """Where the page before `token` ended. `phases` are the columns of each phase of the query's order.

    Raises:
        Invalid: the token was made for another query, or nowhere.
    """
    for phase, columns in phases.items():
        try:
            found_mark, found_phase, *values = decode_cursor(token, length=2 + len(columns))
        except Invalid:
            continue
        if found_mark == mark and found_phase == phase and all(map(_fits, columns, values)):
            return Place(phase, tuple(map(_read, columns, values)))
    raise Invalid("Invalid page token: it was not made for this filter and order. Begin again without one.")


def _fits(column: SortColumn, value: CursorValue) -> bool:
    match value:
        case None:
            return column.is_nullable
        case int():
            return column.sorts is Sorts.INTEGER and -_BIGGEST <= value < _BIGGEST
        case str():
            return column.sorts is Sorts.TEXT or (column.sorts is Sorts.NUMBER and _float_of(value) is not None)
        case _:
            return False


def _read(column: SortColumn, value: CursorValue) -> SortValue:
    return _float_of(value) if column.sorts is Sorts.NUMBER and isinstance(value, str) else value


def _float_of(text: str) -> float | None:
    try:
        number = float.fromhex(text)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number

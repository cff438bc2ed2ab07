"""SQL as values: a text with `?` marks and what belongs to them. User text only ever becomes a bind."""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from modelyard.platform.errors import Invalid
from modelyard.platform.raw import fetch_rows

Bind = str | int | float | list[int] | None
Rows = Sequence[tuple[Any, ...]]

_SPECIAL = re.compile(r"[%_\\]")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of a statement; each `?` of the text belongs to one bind."""

    text: str
    binds: tuple[Bind, ...] = ()


NOTHING = Sql("")
TRUE = Sql("1 = 1")
FALSE = Sql("1 = 0")


def sql(text: str, *parts: Bind | Sql) -> Sql:
    """`text` with each `?` filled in turn: a fragment is set in, anything else becomes a bind."""
    head, *tails = text.split("?")
    pieces = [head]
    binds: list[Bind] = []
    for part, tail in zip(parts, tails, strict=True):
        if isinstance(part, Sql):
            pieces.append(part.text)
            binds.extend(part.binds)
        else:
            pieces.append("?")
            binds.append(part)
        pieces.append(tail)
    return Sql("".join(pieces), tuple(binds))


def joined(separator: str, parts: Iterable[Sql]) -> Sql:
    """The fragments one after the other."""
    found = list(parts)
    return Sql(separator.join(part.text for part in found), tuple(bind for part in found for bind in part.binds))


def all_of(parts: Iterable[Sql]) -> Sql:
    """Every condition; true when there are none."""
    return joined(" AND ", parts) if (parts := list(parts)) else TRUE


class Reader:
    """Runs fragments on a session's connection and knows where the two engines differ."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_sqlite = connection.dialect.name == "sqlite"

    def rows(self, statement: Sql) -> Rows:
        """All rows of a query.

        Raises:
            Invalid: a text that PostgreSQL could not compare.
        """
        if any(isinstance(bind, str) and "\0" in bind for bind in statement.binds):
            raise Invalid("A text in this request contains a NUL character, which nothing here contains.")
        return fetch_rows(self._connection, statement.text, statement.binds)

    def bytewise(self, text: Sql) -> Sql:
        """A text as it is sorted and compared: by code points on both engines, whatever the server's language."""
        return text if self.is_sqlite else sql('(? COLLATE "C")', text)

    def like(self, text: Sql, pattern: str) -> Sql:
        """Where case counts; `%` is any text, `_` any character, and nothing escapes them."""
        return sql("? LIKE ?" if self.is_sqlite else "? LIKE ? ESCAPE ''", text, pattern)

    def ilike(self, text: Sql, pattern: str) -> Sql:
        """Where case does not count, in any alphabet."""
        if not self.is_sqlite:
            return sql("? ILIKE ? ESCAPE ''", text, pattern)
        self._teach_lowered()
        return sql("lowered(?) LIKE ?", text, pattern.lower())

    def contains(self, text: Sql, part: str) -> Sql:
        """Whether a text has this part somewhere; case does not count, and no character means anything else."""
        pattern = "%" + _SPECIAL.sub(r"\\\g<0>", part) + "%"
        if not self.is_sqlite:
            return sql("? ILIKE ?", text, pattern)
        self._teach_lowered()
        return sql("lowered(?) LIKE ? ESCAPE '\\'", text, pattern.lower())

    def among(self, number: Sql, ids: Sequence[int]) -> Sql:
        """Whether a number is one of `ids`, with one bind for however many."""
        if len(ids) == 1:
            return sql("? = ?", number, ids[0])
        if self.is_sqlite:
            return sql("? IN (SELECT value FROM json_each(?))", number, _encode(list(ids)).decode())
        return sql("? = ANY(?)", number, list(ids))

    def _teach_lowered(self) -> None:
        """SQLite's own lower() knows only ASCII."""
        if "lowered" not in self._connection.info:
            driver = self._connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)  # noqa: S101  # the driver of this engine
            driver.create_function("lowered", 1, _lowered, deterministic=True)
            self._connection.info["lowered"] = True


def _lowered(text: str | None) -> str | None:
    return None if text is None else text.lower()

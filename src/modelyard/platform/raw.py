"""Statements by hand on one connection that writes, for the hot lane: SQLite and PostgreSQL behind one small face.

SQL is written once with `?` for each value. Ordinary code uses `Database.read()` and `Database.write()`.
"""

import functools
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import psycopg
from sqlalchemy.orm import Session

from modelyard.platform.database import Database
from modelyard.platform.errors import Busy, Conflict, ModelyardError, Unavailable

Value = str | int | float | bytes | None
Row = tuple[Value, ...]


@dataclass(frozen=True)
class Bulk:
    """An insert of many rows: one statement on PostgreSQL, one prepared statement many times on SQLite.

    `types` are PostgreSQL's, for the arrays; `tail` is what follows the values, such as ON CONFLICT.
    """

    table: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    tail: str = ""

    @functools.cached_property
    def sqlite(self) -> str:
        marks = ", ".join("?" for _ in self.columns)
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES ({marks}) {self.tail}"  # noqa: S608  # names of ours

    @functools.cached_property
    def postgresql(self) -> str:
        arrays = ", ".join(f"%s::{kind}[]" for kind in self.types)
        names = ", ".join(self.columns)
        return f"INSERT INTO {self.table} ({names}) SELECT * FROM unnest({arrays}) {self.tail}"  # noqa: S608  # names of ours


class RawTransaction(Protocol):
    """What a group's work is written with. Begin and commit belong to `GroupCommit`."""

    is_sqlite: bool

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """All rows of a query."""

    def run(self, sql: str, values: Sequence[Value] = ()) -> int:
        """Execute and tell how many rows it changed."""

    def insert_many(self, bulk: Bulk, rows: Sequence[Row]) -> None:
        """Insert all rows; nothing happens when there are none."""


class RawWriter(RawTransaction, Protocol):
    """One connection that writes, with its transactions."""

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class SqliteWriter:
    """The hot lane's own connection to SQLite. Whoever uses it holds the pen."""

    is_sqlite = True

    def __init__(self, database: Database) -> None:
        self._connection = database.raw(writes=True)

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[Value] = ()) -> int:
        return self._connection.execute(sql, values).rowcount

    def insert_many(self, bulk: Bulk, rows: Sequence[Row]) -> None:
        if len(rows) == 1:
            self._connection.execute(bulk.sqlite, rows[0])
        elif rows:
            self._connection.executemany(bulk.sqlite, rows)


class PostgresqlWriter:
    """The hot lane's own connection to PostgreSQL, opened again after it was lost."""

    is_sqlite = False

    def __init__(self, database: Database) -> None:
        self._address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: psycopg.Connection[Row] | None = None

    def begin(self) -> None:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = psycopg.connect(self._address, autocommit=False, connect_timeout=5)

    def commit(self) -> None:
        self._open.commit()

    def rollback(self) -> None:
        if self._connection is None:
            return
        if self._connection.closed or self._connection.broken:
            self._connection = None
        else:
            self._connection.rollback()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._open.execute(_percent(sql), values).fetchall()

    def run(self, sql: str, values: Sequence[Value] = ()) -> int:
        return self._open.execute(_percent(sql), values).rowcount

    def insert_many(self, bulk: Bulk, rows: Sequence[Row]) -> None:
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._open.execute(bulk.postgresql.encode(), columns)

    @property
    def _open(self) -> "psycopg.Connection[Row]":
        return cast("psycopg.Connection[Row]", self._connection)


@functools.lru_cache(maxsize=1024)
def _percent(sql: str) -> bytes:
    """`sql` with PostgreSQL's placeholders; bytes, because the driver wants literal text otherwise."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


def open_writer(database: Database) -> RawWriter:
    """The writer that fits the database."""
    return SqliteWriter(database) if database.is_sqlite else PostgresqlWriter(database)


@functools.lru_cache(maxsize=4096)
def marks(count: int) -> str:
    """`(?, ?, …)` for an IN list."""
    return f"({', '.join('?' * count)})"


def in_pieces(values: Iterable[Value], size: int = 500) -> list[list[Value]]:
    """Values in lists short enough for an IN list on either engine."""
    listed = list(values)
    return [listed[start : start + size] for start in range(0, len(listed), size)]


def read_rows(session: Session, sql: str, values: Sequence[Value] = ()) -> list[Row]:
    """All rows of a query written by hand, in an ordinary session."""
    connection = session.connection()
    text = sql if connection.dialect.name == "sqlite" else _percent(sql).decode()
    return [tuple(row) for row in connection.exec_driver_sql(text, tuple(values))]


DRIVER_ERRORS = (sqlite3.Error, psycopg.Error)


def trouble(error: Exception) -> ModelyardError:
    """A driver's failure in the product's words. Nothing of the transaction it ended was kept."""
    text = str(error).lower()
    if "full" in text or "no space" in text:
        return Busy("The server's disk is full; nothing was changed. Ask its operator to make room.", retry_after_s=10)
    if isinstance(error, (sqlite3.IntegrityError, psycopg.IntegrityError, psycopg.errors.DeadlockDetected)):
        return Conflict("Somebody else wrote the same thing, or deleted what this belongs to. Look again.")
    if isinstance(error, (sqlite3.OperationalError, psycopg.OperationalError)):
        return Busy("The database is away; nothing was changed. Try again in a moment.", retry_after_s=2)
    return Unavailable("The database failed in a way that is not expected. The server's log has the details.")

"""Statements by hand on one connection that writes, for the hot lane: SQLite and PostgreSQL behind one small face.

SQL is written once with `?` for each value. Ordinary code uses `Database.read()` and `Database.write()`.
"""

import functools
import importlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from modelyard.platform.database import Database
from modelyard.platform.driver_errors import sqlite_trouble
from modelyard.platform.errors import ModelyardError

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

    def run(self, sql: str, values: Sequence[Value] = ()) -> None:
        """Execute. An error may also come from a later statement or the commit."""

    def insert_many(self, bulk: Bulk, rows: Sequence[Row]) -> None:
        """Insert all rows; nothing happens when there are none."""


class RawWriter(RawTransaction, Protocol):
    """One connection that writes, with its transactions."""

    def begin(self, *, is_alone: bool = False) -> None:
        """Begin; what `is_alone` after its group failed waits for hardly a moment for what others hold."""

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...

    def trouble(self, error: Exception) -> ModelyardError | None:
        """What an error of the driver means; None when it is none of the driver's."""


class SqliteWriter:
    """The hot lane's own connection to SQLite. Whoever uses it holds the pen."""

    is_sqlite = True

    def __init__(self, database: Database) -> None:
        self._connection = database.raw(writes=True)

    def begin(self, *, is_alone: bool = False) -> None:  # noqa: ARG002  # whoever has the pen waits for nobody
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    def trouble(self, error: Exception) -> ModelyardError | None:
        return sqlite_trouble(error) if isinstance(error, sqlite3.Error) else None

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[Value] = ()) -> None:
        self._connection.execute(sql, values)

    def insert_many(self, bulk: Bulk, rows: Sequence[Row]) -> None:
        if len(rows) == 1:
            self._connection.execute(bulk.sqlite, rows[0])
        elif rows:
            self._connection.executemany(bulk.sqlite, rows)


@functools.lru_cache(maxsize=1024)
def percent(sql: str) -> bytes:
    """`sql` with PostgreSQL's placeholders; bytes, because the driver wants literal text otherwise."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


def open_writer(database: Database) -> RawWriter:
    """The writer that fits the database. PostgreSQL's driver is loaded only where it is used."""
    if database.is_sqlite:
        return SqliteWriter(database)
    writer: RawWriter = importlib.import_module("modelyard.platform.raw_postgresql").PostgresqlWriter(database)
    return writer


@functools.lru_cache(maxsize=4096)
def marks(count: int) -> str:
    """`(?, ?, …)` for an IN list."""
    return f"({', '.join('?' * count)})"


def in_pieces(values: Iterable[Value], size: int = 500) -> list[list[Value]]:
    """Values in lists short enough for an IN list on either engine."""
    listed = list(values)
    return [listed[start : start + size] for start in range(0, len(listed), size)]


class SessionTransaction:
    """The same face for the transaction of an ordinary session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.is_sqlite = session.connection().dialect.name == "sqlite"

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return read_rows(self._session, sql, values)

    def run(self, sql: str, values: Sequence[Value] = ()) -> None:
        text = sql if self.is_sqlite else percent(sql).decode()
        self._session.connection().exec_driver_sql(text, tuple(values))

    def insert_many(self, bulk: Bulk, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if self.is_sqlite:
            self._session.connection().exec_driver_sql(bulk.sqlite, list(rows))
        else:
            columns = tuple(list(column) for column in zip(*rows, strict=True))
            self._session.connection().exec_driver_sql(bulk.postgresql, columns)


def read_rows(session: Session, sql: str, values: Sequence[Value] = ()) -> list[Row]:
    """All rows of a query written by hand, in an ordinary session."""
    return fetch_rows(session.connection(), sql, values)


def fetch_rows(connection: Connection, sql: str, values: Sequence[object]) -> list[Row]:
    """The same on a connection, as the driver makes them: SQLAlchemy's own rows would cost as much again."""
    text = sql if connection.dialect.name == "sqlite" else percent(sql).decode()
    with connection.exec_driver_sql(text, tuple(values)) as result:
        return cast("list[Row]", result.cursor.fetchall())

"""The hot lane's connection to PostgreSQL."""

from collections.abc import Sequence
from typing import cast

import psycopg

from modelyard.platform.database import Database
from modelyard.platform.errors import ModelyardError
from modelyard.platform.raw import Bulk, Row, Value, percent, trouble


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

    def trouble(self, error: Exception) -> ModelyardError | None:
        if not isinstance(error, psycopg.Error):
            return None
        is_lost_race = isinstance(error, (psycopg.IntegrityError, psycopg.errors.DeadlockDetected))
        # Without a code the connection itself failed; the classes are connection, operator intervention, system.
        state = error.sqlstate or "08"
        is_away = isinstance(error, psycopg.OperationalError) and state.startswith(("08", "40", "53", "55", "57", "58"))
        return trouble(error, is_lost_race=is_lost_race, is_away=is_away)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._open.execute(percent(sql), values).fetchall()

    def run(self, sql: str, values: Sequence[Value] = ()) -> int:
        return self._open.execute(percent(sql), values).rowcount

    def insert_many(self, bulk: Bulk, rows: Sequence[Row]) -> None:
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._open.execute(bulk.postgresql.encode(), columns)

    @property
    def _open(self) -> "psycopg.Connection[Row]":
        return cast("psycopg.Connection[Row]", self._connection)

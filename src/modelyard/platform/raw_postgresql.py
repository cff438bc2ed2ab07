"""The hot lane's connection to PostgreSQL."""

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import cast

import psycopg
from psycopg.conninfo import make_conninfo

from modelyard.platform.clock import now_ms
from modelyard.platform.database import LOST_COMMIT, Database, postgresql_arguments
from modelyard.platform.driver_errors import LOST_RACE, trouble
from modelyard.platform.errors import Busy, Conflict, Contended, ModelyardError, UnknownOutcome
from modelyard.platform.ids import hex_id
from modelyard.platform.raw import Bulk, Row, Value, percent

MARK = (
    b"INSERT INTO commit_marks (writer, number, marked_at) VALUES (%s, %s, %s)"
    b" ON CONFLICT (writer) DO UPDATE SET number = excluded.number, marked_at = excluded.marked_at"
)
NUMBERS = {"bigint", "int", "smallint", "float8"}
# For so long it is worth waiting for the database to come back and say what became of a commit.
PATIENCE_S = 30.0
LOOK_EVERY_S = 0.2
# Everybody's logging waits behind a group: for what somebody else holds it waits less than other transactions do.
GROUP_LOCK_TIMEOUT_S = 1.0
# The members of a group that waited in vain are many, and each may meet the same row.
ALONE_LOCK_TIMEOUT_S = 0.05
HELD = "Somebody else is changing this run and has not finished; nothing was changed. Try again in a moment."

log = logging.getLogger(__name__)


class PostgresqlWriter:
    """The hot lane's own connection to PostgreSQL, opened again after it was lost.

    Statements whose results nobody reads are sent together with the next one that is read, or with the commit: for a
    small group the ways to the database and back would cost more than its work.
    """

    is_sqlite = False

    def __init__(self, database: Database) -> None:
        address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._address = make_conninfo(address, **postgresql_arguments(database.url))
        self._connection: psycopg.Connection[Row] | None = None
        self._mode = contextlib.ExitStack()
        self._writer = hex_id()
        self._number = 0

    def begin(self, *, is_alone: bool = False) -> None:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self.close()
            # Transactions begin and end by statements of ours: the driver would wait for an answer to each of its own.
            self._connection = psycopg.connect(
                self._address, autocommit=True, connect_timeout=5, application_name=self._writer
            )
            self._pipeline = self._mode.enter_context(self._connection.pipeline())
        self._open.execute(b"BEGIN")
        lock_timeout_s = ALONE_LOCK_TIMEOUT_S if is_alone else GROUP_LOCK_TIMEOUT_S
        self._open.execute(f"SET LOCAL lock_timeout = {round(lock_timeout_s * 1000)}".encode())

    def commit(self) -> None:
        """Commit; when the connection is lost meanwhile, find out what became of it.

        Raises:
            psycopg.Error: it was not committed.
            UnknownOutcome: the database did not come back in time.
        """
        self._number += 1
        self._open.execute(MARK, (self._writer, self._number, now_ms()))
        try:
            self._open.execute(b"COMMIT")
            self._pipeline.sync()
        except psycopg.Error as error:
            if not self._is_lost(error):
                raise
            self.close()
            if not self._was_committed():
                raise
            log.warning("The connection was lost during a commit that has happened.")

    def _is_lost(self, error: psycopg.Error) -> bool:
        """Whether the session ended rather than the transaction.

        A database that shuts down says so first. The driver learns of the end only when it reads on, which it does not
        in a pipeline; the commit may have come before that.
        """
        says_farewell = (error.sqlstate or "08").startswith(("08", "57P", "58"))
        return says_farewell or self._open.closed or self._open.broken

    def _was_committed(self) -> bool:
        """Whether the last commit happened. Its session is ended first, so that it cannot happen any more."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                with psycopg.connect(self._address, autocommit=True, connect_timeout=5) as looking:
                    if not self._ended_session(looking):
                        time.sleep(LOOK_EVERY_S)
                        continue
                    found = looking.execute(b"SELECT number FROM commit_marks WHERE writer = %s", (self._writer,))
                    row = found.fetchone()
                    return row is not None and row[0] == self._number
            except psycopg.OperationalError:
                time.sleep(LOOK_EVERY_S)
        raise UnknownOutcome(LOST_COMMIT)

    def _ended_session(self, looking: "psycopg.Connection[Row]") -> bool:
        """Whether the session that was lost has ended; it is told to."""
        left = looking.execute(
            b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (self._writer,)
        )
        return left.fetchone() is None

    def rollback(self) -> None:
        if self._connection is None:
            return
        if self._connection.closed or self._connection.broken:
            self._connection = None
        else:
            with contextlib.suppress(psycopg.Error):
                self._pipeline.sync()  # what was sent after a failure only says that it was not done
            self._connection.rollback()

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._mode.close()
        if self._connection is not None:
            self._connection.close()

    def trouble(self, error: Exception) -> ModelyardError | None:
        if not isinstance(error, psycopg.Error):
            return None
        if isinstance(error, (psycopg.IntegrityError, psycopg.errors.DeadlockDetected)):
            return Conflict(LOST_RACE)
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return Contended(HELD, retry_after_s=2)
        if isinstance(error, psycopg.errors.QueryCanceled):
            return Busy("The database took too long to write this; nothing was changed. Try again in a moment.")
        # Without a code the connection itself failed; the classes are connection, operator intervention, system.
        state = error.sqlstate or "08"
        is_away = isinstance(error, psycopg.OperationalError) and state.startswith(("08", "40", "53", "55", "57", "58"))
        is_away = is_away or isinstance(error, psycopg.errors.IdleInTransactionSessionTimeout)
        return trouble(error, is_away=is_away)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._open.execute(percent(sql), values).fetchall()

    def run(self, sql: str, values: Sequence[Value] = ()) -> None:
        self._open.execute(percent(sql), values)

    def insert_many(self, bulk: Bulk, rows: Sequence[Row]) -> None:
        if rows:
            columns = zip(*rows, strict=True)
            arrays = [_array(kind, column) for kind, column in zip(bulk.types, columns, strict=True)]
            self._open.execute(bulk.postgresql.encode(), arrays)

    @property
    def _open(self) -> "psycopg.Connection[Row]":
        return cast("psycopg.Connection[Row]", self._connection)


def _array(kind: str, column: Sequence[Value]) -> str | list[Value]:
    """A column for `unnest`. The driver would look at each number on its own; as text they are joined at once."""
    if kind not in NUMBERS:
        return list(column)
    return "{" + ",".join(["NULL" if value is None else str(value) for value in column]) + "}"

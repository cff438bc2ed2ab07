"""Moves what SQLite's write-ahead log holds into the database file, beside the writers instead of inside a commit.

The log begins anew only when all of it was moved and a writer comes next. Under constant writing that never happens by
itself, so once it is long the last few pages are moved while nobody writes.
"""

import logging
import sqlite3
import threading
import time
from pathlib import Path

from modelyard.platform.database import Database

LOOK_EVERY_S = 2.0
LONG_LOG_BYTES = 32 * 1024 * 1024
IDLE_S = 10.0
PEN_WAIT_S = 1.0

log = logging.getLogger(__name__)


class Checkpointer:
    """One thread for a SQLite database; on PostgreSQL it does nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log_path = Path(f"{database.url.database}-wal")
        self._connection: sqlite3.Connection | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._seen = (0, 0)
        self._changed_at = time.monotonic()

    def start(self) -> None:
        """Begin to look at the log now and then."""
        if self._database.is_sqlite:
            self._thread.start()

    def stop(self) -> None:
        """End, and leave an empty log. Nobody writes any more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._database.is_sqlite:
            self._checkpoint("TRUNCATE")
        if self._connection is not None:
            self._connection.close()

    def tend(self) -> None:
        """Do what the state of the log asks for."""
        seen = self._look()
        if seen != self._seen:
            self._seen, self._changed_at = seen, time.monotonic()
            if self._checkpoint("PASSIVE") > LONG_LOG_BYTES:
                self._checkpoint_holding_pen("RESTART")
        elif seen[0] and time.monotonic() - self._changed_at > IDLE_S:
            self._checkpoint_holding_pen("TRUNCATE")
            self._seen = self._look()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            self.tend()

    def _look(self) -> tuple[int, int]:
        try:
            found = self._log_path.stat()
        except FileNotFoundError:
            return (0, 0)
        return (found.st_size, found.st_mtime_ns)

    def _checkpoint_holding_pen(self, mode: str) -> None:
        if self._database.pen.acquire(timeout=PEN_WAIT_S):
            try:
                self._checkpoint(mode)
            finally:
                self._database.pen.release()

    def _checkpoint(self, mode: str) -> int:
        """Move pages; how many bytes the log still has to keep. Whoever reads an old snapshot is not waited for."""
        try:
            if self._connection is None:
                self._connection = self._database.raw(writes=True)
                self._connection.execute("PRAGMA busy_timeout = 0")
            _, pages, _ = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            return int(pages) * int(self._connection.execute("PRAGMA page_size").fetchone()[0])
        except sqlite3.Error as error:
            log.warning("The write-ahead log could not be moved into the database: %s", error)
            return 0

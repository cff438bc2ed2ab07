"""How long one read may take, so that nobody's question keeps the others from asking."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

READ_DEADLINE_S = 30.0
LOOK_EVERY_S = 0.25

_unhurried: ContextVar[bool] = ContextVar("unhurried", default=False)


@contextmanager
def unhurried() -> Iterator[None]:
    """What begins to use the database inside of this may take as long as it needs: no request waits for it."""
    token = _unhurried.set(True)
    try:
        yield
    finally:
        _unhurried.reset(token)


def is_unhurried() -> bool:
    """Whether who runs now may take as long as it needs."""
    return _unhurried.get()


class Deadlines:
    """Interrupts the queries of SQLite connections that have been read from for too long.

    A thread does it that is there only while somebody reads: a handler inside SQLite would have to be called, with
    Python's lock, every few thousand steps of every query.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[sqlite3.Connection, float] = {}
        self._is_looking = False

    def begin(self, connection: sqlite3.Connection) -> None:
        """From now on `connection` has its time."""
        if is_unhurried():
            return
        with self._lock:
            self._ends[connection] = time.monotonic() + READ_DEADLINE_S
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look, name="read-deadlines", daemon=True).start()

    def end(self, connection: sqlite3.Connection) -> None:
        """It is read from no more."""
        with self._lock:
            self._ends.pop(connection, None)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                if not self._ends:
                    self._is_looking = False
                    return
                now = time.monotonic()
                for connection, end in self._ends.items():
                    if end <= now:
                        # Nothing happens to a connection that runs no query at the moment.
                        connection.interrupt()

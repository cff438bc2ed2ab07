"""SQLite's write-ahead log does not grow for ever, and a quiet server leaves it empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from modelyard.platform import checkpoints
from modelyard.platform.checkpoints import Checkpointer
from modelyard.platform.database import Database

MEBIBYTE = 1024 * 1024


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Database]:
    """A database with a table to fill."""
    database = Database(URL.create("sqlite", database=str(tmp_path / "some.sqlite3")))
    connection = database.raw(writes=True)
    connection.execute("CREATE TABLE filler (bytes BLOB)")
    yield database
    connection.close()
    database.close()


def write(database: Database, mebibytes: int) -> None:
    with database.write() as session:
        for _ in range(mebibytes):
            session.connection().exec_driver_sql("INSERT INTO filler VALUES (randomblob(?))", (MEBIBYTE,))


def test_the_log_begins_anew_under_constant_writing(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LONG_LOG_BYTES", 4 * MEBIBYTE)
    checkpointer = Checkpointer(filled)
    longest = 0
    for _ in range(12):
        write(filled, 3)
        longest = max(longest, filled.log_bytes())
        checkpointer.tend()
    checkpointer.stop()
    assert longest < 12 * MEBIBYTE, "36 MiB were written, and the log kept them all."


def test_a_reader_of_the_past_delays_nobody(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LONG_LOG_BYTES", MEBIBYTE)
    write(filled, 1)
    checkpointer = Checkpointer(filled)
    with filled.read() as session:
        before = session.connection().exec_driver_sql("SELECT count(*) FROM filler").scalar()
        write(filled, 3)
        checkpointer.tend()
        write(filled, 1)
        assert session.connection().exec_driver_sql("SELECT count(*) FROM filler").scalar() == before == 1
    checkpointer.stop()


def test_an_idle_log_is_emptied(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "IDLE_S", -1)
    write(filled, 2)
    checkpointer = Checkpointer(filled)
    checkpointer.tend()
    assert filled.log_bytes() > 0
    checkpointer.tend()
    assert filled.log_bytes() == 0
    checkpointer.stop()


def test_its_thread_ends_and_leaves_nothing_behind(filled: Database) -> None:
    checkpointer = Checkpointer(filled)
    checkpointer.start()
    write(filled, 2)
    checkpointer.stop()
    assert filled.log_bytes() == 0

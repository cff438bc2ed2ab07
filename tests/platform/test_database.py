"""The pen, and the database's failures in our words."""

import threading

import pytest
from sqlalchemy import select, text

from modelyard.domains.namespaces.tables import Project
from modelyard.platform.database import Database
from modelyard.platform.driver_errors import trouble
from modelyard.platform.errors import Busy, Invalid, ModelyardError, Unavailable
from tests.conftest import World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_who_writes_inside_of_writing_is_told_at_once(database: Database) -> None:
    with database.write(), pytest.raises(RuntimeError, match="writing already"), database.write():
        pass
    with database.write() as session:
        assert session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_another_thread_gets_the_pen_afterwards(database: Database) -> None:
    wrote = threading.Event()

    def write() -> None:
        with database.write():
            wrote.set()

    with database.write():
        other = threading.Thread(target=write)
        other.start()
        assert not wrote.wait(0.2)
    other.join(10)
    assert wrote.is_set()


@pytest.mark.parametrize(("value", "words"), [("a\0b", "cannot be kept"), (2**70, "too large")])
def test_what_cannot_be_kept_is_the_requests_fault(
    database: Database, world: World, engine: str, value: str | int, words: str
) -> None:
    column = Project.description if isinstance(value, str) else Project.id
    wanted = select(Project.id).where(Project.id == world.project_id, column == value)
    if engine == "sqlite" and isinstance(value, str):
        with database.read() as session:
            assert session.scalar(wanted) is None, "SQLite can keep any text"
        return
    with pytest.raises(Invalid, match=words), database.read() as session:
        session.scalar(wanted)


@pytest.mark.parametrize(
    ("said", "is_away", "is_contended", "kind"),
    [
        ("database or disk is full", False, False, Busy),
        ("could not extend file: No space left on device", True, False, Busy),
        ("PostgreSQL text fields cannot contain NUL (0x00) bytes", False, False, Invalid),
        ("bigint out of range", False, False, Invalid),
        ("database is locked", True, True, Busy),
        ("server closed the connection unexpectedly", True, False, Busy),
        ("syntax error", False, False, Unavailable),
    ],
)
def test_a_failure_is_said_alike_whichever_driver_tells_of_it(
    *, said: str, is_away: bool, is_contended: bool, kind: type[ModelyardError]
) -> None:
    found = trouble(Exception(said), is_away=is_away, is_contended=is_contended)
    assert type(found) is kind
    assert said.lower() not in found.message.lower()

"""What reads for too long is stopped, and what others hold is not waited for."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import pytest
from sqlalchemy import text

from modelyard.platform import database as database_module
from modelyard.platform import deadlines, raw_postgresql
from modelyard.platform.database import Database
from modelyard.platform.deadlines import unhurried
from modelyard.platform.errors import Busy, Invalid, UnknownOutcome
from modelyard.platform.group_commit import GroupCommit
from modelyard.platform.raw import RawTransaction, read_rows

# Far longer than any deadline here when nobody stops it; the shorter one takes about two of them.
COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT count(*) FROM n"
ENDLESS = COUNTING.format(2_000_000_000)
LONG = COUNTING.format(2_000_000)


@pytest.fixture
def hurried(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The same database, whose readers have little time."""
    monkeypatch.setattr(deadlines, "READ_DEADLINE_S", 0.1)
    monkeypatch.setattr(deadlines, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(database_module, "STATEMENT_TIMEOUT_S", 0.1)
    made = Database(database.url)
    yield made
    made.close()


def test_a_read_that_takes_too_long_is_stopped(hurried: Database) -> None:
    for _ in range(2):
        with pytest.raises(Invalid, match="too long"), hurried.read() as session:
            session.scalar(text(ENDLESS))
    with hurried.read() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_a_handwritten_query_is_stopped_while_its_rows_are_fetched(hurried: Database) -> None:
    # SQLite gives the first row at once and works on while the others are fetched.
    rows = ENDLESS.replace("count(*)", "i") + " WHERE i < 2 OR i > 1999999999"
    with pytest.raises(Invalid, match="too long"), hurried.read() as session:
        read_rows(session, rows)


def test_what_no_request_waits_for_takes_its_time(hurried: Database) -> None:
    with hurried.snapshot() as session:
        assert session.scalar(text(LONG)) == 2_000_000
    with unhurried(), hurried.read() as session:
        assert session.scalar(text(LONG)) == 2_000_000
    with pytest.raises(Invalid, match="too long"), hurried.read() as session:
        session.scalar(text(ENDLESS))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_only_the_operation_on_a_row_that_others_hold_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_postgresql, "GROUP_LOCK_TIMEOUT_S", 0.2)
    with database.write() as session:
        session.execute(text("CREATE TABLE held (name text PRIMARY KEY, times int)"))
        session.execute(text("INSERT INTO held VALUES ('a', 0), ('b', 0), ('c', 0)"))
    lane: GroupCommit[str] = GroupCommit(database, change)
    with database.write() as session:
        session.execute(text("UPDATE held SET times = 7 WHERE name = 'b'"))
        done = [Future[object]() for _ in "abc"]
        for name, future in zip("abc", done, strict=True):
            lane.submit(name, future.set_result)
        lane.start()
        outcomes = [future.result(10) for future in done]
    assert outcomes[0] == outcomes[2] == "changed"
    assert isinstance(outcomes[1], Busy)
    assert "Try again" in outcomes[1].message
    assert lane.submit_and_wait("b") == "changed"
    lane.stop()
    with database.read() as session:
        assert list(session.execute(text("SELECT * FROM held ORDER BY name"))) == [("a", 1), ("b", 8), ("c", 1)]


def change(transaction: RawTransaction, names: Sequence[str]) -> list[object]:
    for name in names:
        transaction.run("UPDATE held SET times = times + 1 WHERE name = ?", (name,))
    return ["changed"] * len(names)


TOUCH = text("UPDATE projects SET path = path")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("world")
def test_a_row_that_others_hold_is_not_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT_S", 0.1)
    other = Database(database.url)
    with database.write() as session:
        session.execute(TOUCH)
        with pytest.raises(Busy, match="Others are changing"), other.write() as waiting:
            waiting.execute(TOUCH)
    other.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("world")
def test_who_stalls_inside_a_transaction_loses_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "IDLE_IN_TRANSACTION_TIMEOUT_S", 0.1)
    other = Database(database.url)

    def stall() -> None:
        with other.write() as stalling:
            stalling.execute(TOUCH)
            with database.write() as session:
                session.execute(TOUCH)

    with pytest.raises(UnknownOutcome):
        stall()
    with other.write() as session:
        session.execute(TOUCH)
    other.close()

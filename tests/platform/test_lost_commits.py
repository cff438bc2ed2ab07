"""A connection to PostgreSQL that is lost during COMMIT: what is answered is what happened."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from modelyard.platform import raw_postgresql
from modelyard.platform.commit_marks import CommitMark, forget_old_marks
from modelyard.platform.database import Database
from modelyard.platform.errors import Busy, UnknownOutcome
from modelyard.platform.group_commit import GroupCommit
from modelyard.platform.raw import RawTransaction
from modelyard.platform.raw_postgresql import PostgresqlWriter


@pytest.fixture
def engine() -> str:
    """Where a commit can be lost."""
    return "postgresql"


@pytest.fixture
def writer(database: Database) -> Iterator[PostgresqlWriter]:
    with database.write() as session:
        session.execute(text("CREATE TABLE kept (word text)"))
    made = PostgresqlWriter(database)
    yield made
    made.close()


class Losing:
    """Stands for a connection that is lost in its next COMMIT: after it, before it, or with its session left behind."""

    def __init__(self, real: Any, when: str) -> None:  # noqa: ANN401  # a connection of psycopg
        self._real = real
        self._when = when
        self.broken = False
        self.closed = False

    def execute(self, statement: bytes, *values: Any) -> Any:  # noqa: ANN401  # as above
        if statement != b"COMMIT":
            return self._real.execute(statement, *values)
        self.broken = True
        if self._when == "after":
            self._real.commit()
        if self._when != "left behind":
            self._real.close()
        raise psycopg.OperationalError("the connection is lost")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # as above
        return getattr(self._real, name)


def words(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(text("SELECT word FROM kept ORDER BY word")))


def begin_and_lose(writer: PostgresqlWriter, when: str) -> None:
    writer.begin()
    writer.run("INSERT INTO kept VALUES (?)", ("first",))
    writer.commit()
    writer.begin()
    writer.run("INSERT INTO kept VALUES (?)", ("second",))
    writer._connection = Losing(writer._connection, when)  # type: ignore[assignment]


def test_a_commit_that_happened_is_a_commit(writer: PostgresqlWriter, database: Database) -> None:
    begin_and_lose(writer, "after")
    writer.commit()
    assert words(database) == ["first", "second"]


@pytest.mark.parametrize("when", ["before", "left behind"])
def test_one_that_did_not_happen_is_none_and_cannot_happen_later(
    writer: PostgresqlWriter, database: Database, when: str
) -> None:
    begin_and_lose(writer, when)
    lost = writer._connection
    with pytest.raises(psycopg.OperationalError):
        writer.commit()
    if when == "left behind":
        with pytest.raises(psycopg.OperationalError):
            lost._real.commit()  # type: ignore[union-attr]
        lost._real.close()  # type: ignore[union-attr]
    writer.rollback()
    assert words(database) == ["first"]
    writer.begin()
    writer.run("INSERT INTO kept VALUES (?)", ("third",))
    writer.commit()
    assert words(database) == ["first", "third"]


def test_when_the_database_stays_away_it_is_not_known(
    writer: PostgresqlWriter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_postgresql, "PATIENCE_S", 0.5)
    begin_and_lose(writer, "before")
    writer._address = "postgresql://modelyard@127.0.0.1:1/none"
    with pytest.raises(UnknownOutcome, match="not known"):
        writer.commit()
    assert words(database) == ["first"]


def apply(transaction: RawTransaction, operations: object) -> list[object]:
    assert isinstance(operations, list)
    for word in operations:
        transaction.run("INSERT INTO kept VALUES (?)", (word,))
    return [f"wrote {word}" for word in operations]


@pytest.mark.parametrize("when", ["after", "before"])
def test_a_group_is_answered_by_what_became_of_it(writer: PostgresqlWriter, database: Database, when: str) -> None:
    lane: GroupCommit[str] = GroupCommit(database, apply)
    lane._writer = writer
    lane.start()
    assert lane.submit_and_wait("first") == "wrote first"
    writer._connection = Losing(writer._connection, when)  # type: ignore[assignment]
    if when == "after":
        assert lane.submit_and_wait("second") == "wrote second"
    else:
        with pytest.raises(Busy, match="nothing was changed"):
            lane.submit_and_wait("second")
    assert lane.submit_and_wait("third") == "wrote third"
    assert words(database) == (["first", "second", "third"] if when == "after" else ["first", "third"])
    lane.stop()


def test_an_ordinary_write_that_loses_its_commit_says_that_it_does_not_know(
    writer: PostgresqlWriter, database: Database
) -> None:
    assert writer.is_sqlite is False

    def lose(session: Session) -> None:
        # The server ends the session in the moment in which it is to commit.
        number = session.scalar(text("SELECT pg_backend_pid()"))
        with database.engine.connect() as other:
            other.execute(text(f"SELECT pg_terminate_backend({number})"))

    def write() -> None:
        with database.write() as session:
            session.execute(text("INSERT INTO kept VALUES ('lost')"))
            event.listen(session, "before_commit", lose)

    with pytest.raises(UnknownOutcome):
        write()
    assert words(database) == []
    with database.write() as session:
        session.execute(text("INSERT INTO kept VALUES ('kept')"))
    assert words(database) == ["kept"]


def test_marks_of_the_past_are_forgotten(writer: PostgresqlWriter, database: Database) -> None:
    begin_and_lose(writer, "after")
    with database.write() as session:
        assert forget_old_marks(session) == 0
        session.execute(text("UPDATE commit_marks SET marked_at = 1"))
        assert forget_old_marks(session) == 1
        assert session.scalars(select(CommitMark)).all() == []

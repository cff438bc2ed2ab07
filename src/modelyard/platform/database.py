"""One database, SQLite or PostgreSQL: sessions to read, sessions to write, and the only place that commits.

SQLite has one pen: whoever writes holds `Database.pen` from the first statement to the commit, so that two writers
never meet inside SQLite, where they would poll. A read session sees one snapshot and cannot write.
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import (
    BigInteger,
    CursorResult,
    Dialect,
    Engine,
    Integer,
    MetaData,
    TypeDecorator,
    UpdateBase,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session

from modelyard.platform.clock import from_ms, to_ms
from modelyard.platform.deadlines import READ_DEADLINE_S, Deadlines, is_unhurried, unhurried
from modelyard.platform.disk import DiskReserve
from modelyard.platform.driver_errors import sqlite_trouble, trouble
from modelyard.platform.errors import Busy, Conflict, Invalid, ModelyardError, UnknownOutcome
from modelyard.platform.settings import Settings

# Session is here for the ways in, which hold one and never import SQLAlchemy.
__all__ = [
    "Database",
    "Identifier",
    "Moment",
    "Session",
    "Table",
    "open_database",
    "translated",
]

BUSY_TIMEOUT_MS = 10_000
PEN_TIMEOUT_S = 30.0
# More than the threads of a process that use its database, so that none waits for another's connection: those of the
# crews, and two each of the worker, the folding, the probes and the operator's routes. Each is opened when needed.
POOL_SIZE = 32
# On PostgreSQL, where others (a replica, somebody's console) may hold a row for as long as they like.
LOCK_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = READ_DEADLINE_S
IDLE_IN_TRANSACTION_TIMEOUT_S = 10.0
# A connection whose other end has vanished is noticed after idle + count * interval seconds.
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
TAKE_YOUR_TIME = (
    "SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)"
)
SQLITE_FILE = "modelyard.sqlite3"
# Where, in its `info`, a session that only reads keeps what it has looked up; others have no such place.
SNAPSHOT = "snapshot"
# In `Session.info`: how many bytes of files a project may have where nothing else was set for it; 0 for any number.
QUOTA = "project quota bytes"
BIGGEST_INTEGER = 2**63 - 1
LOST_COMMIT = (
    "The database went away while this was being written, so it is not known whether it was."
    " Look before you send it again."
)
CONTENDED = re.compile(r"locked|busy|deadlock|lock timeout|could not serialize")
# In `Session.info`: this transaction leaves something for the worker to do.
LEAVES_WORK = "leaves work"


class Table(DeclarativeBase):
    """The parent of every table. Names of constraints follow one convention, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Moment(TypeDecorator[datetime]):
    """An aware UTC time, kept as whole milliseconds so that both engines sort and compare it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002  # SQLAlchemy's signature
        return None if value is None else to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        return None if value is None else from_ms(value)


# A row's own number. SQLite gives numbers by itself only to a column that is called INTEGER.
Identifier = BigInteger().with_variant(Integer(), "sqlite")


class Database:
    """The engines of one database. `read()` and `write()` are the doors; leaving `write()` commits or rolls back.

    `check_room` raises Busy while there is no room to write.
    """

    def __init__(
        self,
        url: URL,
        *,
        durability: Literal["full", "normal"] = "full",
        pool_size: int = POOL_SIZE,
        switched_off: frozenset[str] = frozenset(),
        project_quota_bytes: int = 0,
        check_room: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = url
        self.check_room = check_room
        # What every session carries along: the features that are off on this server, and what projects may hold.
        self._info: dict[str, object] = {"switched_off": switched_off, QUOTA: project_quota_bytes}
        self.durability = durability
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.pen = threading.Lock()
        self._pen_holder: int | None = None
        # Counts the commits of this process that may have changed who may do what; caches of that compare it.
        self.generation = 0
        # Set by a commit that leaves work; a worker in the same process waits for it.
        self.has_work = threading.Event()
        self._deadlines = Deadlines()
        if self.is_sqlite:
            self._reader = self._sqlite_engine(pool_size, writes=False)
            self._writer = self._sqlite_engine(1, writes=True)
        else:
            self._writer = _postgresql_engine(url, pool_size)
            self._reader = self._writer.execution_options(postgresql_readonly=True)

    @property
    def engine(self) -> Engine:
        """The engine that may write, for migrations."""
        return self._writer

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session on one snapshot. It cannot write; what it has looked up once may be kept under `SNAPSHOT`.

        Raises:
            Invalid: it reads for longer than READ_DEADLINE_S, and is not `unhurried`.
        """
        info = {**self._info, SNAPSHOT: {}}
        with translated(), Session(self._reader, expire_on_commit=False, info=info) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A reading session all of whose queries see one moment, on PostgreSQL, too. It may take its time."""
        with unhurried(), self.read() as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def write(self, *, changes_access: bool = True, uses_reserve: bool = False) -> Iterator[Session]:
        """A session whose work is committed when the block ends, and undone when it raises.

        Do slow work (hashing a password, reading a file) before opening one: on SQLite nobody else writes meanwhile.
        What makes room, or lets somebody in who will, uses the disk's reserve.

        Raises:
            Busy: the reserve is reached, or others write for too long.
            UnknownOutcome: the database was lost while it committed.
        """
        if not uses_reserve:
            self.check_room()
        opened = Session(self._writer, expire_on_commit=False, info=self._info)
        with self.pen_held(), translated(), opened as session:
            yield session
            session.flush()  # what fails here was certainly not committed
            _commit(session)
            leaves_work = session.info.get(LEAVES_WORK, False)
        self.generation += changes_access
        if leaves_work:
            self.has_work.set()

    @contextmanager
    def pen_held(self) -> Iterator[None]:
        """On SQLite the one right to write; on PostgreSQL nothing.

        Raises:
            Busy: others kept it for too long.
            RuntimeError: this thread holds it already, and would wait for itself.
        """
        if not self.is_sqlite:
            yield
            return
        if self._pen_holder == threading.get_ident():
            raise RuntimeError("This thread is writing already: use the session that it has, or write afterwards.")
        if not self.pen.acquire(timeout=PEN_TIMEOUT_S):
            raise Busy("The server is busy writing. Try again in a moment.", retry_after_s=2)
        self._pen_holder = threading.get_ident()
        try:
            yield
        finally:
            self._pen_holder = None
            self.pen.release()

    def raw(self, *, writes: bool = False) -> sqlite3.Connection:
        """A SQLite connection of its own with this product's pragmas, for the hot lane."""
        connection = sqlite3.connect(
            self.url.database or ":memory:",
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
            cached_statements=512,
        )
        self._prepare(connection, writes=writes)
        return connection

    def probe(self) -> None:
        """Prove that the database can be written, and leave no trace.

        Raises:
            Busy, Unavailable: it cannot.
        """
        with self.pen_held(), translated(), Session(self._writer) as session:
            session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
            session.rollback()

    def log_bytes(self) -> int:
        """The size of SQLite's write-ahead log; 0 on PostgreSQL."""
        try:
            return Path(f"{self.url.database}-wal").stat().st_size if self.is_sqlite else 0
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

    def _prepare(self, connection: sqlite3.Connection, *, writes: bool) -> None:
        synchronous = "FULL" if self.durability == "full" else "NORMAL"
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "foreign_keys = ON",
            "case_sensitive_like = ON",
            "temp_store = MEMORY",
            "cache_size = -16384",
            "journal_size_limit = 67108864",
            # A background task checkpoints; this is for the case that it cannot keep up.
            "wal_autocheckpoint = 16384",
            f"query_only = {'OFF' if writes else 'ON'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    def _sqlite_engine(self, pool_size: int, *, writes: bool) -> Engine:
        engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=PEN_TIMEOUT_S,
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: DBAPIConnection, _record: object) -> None:
            assert isinstance(connection, sqlite3.Connection)  # noqa: S101  # the driver of this engine
            connection.isolation_level = None
            self._prepare(connection, writes=writes)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            # The driver would begin at the first write; a writer must hold the lock from its first read.
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
            if not writes:
                driver = connection.connection.driver_connection
                assert isinstance(driver, sqlite3.Connection)  # noqa: S101  # the driver of this engine
                self._deadlines.begin(driver)

        @event.listens_for(engine, "checkin")
        def check_in(connection: sqlite3.Connection | None, _record: object) -> None:
            if connection is not None:
                self._deadlines.end(connection)

        return engine


def _postgresql_engine(url: URL, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=PEN_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args=postgresql_arguments(url),
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if is_unhurried():
            connection.exec_driver_sql(TAKE_YOUR_TIME)

    return engine


def postgresql_arguments(url: URL) -> dict[str, str | int]:
    """What each connection to PostgreSQL is opened with: how long it waits. What the address says counts more."""
    timeouts_s = {
        "lock_timeout": LOCK_TIMEOUT_S,
        "statement_timeout": STATEMENT_TIMEOUT_S,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_S,
    }
    options = [f"-c {name}={round(seconds * 1000)}" for name, seconds in timeouts_s.items()]
    given = url.query.get("options", "")
    options += [given] if isinstance(given, str) else given
    return {"options": " ".join(options), **{name: n for name, n in KEEPALIVES.items() if name not in url.query}}


def execute_counting(session: Session, statement: UpdateBase) -> int:
    """Execute an UPDATE or DELETE without telling the rows that the session has in memory; how many rows it changed."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)  # noqa: S101  # what a changing statement gives
    return result.rowcount


def open_database(settings: Settings) -> Database:
    """The database that the settings name; the data directory must exist for SQLite."""
    if settings.database_url:
        url = make_url(settings.database_url).set(drivername="postgresql+psycopg")
        return Database(
            url,
            durability=settings.durability,
            switched_off=settings.switched_off,
            project_quota_bytes=settings.project_quota_bytes,
        )
    url = URL.create("sqlite", database=str(Path(settings.data) / SQLITE_FILE))
    reserve = DiskReserve(Path(settings.data), settings.disk_reserve_bytes)
    return Database(
        url,
        durability=settings.durability,
        switched_off=settings.switched_off,
        project_quota_bytes=settings.project_quota_bytes,
        check_room=reserve.check,
    )


def _commit(session: Session) -> None:
    try:
        session.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise UnknownOutcome(LOST_COMMIT) from error
        raise


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into the product's own."""
    try:
        yield
    except IntegrityError as error:
        raise conflict_of(error) from error
    except PoolTimeout as error:
        raise Busy("The server is busy. Try again in a moment.", retry_after_s=2) from error
    except DBAPIError as error:
        raise trouble_of(error) from error
    except sqlite3.Error as error:
        # While rows are fetched from a query written by hand, SQLite goes on working.
        raise sqlite_trouble(error) from error
    except OverflowError as error:
        raise Invalid("A number is too large to be stored.") from error


def conflict_of(error: IntegrityError) -> ModelyardError:
    """The violated constraint in words."""
    text = str(error.orig)
    if "FOREIGN KEY" in text.upper():
        return Conflict("Something that this refers to has just been deleted.")
    if "NOT NULL" in text.upper() or "not-null" in text:
        return Invalid("A required value is missing.")
    return Conflict("This already exists.")


def trouble_of(error: DBAPIError) -> ModelyardError:
    """A failure of the database itself: full, away, or too slow."""
    is_operational = isinstance(error, OperationalError)
    is_contended = is_operational and CONTENDED.search(str(error.orig).lower()) is not None
    return trouble(error.orig, is_away=is_operational or error.connection_invalidated, is_contended=is_contended)

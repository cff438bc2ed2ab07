"""The database's part of a backup: SQLite copies itself, PostgreSQL has its own programs for it."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import URL

from modelyard.platform.backup.manifest import BlobEntry, flush
from modelyard.platform.database import SQLITE_FILE, Database
from modelyard.platform.errors import Conflict, Invalid, NotFound
from modelyard.platform.raw import read_rows
from modelyard.platform.settings import Settings


@contextmanager
def saved_database(database: Database, path: Path, blobs_sql: str) -> Iterator[Iterator[BlobEntry]]:
    """Save the database to `path`; the blobs that this very snapshot names, by a query for name and size."""
    if database.is_sqlite:
        _copy_sqlite(database, path)
        with _opened_copy(path) as copy:
            yield (BlobEntry(str(name), int(size)) for name, size in copy.execute(blobs_sql))
    else:
        with database.snapshot() as session:
            snapshot = str(session.scalar(text("SELECT pg_export_snapshot()")))
            _run_program("pg_dump", database.url, "--format=custom", f"--snapshot={snapshot}", f"--file={path}")
            rows = read_rows(session, blobs_sql)
            yield (BlobEntry(str(name), int(size or 0)) for name, size in rows)
    flush(path)


def check_target(settings: Settings, database: Database) -> None:
    """Refuse to restore over something.

    Raises:
        Conflict: there is a database already.
    """
    if database.is_sqlite:
        if (settings.data / SQLITE_FILE).exists():
            raise Conflict(f"There is an installation in {settings.data} already. Restore into a new directory.")
        return
    with database.read() as session:
        if inspect(session.connection()).get_table_names():
            raise Conflict("The database has tables already. Restore into an empty one.")


def restore_database(settings: Settings, database: Database, path: Path) -> None:
    """Make the database out of what was saved to `path`. It is there wholly or not at all."""
    if database.is_sqlite:
        target = settings.data / SQLITE_FILE
        unfinished = target.with_suffix(".part")
        shutil.copyfile(path, unfinished)
        unfinished.chmod(0o600)
        flush(unfinished)
        unfinished.replace(target)
        flush(target.parent)
    else:
        options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        _run_program("pg_restore", database.url, *options, str(path))


def _copy_sqlite(database: Database, path: Path) -> None:
    connection = database.raw(writes=True)
    try:
        connection.execute("VACUUM INTO ?", (str(path),))
    except sqlite3.Error as error:
        raise Conflict(f"The database could not be copied: {error}.") from error
    finally:
        connection.close()


@contextmanager
def _opened_copy(path: Path) -> Iterator[sqlite3.Connection]:
    # Immutable: nothing beside the file is made, and the file stays as it is.
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def _run_program(program: str, url: URL, *options: str) -> None:
    """Run one of PostgreSQL's programs. The password goes by the environment, where other users cannot see it."""
    found = shutil.which(program)
    if found is None:
        raise NotFound(
            f"{program} was not found. Install PostgreSQL's client programs, of its server's version or newer."
        )
    address = url.set(drivername="postgresql", password=None).render_as_string()
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    words = [found, f"--dbname={address}", "--no-password", *options]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Invalid(f"{program} failed: {done.stderr.strip() or done.returncode}")

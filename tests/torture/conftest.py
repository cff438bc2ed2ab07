"""Real servers, a PostgreSQL of one's own that can be stopped, and how many rounds a tier affords."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from modelyard.platform.settings import Settings
from tests.conftest import UNPRIVILEGED, free_port, postgresql_binaries, unprivileged
from tests.processes import ServerProcess


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server on the installation of `settings`, not started yet."""
    made = ServerProcess({"data": settings.data, "database_url": settings.database_url}, tmp_path / "log")
    yield made
    made.clean_up()


@dataclass
class Cluster:
    """A PostgreSQL of one test's own."""

    folder: Path
    port: int
    binaries: Path

    @property
    def url(self) -> str:
        return URL.create(
            "postgresql", username="modelyard", host="127.0.0.1", port=self.port, database="postgres"
        ).render_as_string()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-w", "-D", self.folder / "cluster", "-l", self.folder / "log", "-o", options, "start")

    def stop(self, mode: str) -> None:
        """`fast` ends sessions, `immediate` ends processes as a crash would."""
        self._run("pg_ctl", "-D", self.folder / "cluster", "-m", mode, "-w", "stop")

    def initialize(self) -> None:
        self._run("initdb", "-A", "trust", "--no-sync", "-U", "modelyard", "-D", self.folder / "cluster")

    def _run(self, program: str, *words: str | Path) -> None:
        subprocess.run(
            unprivileged(self.binaries / program, *words),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL that flushes as it should."""
    folder = Path(tempfile.mkdtemp(prefix="modelyard-torture-"))
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    made = Cluster(folder, free_port(), postgresql_binaries())
    made.initialize()
    made.start()
    yield made
    with contextlib.suppress(subprocess.CalledProcessError):  # a test may have left it stopped
        made.stop("immediate")
    shutil.rmtree(folder, ignore_errors=True)

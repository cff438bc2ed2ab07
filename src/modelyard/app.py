"""Assembles the server: the only module that knows every way in.

A call is tried in this order: direct routes (the MLflow protocol, the operator's endpoints), streams (artifacts), REST
below /api/v4, and pages.
"""

import asyncio
import gc
import importlib
import logging
import signal
import sys
from collections.abc import Callable, Sequence

from uvicorn.config import Config

from modelyard.domains.accounts.sign_in import first_administrator_link
from modelyard.domains.tracking.hot.lane import Lane
from modelyard.entrypoints.mlflow.router import Dispatcher, split_address
from modelyard.entrypoints.mlflow.routes import all_routes
from modelyard.entrypoints.operator.routes import OperatorRoutes
from modelyard.entrypoints.request import Installation
from modelyard.migrations.upgrade import check_revision
from modelyard.platform.background import end_at_the_latest, wait_for_signal
from modelyard.platform.checkpoints import Checkpointer
from modelyard.platform.crypto import open_server_key
from modelyard.platform.database import open_database
from modelyard.platform.hosts import admits_hosts_of
from modelyard.platform.http import (
    KEEP_ALIVE_SECONDS,
    Asgi,
    Direct,
    Match,
    Receive,
    Scope,
    Send,
    as_asgi,
    protocol_with,
)
from modelyard.platform.late import LateApplication
from modelyard.platform.listening import listen
from modelyard.platform.server import HttpServer
from modelyard.platform.settings import Settings
from modelyard.platform.storage.opening import open_blob_store
from modelyard.platform.telemetry import configure_logging

# The writing thread wants the interpreter back right after a flush; Python's five milliseconds are longer than that.
SWITCH_INTERVAL_S = 0.0005
# After requests in flight had their time, so long for the rest of stopping.
LAST_RESORT_S = 30

REST_PREFIX = b"/api/v4/"

log = logging.getLogger(__name__)


def create_installation(settings: Settings) -> Installation:
    """Open the parts of a server. The data directory exists and the schema is up to date."""
    database = open_database(settings)
    return Installation(settings, database, open_server_key(settings), Lane(database), open_blob_store(settings))


def create_app(installation: Installation, *, loaded: Callable[[], None] = lambda: None) -> tuple[Asgi, Match]:
    """The ASGI application, which starts and stops the installation with its lifespan, and its direct routes.

    `loaded` is called, on a thread, once also those parts are loaded that the server does not wait for.

    Raises:
        UndeclaredRouteError: a route says nothing about who may use it.
    """
    dispatcher = Dispatcher(installation, all_routes())
    rest = LateApplication("modelyard.entrypoints.rest.app", "create_rest", [installation])
    site = LateApplication("modelyard.entrypoints.web.site", "create_site", [installation])
    checks = {"schema": lambda: check_revision(installation.database), "store": installation.store.check}
    operator = OperatorRoutes(installation, installation.observer.meter, checks=checks)

    def match(method: str, path: bytes) -> Direct | None:
        return dispatcher.match(method, path) or operator.match(method, path)

    async def streams_and_the_rest(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(installation, (rest, site), loaded, receive, send)
            return
        raw_path = scope.get("raw_path") or scope["path"].encode()
        stream = dispatcher.find_stream(scope["method"], raw_path)
        # The bare MLflow address of a project is a page, for people who open what the client printed.
        project, _ = split_address(raw_path) or (b"", b"")
        is_rest = raw_path.startswith(REST_PREFIX) and not project
        await (stream or (rest if is_rest else site))(scope, receive, send)

    return installation.observer.around(
        as_asgi(match, streams_and_the_rest, admits_hosts_of(installation.settings))
    ), match


async def _lifespan(
    installation: Installation,
    late: Sequence[LateApplication],
    loaded: Callable[[], None],
    receive: Receive,
    send: Send,
) -> None:
    """Start with the server; end after its last request."""
    building: asyncio.Task[None] | None = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            installation.lane.start(asyncio.get_running_loop())
            building = asyncio.create_task(_build(installation, late, loaded))
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            if building is not None:
                await building
            await asyncio.to_thread(close, installation)
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _build(installation: Installation, late: Sequence[LateApplication], loaded: Callable[[], None]) -> None:
    """Make REST and pages ready while the server listens already; without them there is no server."""
    try:
        for application in late:
            await asyncio.to_thread(application.build)
        await asyncio.to_thread(loaded)
    except Exception:  # edge: whatever it is, the server stops because of it
        log.critical("A part of the server cannot be loaded, so it stops.", exc_info=True)
        installation.has_failed = True
        signal.raise_signal(signal.SIGTERM)


def close(installation: Installation) -> None:
    """Finish what is under way and let go of the database. SQLite's log is moved into the database by that."""
    installation.is_stopping = True
    for crew in installation.crews:
        crew.shutdown(wait=True)
    installation.lane.stop()
    installation.background.stop()
    installation.database.close()


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Run a server until it is told to stop. The data directory is locked and its schema up to date.

    Raises:
        Invalid, Unavailable: it cannot have its address.
    """
    # First of all: who cannot have it should not be told how to sign up there.
    listeners = listen(settings.host, settings.port)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    configure_logging(settings)
    installation = create_installation(settings)

    def loaded() -> None:
        with installation.database.write(uses_reserve=True) as session:
            secret = first_administrator_link(session, installation.key)
        if secret:
            announce(
                f"Make the first administrator within 15 minutes: {settings.url}/-/first_administrator?token={secret}"
            )
        installation.background.add(Checkpointer(installation.database))
        if settings.worker:
            _add_worker(installation)
        installation.background.start()
        # What was loaded stays for ever, so nobody need look for garbage in it.
        gc.freeze()

    application, match = create_app(installation, loaded=loaded)

    def stopping() -> None:
        installation.is_stopping = True
        end_at_the_latest(settings.shutdown_s + LAST_RESORT_S)

    config = Config(
        application,
        loop="uvloop",
        http=protocol_with(match, installation.observer.direct, admits_hosts_of(settings)),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_s,
        lifespan="on",
    )
    HttpServer(config, listening=lambda: announce(f"Modelyard is at {settings.url}"), stopping=stopping).run(
        sockets=listeners
    )
    if installation.has_failed:
        raise SystemExit(1)


def work(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Run background tasks without a server until told to stop. The schema is up to date."""
    configure_logging(settings)
    installation = create_installation(settings)
    _add_worker(installation)
    installation.background.start()
    announce("This worker does the background tasks of the servers on the same database.")
    wait_for_signal()
    end_at_the_latest(settings.shutdown_s + LAST_RESORT_S)
    close(installation)


def _add_worker(installation: Installation) -> None:
    """Background tasks and folding. No answer needs them or NumPy, so they are loaded when they begin."""
    catalogue = importlib.import_module("modelyard.entrypoints.worker.catalogue")
    subscriptions = importlib.import_module("modelyard.subscriptions").SUBSCRIPTIONS
    folding = importlib.import_module("modelyard.domains.tracking.folding")
    installation.background.add(
        catalogue.create_worker(installation, subscriptions), folding.Folder(installation.database)
    )

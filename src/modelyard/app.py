"""Assembles the server: the only module that knows every way in.

A call is tried in this order: direct routes (the MLflow protocol), its streams (artifacts), REST below /api/v4, pages
and the operator's endpoints.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

from uvicorn.config import Config

from modelyard.domains.accounts.sign_in import first_administrator_link
from modelyard.domains.tracking.hot.lane import Lane
from modelyard.entrypoints.mlflow.router import Dispatcher
from modelyard.entrypoints.mlflow.routes import all_routes
from modelyard.entrypoints.request import Installation
from modelyard.entrypoints.rest.late import LateRest
from modelyard.platform.crypto import open_server_key
from modelyard.platform.database import open_database
from modelyard.platform.http import (
    KEEP_ALIVE_SECONDS,
    Asgi,
    HttpServer,
    Match,
    Receive,
    Scope,
    Send,
    as_asgi,
    protocol_with,
)
from modelyard.platform.settings import Settings

# The writing thread wants the interpreter back right after a flush; Python's five milliseconds are longer than that.
SWITCH_INTERVAL_S = 0.0005

REST_PREFIX = b"/api/v4/"

log = logging.getLogger(__name__)


def create_installation(settings: Settings) -> Installation:
    """Open the parts of a server. The data directory exists and the schema is up to date."""
    database = open_database(settings)
    return Installation(settings, database, open_server_key(settings), Lane(database))


def create_app(installation: Installation) -> tuple[Asgi, Match]:
    """The ASGI application, which starts and stops the installation with its lifespan, and its direct routes.

    Raises:
        UndeclaredRouteError: a route says nothing about who may use it.
    """
    dispatcher = Dispatcher(installation, all_routes())
    rest = LateRest(installation)

    async def streams_and_the_rest(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(installation, rest, receive, send)
            return
        raw_path = scope.get("raw_path") or scope["path"].encode()
        stream = dispatcher.find_stream(scope["method"], raw_path)
        others = rest if raw_path.startswith(REST_PREFIX) else _nothing_here
        await (stream or others)(scope, receive, send)

    return as_asgi(dispatcher.match, streams_and_the_rest), dispatcher.match


async def _nothing_here(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"There is nothing here."})


async def _lifespan(installation: Installation, rest: LateRest, receive: Receive, send: Send) -> None:
    """Start with the server; end after its last request."""
    building: asyncio.Task[None] | None = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            installation.lane.start(asyncio.get_running_loop())
            building = asyncio.create_task(_build(rest))
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            if building is not None:
                await building
            await asyncio.to_thread(close, installation)
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _build(rest: LateRest) -> None:
    """Make REST ready while the server listens already; without it there is no server."""
    try:
        await asyncio.to_thread(rest.build)
    except Exception:  # edge: whatever it is, the server stops because of it
        log.critical("The REST API cannot be served, so the server stops.", exc_info=True)
        signal.raise_signal(signal.SIGTERM)


def close(installation: Installation) -> None:
    """Finish what is under way and let go of the database."""
    installation.is_stopping = True
    installation.pool.shutdown(wait=True)
    installation.lane.stop()
    installation.database.close()


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Run a server until it is told to stop. The data directory is locked and its schema up to date."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    installation = create_installation(settings)
    application, match = create_app(installation)

    def listening() -> None:
        with installation.database.write() as session:
            secret = first_administrator_link(session, installation.key)
        announce(f"Modelyard is at {settings.url}")
        if secret:
            announce(
                f"Make the first administrator within 15 minutes: {settings.url}/-/first_administrator?token={secret}"
            )

    def stopping() -> None:
        installation.is_stopping = True

    config = Config(
        application,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=protocol_with(match),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_s,
        lifespan="on",
    )
    HttpServer(config, listening=listening, stopping=stopping).run()

"""`modelyard serve`: everything in one process."""

import importlib
from typing import Annotated

import typer

from modelyard.entrypoints.cli.opening import upgraded
from modelyard.entrypoints.cli.options import Data, DatabaseUrl, ObjectsUrl
from modelyard.platform.lock import DataLock, prepare_data_directory
from modelyard.platform.settings import load_settings

app = typer.Typer(add_completion=False)

Host = Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 is every interface.")]
ListenPort = Annotated[int | None, typer.Option("--port", help="Port to listen on.")]
ExternalUrl = Annotated[str | None, typer.Option(help="Address that people type, if it is another one.")]
Durability = Annotated[
    str | None, typer.Option(help="full: answers survive power loss. normal: a crash of the process.")
]
Worker = Annotated[bool | None, typer.Option(help="Whether to do background tasks in this process.")]
LogFormat = Annotated[str | None, typer.Option(help="text or json.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]


@app.command()
def serve(  # typer passes them by name
    data: Data = None,
    host: Host = None,
    port: ListenPort = None,
    external_url: ExternalUrl = None,
    database_url: DatabaseUrl = None,
    objects_url: ObjectsUrl = None,
    durability: Durability = None,
    worker: Worker = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
) -> None:
    """Start the server.

    Everything it needs is made in the data directory at the first start; later it applies missing migrations. It stops
    at Ctrl-C or SIGTERM after the requests in flight are answered; a second signal ends it at once.

    Examples:
        modelyard serve

        modelyard serve --data /srv/modelyard --host 0.0.0.0 --external-url https://models.example.org

        modelyard serve --database-url postgresql://modelyard@db/modelyard --objects-url s3://models/production

    `modelyard settings` lists all that can be set.
    """
    settings = load_settings(
        {
            "data": data,
            "host": host,
            "port": port,
            "external_url": external_url,
            "database_url": database_url,
            "objects_url": objects_url,
            "durability": durability,
            "worker": worker,
            "log_format": log_format,
            "log_level": log_level,
        }
    )
    prepare_data_directory(settings.data)
    lock = DataLock(settings.data)
    if not settings.is_postgresql:
        lock.acquire()
    upgraded(settings, is_server=True)[0].close()
    importlib.import_module("modelyard.app").serve(settings, announce=typer.echo)
    lock.release()

"""`modelyard worker`: background tasks without a server."""

import importlib

import typer

from modelyard.entrypoints.cli.opening import upgraded
from modelyard.entrypoints.cli.options import Data, DatabaseUrl, ObjectsUrl
from modelyard.platform.errors import Invalid
from modelyard.platform.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def worker(data: Data = None, database_url: DatabaseUrl = None, objects_url: ObjectsUrl = None) -> None:
    """Do background tasks in a process of their own.

    That is for installations on PostgreSQL; start as many as you like, and the servers with --no-worker if these shall
    do all. On SQLite the one server process does them.

    Example:
        modelyard worker --database-url postgresql://modelyard@db/modelyard --objects-url s3://models/production
    """
    settings = load_settings({"data": data, "database_url": database_url, "objects_url": objects_url})
    if not settings.is_postgresql:
        raise Invalid("On SQLite the server does the background tasks itself. A worker needs --database-url.")
    upgraded(settings)[0].close()
    importlib.import_module("modelyard.app").work(settings, announce=typer.echo)

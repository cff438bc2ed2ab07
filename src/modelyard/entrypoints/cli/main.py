"""The `modelyard` command."""

import importlib
import json
from pathlib import Path
from typing import Annotated

import typer

from modelyard.domains.accounts.actor import SYSTEM, Actor, Scope
from modelyard.domains.accounts.users import create_user, find_user
from modelyard.domains.namespaces.access import Role
from modelyard.domains.namespaces.groups import create_group, create_personal_namespace, get_namespace
from modelyard.domains.namespaces.place_tokens import create_place_token
from modelyard.domains.namespaces.projects import create_project, get_project
from modelyard.domains.namespaces.tables import Namespace
from modelyard.platform.crypto import open_server_key
from modelyard.platform.database import Database, Session, open_database
from modelyard.platform.errors import ModelyardError, NotFound
from modelyard.platform.lock import DataLock, prepare_data_directory
from modelyard.platform.settings import Settings, load_settings

app = typer.Typer(name="modelyard", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Data = Annotated[Path | None, typer.Option(help="Directory for the database, files and keys.")]
DatabaseUrl = Annotated[str | None, typer.Option(help="postgresql://USER:PASSWORD@HOST/NAME instead of SQLite.")]
ObjectsUrl = Annotated[str | None, typer.Option(help="s3://BUCKET/PREFIX instead of local files.")]


@app.command()
def serve(  # the flags
    data: Data = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 is every interface.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    database_url: DatabaseUrl = None,
    objects_url: ObjectsUrl = None,
    durability: Annotated[str | None, typer.Option(help="full or normal.")] = None,
) -> None:
    """Start the server. Everything it needs is made in the data directory at the first start."""
    settings = load_settings(
        {
            "data": data,
            "host": host,
            "port": port,
            "database_url": database_url,
            "objects_url": objects_url,
            "durability": durability,
        }
    )
    prepare_data_directory(settings.data)
    if not settings.is_postgresql:
        DataLock(settings.data).acquire()
    _upgraded(settings).close()
    importlib.import_module("modelyard.app").serve(settings, announce=typer.echo)


@app.command()
def bootstrap(
    project: Annotated[str, typer.Option(help="GROUP/NAME of the project to use or make.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
    port: Annotated[int | None, typer.Option(help="Port of the server, for the printed address.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an administrator if there is none, a group and project if missing, and a token for scripts and tests."""
    settings = load_settings({"data": data, "database_url": database_url, "port": port})
    prepare_data_directory(settings.data)
    database = _upgraded(settings)
    made = _bootstrap(settings, database, project)
    database.close()
    if as_json:
        typer.echo(json.dumps(made))
    else:
        for name, value in made.items():
            typer.echo(f"{name}: {value}")


def _bootstrap(settings: Settings, database: Database, path: str) -> dict[str, object]:
    key = open_server_key(settings)
    group_path, _, name = path.rpartition("/")
    if not group_path:
        raise typer.BadParameter("Name a group and a project: GROUP/NAME.")
    with database.write() as session:
        administrator = find_user(session, SYSTEM, "root")
        if administrator is None:
            administrator = create_user(session, SYSTEM, username="root", name="Administrator", is_administrator=True)
            create_personal_namespace(session, SYSTEM, administrator)
        actor = Actor(administrator.id, administrator.username, is_administrator=True)
        try:
            found = get_project(session, actor, path)
        except NotFound:
            group = _group(session, actor, group_path)
            found = create_project(session, actor, name=name, path=name, namespace=group)
        made = create_place_token(
            session, actor, key, found, name="bootstrap", scopes=[Scope.API], access_level=Role.MAINTAINER
        )
        return {
            "url": settings.url,
            "token": made.secret,
            "project_id": found.id,
            "tracking_uri": f"{settings.url}/api/v4/projects/{found.id}/ml/mlflow",
        }


def _group(session: Session, actor: Actor, path: str) -> Namespace:
    parent: Namespace | None = None
    done = ""
    for part in path.split("/"):
        done = f"{done}/{part}".lstrip("/")
        try:
            parent = get_namespace(session, actor, done)
        except NotFound:
            parent = create_group(session, actor, name=part, path=part, parent=parent)
    if parent is None:
        raise typer.BadParameter("Name a group and a project: GROUP/NAME.")
    return parent


def _upgraded(settings: Settings) -> Database:
    database = open_database(settings)
    importlib.import_module("modelyard.migrations.upgrade").upgrade(database)
    return database


def main() -> None:
    """Run the command; what is wrong is one sentence and exit status 1."""
    try:
        app()
    except ModelyardError as error:
        typer.echo(error.message, err=True)
        raise SystemExit(1) from None

"""`modelyard bootstrap`: a project and a token, without a browser."""

import json
from typing import Annotated

import typer

from modelyard.domains.accounts.actor import SYSTEM, Actor, Scope
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.tokens import Lifetime
from modelyard.domains.accounts.users import create_user, find_administrator
from modelyard.domains.namespaces.access import Role
from modelyard.domains.namespaces.groups import create_group, create_personal_namespace, get_namespace
from modelyard.domains.namespaces.place_tokens import create_place_token
from modelyard.domains.namespaces.projects import create_project, get_project
from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.entrypoints.cli.opening import upgraded
from modelyard.entrypoints.cli.options import AsJson, Data, DatabaseUrl, Port
from modelyard.platform.crypto import open_server_key
from modelyard.platform.database import Database, Session
from modelyard.platform.errors import Conflict, Invalid, NotFound
from modelyard.platform.settings import Settings, load_settings

app = typer.Typer(add_completion=False)

ADMINISTRATOR = "root"


@app.command()
def bootstrap(
    project: Annotated[str, typer.Option(help="GROUP/NAME of the project to use or make.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
    port: Port = None,
    as_json: AsJson = False,
) -> None:
    """Make a project and a token for scripts, tests and demonstrations.

    Makes what is missing: an administrator named root if there is no active one (without a password: give it one with
    `modelyard admin reset-password root`), the groups, the project, and each time a new token of the project. New
    groups belong to root if that is an active administrator, else to the one who has been here longest. The server may
    be running or not.

    Examples:
        modelyard bootstrap --project acme/churn

        export MLFLOW_TRACKING_URI=$(modelyard bootstrap --project acme/churn --json | jq -r .tracking_uri)
    """
    settings = load_settings({"data": data, "database_url": database_url, "port": port})
    database, _ = upgraded(settings)
    try:
        made = made_project(settings, database, project)
    finally:
        database.close()
    if as_json:
        typer.echo(json.dumps(made))
    else:
        for name, value in made.items():
            typer.echo(f"{name}: {value}")


def made_project(settings: Settings, database: Database, path: str) -> dict[str, str | int]:
    """The address, a new token, and the project, made if it was missing, and as which administrator this was done.

    Raises:
        Invalid: the path is not GROUP/NAME, or a name in it cannot be one.
        Conflict: there is no active administrator, and the name root is taken.
    """
    group_path, _, name = path.rpartition("/")
    if not all(path.split("/")) or not group_path:
        raise Invalid(f"{path!r} does not name a group and a project. Write GROUP/NAME, such as acme/churn.")
    key = open_server_key(settings)
    with database.write() as session:
        actor = _administrator(session)
        found = _project(session, actor, group_path, name)
        made = create_place_token(
            session,
            actor,
            key,
            found,
            name="bootstrap",
            scopes=[Scope.API],
            access_level=Role.MAINTAINER,
            lifetime=Lifetime(settings.token_days, settings.token_max_days),
        )
        return {
            "url": settings.url,
            "token": made.secret,
            "project_id": found.id,
            "project": found.full_path,
            "administrator": actor.username,
            "tracking_uri": f"{settings.url}/api/v4/projects/{found.id}/ml/mlflow",
        }


def _administrator(session: Session) -> Actor:
    """Root, or who else is administrator: a server that has one gets no other, who would have no password."""
    found = find_administrator(session, SYSTEM, ADMINISTRATOR) or _made_administrator(session)
    return Actor(found.id, found.username, is_administrator=found.is_administrator)


def _made_administrator(session: Session) -> User:
    try:
        made = create_user(session, SYSTEM, username=ADMINISTRATOR, name="Administrator", is_administrator=True)
        create_personal_namespace(session, SYSTEM, made)
    except Conflict:
        raise Conflict(
            f"This server has no active administrator, and the name {ADMINISTRATOR} is taken already."
            " Make one with `modelyard admin create-user NAME --administrator`, or let one in again with"
            " `modelyard admin unblock NAME`. Then run this again."
        ) from None
    return made


def _project(session: Session, actor: Actor, group_path: str, name: str) -> Project:
    try:
        return get_project(session, actor, f"{group_path}/{name}")
    except NotFound:
        return create_project(session, actor, name=name, path=name, namespace=_group(session, actor, group_path))


def _group(session: Session, actor: Actor, path: str) -> Namespace:
    """The group at `path`, with those above it, made where they are missing."""
    above, _, name = path.rpartition("/")
    try:
        return get_namespace(session, actor, path)
    except NotFound:
        parent = _group(session, actor, above) if above else None
        return create_group(session, actor, name=name, path=name, parent=parent)

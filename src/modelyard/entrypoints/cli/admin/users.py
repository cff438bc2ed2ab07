"""Users: who there is, who may come in, and who may no longer."""

import json
import sys
from typing import Annotated

import typer

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.passwords import LEAST_CHARACTERS, PasswordHash, hash_password
from modelyard.domains.accounts.sign_in import first_administrator_link
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.users import (
    UserFilter,
    block_user,
    checked_username,
    create_user,
    find_user,
    search_users,
    unblock_user,
    update_user,
)
from modelyard.domains.namespaces.groups import create_personal_namespace
from modelyard.domains.namespaces.people import delete_user
from modelyard.entrypoints.cli.opening import installed
from modelyard.entrypoints.cli.options import AsJson, Data, DatabaseUrl, Port
from modelyard.platform.crypto import open_server_key
from modelyard.platform.database import Session
from modelyard.platform.errors import Conflict, NotFound
from modelyard.platform.settings import load_settings

app = typer.Typer(add_completion=False)

AT_ONCE = 500

Username = Annotated[str, typer.Argument(help="The user's name for signing in.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the standard input.")]


@app.command("create-user")
def create(
    username: Username,
    name: Annotated[str, typer.Option(help="The name that others see; the user name if not given.")] = "",
    email: Annotated[str | None, typer.Option(help="E-mail address, which also signs in.")] = None,
    administrator: Annotated[bool, typer.Option("--administrator", help="They may administer this server.")] = False,
    password_stdin: FromInput = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Add a user, with a password that is asked for or read from the standard input.

    Examples:
        modelyard admin create-user ada --email ada@example.org

        pass show modelyard/ada | modelyard admin create-user ada --administrator --password-stdin
    """
    with installed(load_settings({"data": data, "database_url": database_url})) as database:
        with database.read() as session:
            # Nobody types a password twice for nothing.
            checked_username(session, username)
        password = _password(username, from_input=password_stdin)
        with database.write(uses_reserve=True) as session:
            user = create_user(
                session,
                SYSTEM,
                username=username,
                name=name,
                email=email,
                password=password,
                is_administrator=administrator,
            )
            create_personal_namespace(session, SYSTEM, user)
    typer.echo(f"Added {username}.")


@app.command("reset-password")
def reset_password(
    username: Username, password_stdin: FromInput = False, data: Data = None, database_url: DatabaseUrl = None
) -> None:
    """Give a user a new password and sign them out everywhere. Their access tokens stay.

    The password is asked for or read from the standard input.

    Examples:
        modelyard admin reset-password ada

        pass show modelyard/ada | modelyard admin reset-password ada --password-stdin
    """
    with installed(load_settings({"data": data, "database_url": database_url})) as database:
        with database.read() as session:
            _user(session, username)
        password = _password(username, from_input=password_stdin)
        with database.write(uses_reserve=True) as session:
            update_user(session, SYSTEM, _user(session, username), password=password)
    typer.echo(f"{username} has a new password and is signed out everywhere.")


@app.command("sign-up-link")
def sign_up_link(data: Data = None, database_url: DatabaseUrl = None, port: Port = None) -> None:
    """Print a link by which the first administrator signs up, good for 15 minutes and once.

    Example:
        modelyard admin sign-up-link
    """
    settings = load_settings({"data": data, "database_url": database_url, "port": port})
    with installed(settings) as database, database.write(uses_reserve=True) as session:
        secret = first_administrator_link(session, open_server_key(settings))
    if secret is None:
        raise Conflict("There is an administrator already. To get in again: `modelyard admin reset-password NAME`.")
    typer.echo(f"{settings.url}/-/first_administrator?token={secret}")


@app.command("list-users")
def list_users(
    search: Annotated[str, typer.Argument(help="Part of a user name or name.")] = "",
    as_json: AsJson = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List the people who have an account.

    Examples:
        modelyard admin list-users

        modelyard admin list-users ada --json
    """
    with (
        installed(load_settings({"data": data, "database_url": database_url})) as database,
        database.read() as session,
    ):
        found: list[User] = []
        while len(
            page := search_users(session, SYSTEM, UserFilter(search=search), limit=AT_ONCE, offset=len(found))[0]
        ):
            found += page
    found.reverse()
    if as_json:
        typer.echo(json.dumps([_described(user) for user in found], indent=2))
        return
    for user in found:
        marks = [word for word, holds in (("administrator", user.is_administrator), (user.state, True)) if holds]
        seen = user.last_activity_at or user.last_sign_in_at
        typer.echo(
            f"{user.username:24} {user.name:24} {', '.join(marks):24} {seen.date() if seen else 'never signed in'}"
        )


@app.command()
def block(username: Username, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Refuse everything that comes from a user: sign-in, sessions, access tokens.

    Example:
        modelyard admin block mallory
    """
    with (
        installed(load_settings({"data": data, "database_url": database_url})) as database,
        database.write(uses_reserve=True) as session,
    ):
        block_user(session, SYSTEM, _user(session, username))
    typer.echo(f"{username} is blocked.")


@app.command()
def unblock(username: Username, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Let a blocked user in again.

    Example:
        modelyard admin unblock mallory
    """
    with (
        installed(load_settings({"data": data, "database_url": database_url})) as database,
        database.write(uses_reserve=True) as session,
    ):
        unblock_user(session, SYSTEM, _user(session, username))
    typer.echo(f"{username} is not blocked any more.")


@app.command("delete-user")
def delete(
    username: Username,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Delete a user with their own projects. What they made elsewhere stays, as made by a deleted user.

    Example:
        modelyard admin delete-user mallory
    """
    if not yes:
        typer.confirm(f"Delete {username} and all projects in their own place? This cannot be undone.", abort=True)
    with (
        installed(load_settings({"data": data, "database_url": database_url})) as database,
        database.write(uses_reserve=True) as session,
    ):
        delete_user(session, SYSTEM, _user(session, username))
    typer.echo(f"{username} is deleted.")


def _user(session: Session, username: str) -> User:
    user = find_user(session, SYSTEM, username)
    if user is None:
        raise NotFound(f"There is no user named {username}. `modelyard admin list-users` lists them.")
    return user


def _password(username: str, *, from_input: bool) -> PasswordHash:
    """A password that was typed twice, or came by the standard input; never as an argument, which others can see."""
    given = (
        sys.stdin.readline().rstrip("\r\n")
        if from_input
        else str(
            typer.prompt(
                f"New password of {username}, at least {LEAST_CHARACTERS} characters (not shown while you type)",
                hide_input=True,
                confirmation_prompt="The same again",
            )
        )
    )
    return hash_password(given, username=username)


def _described(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "state": user.state,
        "is_administrator": user.is_administrator,
        "last_sign_in_at": user.last_sign_in_at.isoformat() if user.last_sign_in_at else None,
    }

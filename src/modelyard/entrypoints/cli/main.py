"""The `modelyard` command."""

import gc
import os
import sys
from typing import Annotated, Any

import typer

from modelyard import __version__
from modelyard.entrypoints.cli.late import Late, complete, late_app
from modelyard.platform.errors import ModelyardError

HERE = "modelyard.entrypoints.cli"
# What is made here (databases, keys, backups) is the business of nobody else on this machine.
PRIVATE = 0o077
# So many new objects before Python looks for garbage: loading makes hundreds of thousands that all stay.
OBJECTS_BETWEEN_COLLECTIONS = 50_000

COMMANDS = {
    "serve": Late(f"{HERE}.serve", "Start the server."),
    "bootstrap": Late(f"{HERE}.bootstrap", "Make a project and a token for scripts, tests and demonstrations."),
    "demo": Late(f"{HERE}.demo", "Train a few real models into a running server, to have something to look at."),
    "settings": Late(f"{HERE}.settings", "List every setting with its value and what it means."),
    "admin": Late(f"{HERE}.admin.commands", "Look after users, tasks and storage."),
    "backup": Late(f"{HERE}.backup", "Save the database and all files, while the server runs or not."),
    "restore": Late(f"{HERE}.restore", "Make a new installation from a backup."),
    "doctor": Late(f"{HERE}.doctor", "Check that everything an installation holds is whole."),
    "migrate": Late(f"{HERE}.migrate", "Bring the database to the schema of this version."),
    "worker": Late(f"{HERE}.worker", "Do background tasks in a process of their own."),
}

app = late_app(
    COMMANDS,
    name="modelyard",
    help="A self-hosted home for machine-learning models. Begin with `modelyard serve`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"modelyard {__version__}")
        raise typer.Exit


@app.callback()
def _before_every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What holds for all commands."""


def every_command() -> Any:  # noqa: ANN401  # typer does not publish the class of its commands
    """All commands with their options, for the reference."""
    return complete(app, COMMANDS)


def main() -> None:
    """Run the command; what is wrong is one sentence and exit status 1."""
    os.umask(PRIVATE)
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        app()
    except ModelyardError as error:
        typer.echo(error.message, err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

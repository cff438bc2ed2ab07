"""The commands of `modelyard admin`, assembled."""

import typer

from modelyard.entrypoints.cli.admin import storage, tasks, users

app = typer.Typer(no_args_is_help=True)
for group in (users.app, tasks.app, storage.app):
    app.registered_commands += group.registered_commands


@app.callback()
def admin() -> None:
    """Look after users, tasks and storage.

    The server may be running or not; what is changed here counts for it within two seconds.

    Examples:
        modelyard admin list-users

        modelyard admin create-user ada --administrator

        modelyard admin compact
    """

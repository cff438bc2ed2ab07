"""`modelyard migrate`: the schema, without a server."""

import typer

from modelyard.entrypoints.cli.opening import upgraded
from modelyard.entrypoints.cli.options import Data, DatabaseUrl
from modelyard.platform.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def migrate(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database to the schema of this version.

    `modelyard serve` does that by itself. Do it before, and make a backup before that, where several servers start
    at once or a change takes long.

    Example:
        modelyard backup /backups/before && modelyard migrate
    """
    settings = load_settings({"data": data, "database_url": database_url})
    database, is_changed = upgraded(settings)
    database.close()
    typer.echo("The database was migrated." if is_changed else "The database has the newest schema already.")

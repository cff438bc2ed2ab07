"""`modelyard backup`: everything, in one folder."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from modelyard import __version__
from modelyard.domains.packages.tables import EVERY_BLOB
from modelyard.entrypoints.cli.opening import MIGRATIONS, installed
from modelyard.entrypoints.cli.options import Data, DatabaseUrl, ObjectsUrl
from modelyard.entrypoints.cli.progress import bytes_worked_off
from modelyard.platform.backup.manifest import Origin
from modelyard.platform.backup.saving import make_backup, verify_backup
from modelyard.platform.crypto import KEY_FILE, key_id, open_server_key
from modelyard.platform.errors import Conflict
from modelyard.platform.settings import Settings, load_settings
from modelyard.platform.storage.opening import open_blob_store

app = typer.Typer(add_completion=False)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for this backup.")],
    verify: Annotated[bool, typer.Option(help="Read the backup again and compare every digest.")] = True,
    data: Data = None,
    database_url: DatabaseUrl = None,
    objects_url: ObjectsUrl = None,
) -> None:
    """Save the database and all files, while the server runs or not.

    The server's key is not saved: keep a copy of DATA/secret.key in another place. Without it the access tokens and
    sessions in the backup are worthless, for everybody.

    Examples:
        modelyard backup /backups/$(date +%F)

        modelyard backup /backups/today --database-url postgresql://modelyard@db/modelyard --objects-url s3://models/live
    """
    settings = load_settings({"data": data, "database_url": database_url, "objects_url": objects_url})
    with installed(settings) as database:
        origin = Origin(__version__, importlib.import_module(MIGRATIONS).HEAD, key_id(open_server_key(settings)))
        with bytes_worked_off("saved") as told:
            made = make_backup(
                database, open_blob_store(settings), folder, blobs_sql=EVERY_BLOB, origin=origin, told=told
            )
    if verify:
        with bytes_worked_off("verified") as told:
            lost = verify_backup(folder, told=told)
        if lost:
            raise Conflict(f"The backup is damaged: {len(lost)} files cannot be read back, such as {lost[0]}.")
    database_bytes, blob_bytes = made.database_bytes, made.blob_bytes
    typer.echo(f"Saved the database ({database_bytes} bytes) and {made.blobs} files ({blob_bytes} bytes) in {folder}.")
    typer.echo(_about_key(settings))
    if made.damaged:
        raise Conflict(
            f"{len(made.damaged)} files were missing or damaged before they could be saved, such as {made.damaged[0]}."
            " `modelyard doctor --deep` lists them."
        )


def _about_key(settings: Settings) -> str:
    """What the backup does not hold, and what that means."""
    if settings.secret_key:
        where = "It is the setting MODELYARD_SECRET_KEY: keep that in another place, too"
    else:
        where = f"Keep a copy of {(settings.data / KEY_FILE).absolute()} in another place"
    return f"The server's key is not in it. {where}; without it all access tokens and sessions of the backup are void."

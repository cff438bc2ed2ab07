"""`modelyard restore`: a new installation out of a backup."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from modelyard.entrypoints.cli.options import DatabaseUrl, ObjectsUrl
from modelyard.entrypoints.cli.progress import bytes_worked_off
from modelyard.platform.backup.manifest import Manifest, read_manifest
from modelyard.platform.backup.restoring import restore_backup
from modelyard.platform.backup.saving import verify_backup
from modelyard.platform.crypto import KEY_FILE, key_id, open_server_key
from modelyard.platform.database import open_database
from modelyard.platform.errors import Conflict, Invalid
from modelyard.platform.lock import prepare_data_directory
from modelyard.platform.settings import Settings, load_settings
from modelyard.platform.storage.opening import open_blob_store

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of a backup.")],
    data: Annotated[Path | None, typer.Option(help="A new directory for the installation.")] = None,
    key: Annotated[Path | None, typer.Option(help="The secret.key that the saved installation had.")] = None,
    database_url: DatabaseUrl = None,
    objects_url: ObjectsUrl = None,
    verify_only: Annotated[bool, typer.Option("--verify-only", help="Prove the backup; restore nothing.")] = False,
) -> None:
    """Make a new installation from a backup.

    Every digest is checked on the way. Without --key everything comes back except that access tokens and sessions are
    not valid any more.

    Examples:
        modelyard restore /backups/2026-01-31 --data /srv/modelyard --key /safe/secret.key

        modelyard restore /backups/2026-01-31 --verify-only
    """
    if verify_only:
        _verify(folder)
        return
    if data is None:
        raise Invalid("Name a new directory for the installation with --data.")
    settings = load_settings({"data": data, "database_url": database_url, "objects_url": objects_url})
    manifest = read_manifest(folder)
    _check_key(settings, manifest, key)
    prepare_data_directory(settings.data)
    # A new place takes what the backup has, even where that leaves less free than a running server would keep.
    unreserved = replace(settings, disk_reserve_bytes=0)
    database = open_database(unreserved)
    try:
        with bytes_worked_off("restored") as told:
            restore_backup(unreserved, database, open_blob_store(unreserved), folder, told=told)
    finally:
        database.close()
    if key is not None:
        shutil.copyfile(key, settings.data / KEY_FILE)
        (settings.data / KEY_FILE).chmod(0o600)
    typer.echo(f"Restored the database of {manifest.made_at} and {manifest.blobs} files to {settings.data}.")
    if manifest.damaged:
        typer.echo(f"{len(manifest.damaged)} files were damaged already when the backup was made.")
    typer.echo(f"Start it: modelyard serve --data {settings.data}")


def _verify(folder: Path) -> None:
    with bytes_worked_off("verified") as told:
        lost = verify_backup(folder, told=told)
    if lost:
        raise Conflict(f"The backup is damaged: {len(lost)} files cannot be read, such as {lost[0]}.")
    manifest = read_manifest(folder)
    typer.echo(f"The backup of {manifest.made_at} is whole: the database and {manifest.blobs} files.")


def _check_key(settings: Settings, manifest: Manifest, key: Path | None) -> None:
    """Refuse another key than the saved installation's; say what it means to have none."""
    if key is not None and (settings.data / KEY_FILE).exists():
        raise Conflict(f"{settings.data / KEY_FILE} is there already. Restore into a new directory.")
    given = key.read_text(encoding="ascii").strip() if key is not None else settings.secret_key
    if not given:
        typer.echo("No --key was given: access tokens and sessions of the backup are not valid here.")
    elif key_id(open_server_key(replace(settings, secret_key=given))) != manifest.origin.key_id:
        raise Conflict("This is not the key of the saved installation. Restore with the right one, or without.")

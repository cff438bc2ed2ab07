"""Make a backup, and prove one."""

from collections.abc import Callable, Iterable
from pathlib import Path

from modelyard.platform.backup.engines import saved_database
from modelyard.platform.backup.manifest import (
    BLOBS_DIRECTORY,
    DATABASE_FILE,
    FORMAT,
    LIST_FILE,
    BlobEntry,
    Manifest,
    Origin,
    digest_of,
    flush,
    read_list,
    read_manifest,
    write_manifest,
)
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.errors import Conflict
from modelyard.platform.storage.blobs import BlobStore, MissingBlobError
from modelyard.platform.storage.digests import Digester
from modelyard.platform.storage.local import LocalBlobs

Told = Callable[[int], None]
"""Hears how many bytes of files were worked off since it was told last."""


def make_backup(
    database: Database, store: BlobStore, folder: Path, *, blobs_sql: str, origin: Origin, told: Told
) -> Manifest:
    """Save everything to a new folder. A damaged blob is named in the manifest; the others are saved.

    Raises:
        Conflict: the folder has something in it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty. Make each backup in a folder of its own.")
    with saved_database(database, folder / DATABASE_FILE, blobs_sql) as blobs:
        _write_list(folder / LIST_FILE, blobs)
    saved, saved_bytes, damaged = 0, 0, list[str]()
    copies = local_copies(folder)
    for entry in read_list(folder):
        if copy_blob(store, copies, entry):
            saved, saved_bytes = saved + 1, saved_bytes + entry.size_bytes
        else:
            damaged.append(entry.sha256)
        told(entry.size_bytes)
    manifest = Manifest(
        format=FORMAT,
        made_at=now().isoformat(),
        origin=origin,
        engine="sqlite" if database.is_sqlite else "postgresql",
        database_sha256=digest_of(folder / DATABASE_FILE),
        database_bytes=(folder / DATABASE_FILE).stat().st_size,
        list_sha256=digest_of(folder / LIST_FILE),
        blobs=saved,
        blob_bytes=saved_bytes,
        damaged=damaged,
    )
    write_manifest(folder, manifest)
    return manifest


def verify_backup(folder: Path, *, told: Told) -> list[str]:
    """Read a whole backup again; the digests of blobs that it has lost since it was made.

    Raises:
        NotFound, Invalid: it is none, or its database or list are damaged.
    """
    manifest = read_manifest(folder)
    copies = local_copies(folder)
    known = set(manifest.damaged)
    lost: list[str] = []
    for entry in read_list(folder):
        if entry.sha256 not in known and not is_whole(copies, entry):
            lost.append(entry.sha256)
        told(entry.size_bytes)
    return lost


def local_copies(folder: Path) -> LocalBlobs:
    """The blobs of a backup."""
    return LocalBlobs(folder / BLOBS_DIRECTORY, is_durable=True, reserve_bytes=0)


def copy_blob(source: BlobStore, target: BlobStore, entry: BlobEntry) -> bool:
    """Copy one blob; False when the source has it no more, or not as it was."""
    writer = target.writer(entry.size_bytes, name=entry.name)
    try:
        seen = Digester()
        for chunk in source.chunks(entry.name):
            seen.update(chunk)
            writer.write(chunk)
        # Nothing gets a name that it does not deserve.
        return seen.result().sha256 == entry.sha256 and writer.finish().digests.sha256 == entry.sha256
    except MissingBlobError:
        return False
    finally:
        writer.discard()


def is_whole(store: BlobStore, entry: BlobEntry) -> bool:
    """Whether the store has the very bytes of a blob."""
    seen = Digester()
    try:
        for chunk in store.chunks(entry.name):
            seen.update(chunk)
    except MissingBlobError:
        return False
    return seen.result().sha256 == entry.sha256


def _write_list(path: Path, blobs: Iterable[BlobEntry]) -> None:
    with path.open("w", encoding="ascii") as file:
        file.writelines(f"{entry.name} {entry.size_bytes}\n" for entry in blobs)
    flush(path)

"""Make an installation out of a backup."""

from pathlib import Path

from modelyard.platform.backup.engines import check_target, restore_database
from modelyard.platform.backup.manifest import DATABASE_FILE, Manifest, read_list, read_manifest
from modelyard.platform.backup.saving import Told, copy_blob, local_copies
from modelyard.platform.database import Database
from modelyard.platform.errors import Conflict, Invalid
from modelyard.platform.settings import Settings
from modelyard.platform.storage.blobs import BlobStore


def restore_backup(settings: Settings, database: Database, store: BlobStore, folder: Path, *, told: Told) -> Manifest:
    """Bring the blobs and then the database of a backup to an empty place, every digest checked on the way.

    Raises:
        NotFound, Invalid: there is no backup, or it is damaged; nothing can be started from what was restored.
        Conflict: the place is not empty, or is of the other engine.
    """
    manifest = read_manifest(folder)
    if (manifest.engine == "sqlite") != database.is_sqlite:
        raise Conflict(f"This backup is of {manifest.engine}; it can be restored to {manifest.engine} only.")
    check_target(settings, database)
    copies = local_copies(folder)
    known = set(manifest.damaged)
    for entry in read_list(folder):
        if entry.sha256 not in known and not copy_blob(copies, store, entry):
            raise Invalid(f"The backup is damaged: it has not the right bytes of {entry.sha256}.")
        told(entry.size_bytes)
    # Last, so that nothing starts on half of it.
    restore_database(settings, database, folder / DATABASE_FILE)
    return manifest

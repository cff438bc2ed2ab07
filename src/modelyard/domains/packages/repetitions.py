"""Bytes that arrive although the store has them already. They are kept only where they mend what is damaged."""

import logging

from sqlalchemy import update

from modelyard.domains.packages.contents import StoredFile
from modelyard.domains.packages.tables import Blob
from modelyard.platform.database import Database, execute_counting
from modelyard.platform.errors import ModelyardError
from modelyard.platform.storage.blobs import BlobStore, StoredBlob

log = logging.getLogger(__name__)


def settle_repetition(database: Database, store: BlobStore, arrived: StoredBlob, file: StoredFile) -> None:
    """Remove what has just `arrived` if `file` has the same bytes from before, and these are there as they should be.

    The file is written by now, so nothing that goes wrong here is anybody's business: the sweep finds what is left.
    """
    if file.blob_name == arrived.name:
        return
    try:
        if store.size_of(file.blob_name) == file.size_bytes:
            store.remove([arrived.name])
        else:
            _mend(database, arrived, file)
    except (ModelyardError, OSError) as error:
        log.warning("Superfluous bytes stay until the sweep: %s", error)


def _mend(database: Database, arrived: StoredBlob, file: StoredFile) -> None:
    """Cut short by a power failure under durability = normal, or lost: here are the right bytes."""
    with database.write(changes_access=False) as session:
        damaged = (Blob.sha256 == file.sha256, Blob.name == file.blob_name)
        execute_counting(session, update(Blob).where(*damaged).values(name=arrived.name))
    log.warning("The bytes of %s were damaged or missing; they are there again.", file.sha256)

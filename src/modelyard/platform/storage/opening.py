"""Which store a server has: a directory of its own, or a bucket."""

from pathlib import Path

from modelyard.platform.settings import Settings
from modelyard.platform.storage.blobs import BlobStore
from modelyard.platform.storage.local import LocalBlobs

DIRECTORY = "blobs"


def open_blob_store(settings: Settings) -> BlobStore:
    """The store that the settings name. The data directory must exist.

    Raises:
        Invalid: an objects_url that cannot be understood.
    """
    if settings.objects_url:
        # obstore is heavy, and most servers keep their files in a directory.
        from modelyard.platform.storage.objects import open_objects  # noqa: PLC0415

        return open_objects(settings.objects_url)
    return LocalBlobs(
        Path(settings.data) / DIRECTORY,
        is_durable=settings.durability == "full",
        reserve_bytes=settings.disk_reserve_bytes,
    )

"""What a backup says of itself."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.storage.blobs import digest_in

FORMAT = 1
MANIFEST_FILE = "manifest.json"
DATABASE_FILE = "database"
LIST_FILE = "blobs.txt"
BLOBS_DIRECTORY = "blobs"
CHUNK_BYTES = 1024 * 1024


class BlobEntry(msgspec.Struct, frozen=True):
    """A blob that the database names."""

    name: str
    size_bytes: int

    @property
    def sha256(self) -> str:
        return digest_in(self.name)


class Origin(msgspec.Struct, frozen=True):
    """What was saved: by which version, with which schema, and which key its secrets were digested with."""

    version: str
    schema: str
    key_id: str


class Manifest(msgspec.Struct, frozen=True):
    """`damaged` are digests of blobs that were missing or wrong in the store when the backup was made."""

    format: int
    made_at: str
    origin: Origin
    engine: Literal["sqlite", "postgresql"]
    database_sha256: str
    database_bytes: int
    list_sha256: str
    blobs: int
    blob_bytes: int
    damaged: list[str] = []


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup whose database and list are what it says.

    Raises:
        NotFound: there is no backup, or it was not finished.
        Invalid: it is damaged, or of a newer version.
    """
    try:
        written = (folder / MANIFEST_FILE).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no finished backup in {folder}: it has no {MANIFEST_FILE}.") from None
    try:
        manifest = msgspec.json.decode(written, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid(f"{folder / MANIFEST_FILE} is damaged: {error}.") from None
    if manifest.format > FORMAT:
        raise Invalid(f"This backup was made by Modelyard {manifest.origin.version}. Restore it with that version.")
    for name, wanted in ((DATABASE_FILE, manifest.database_sha256), (LIST_FILE, manifest.list_sha256)):
        path = folder / name
        if not path.exists() or digest_of(path) != wanted:
            raise Invalid(f"{path} is missing or damaged: it is not what the backup was made with.")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Finish a backup."""
    path = folder / MANIFEST_FILE
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    flush(unfinished)
    unfinished.replace(path)
    flush(folder)


def read_list(folder: Path) -> Iterator[BlobEntry]:
    """The blobs that a backup has, in the order of digests."""
    with (folder / LIST_FILE).open(encoding="ascii") as lines:
        for line in lines:
            name, size_bytes = line.split()
            yield BlobEntry(name, int(size_bytes))


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def flush(path: Path) -> None:
    """Have the disk keep a file's bytes, or a directory's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

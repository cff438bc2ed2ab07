"""What every blob store can do. A blob is bytes under their SHA-256; a part is a piece of a blob still to come.

A blob's name is the digest and something that no other upload was given, be it of the same bytes. So no name is ever
used twice, and whoever removes a name that no row has takes nothing from anybody, however late.

All of it blocks: call it from a thread. `streaming.py` has the asynchronous side.
"""

import secrets
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from modelyard.platform.clock import now
from modelyard.platform.errors import Unavailable
from modelyard.platform.storage.digests import Digests

CHUNK_BYTES = 1024 * 1024
Span = tuple[int, int]
"""The first byte, and the one after the last."""


class MissingBlobError(Unavailable):
    """A blob that ought to be in the store is not."""

    def __init__(self) -> None:
        super().__init__("The bytes of this file are missing from the server's store. Tell its operator.")


@dataclass(frozen=True)
class StoredBlob:
    """A blob that the store has in full since `stored_at`."""

    name: str
    digests: Digests
    stored_at: datetime = field(default_factory=now)


def new_name(sha256: str) -> str:
    """A name for bytes of that digest, which nothing ever had."""
    return f"{sha256}.{secrets.token_hex(8)}"


def new_part_name(number: int) -> str:
    """A name inside its upload for a part, which no other try at that part has."""
    return f"{number}.{secrets.token_hex(8)}"


def digest_in(name: str) -> str:
    """The SHA-256 of the blob of that name."""
    return name.partition(".")[0]


@dataclass(frozen=True)
class ListedBlob:
    """A blob as a listing of the store shows it."""

    name: str
    size_bytes: int
    changed_at: datetime


@dataclass(frozen=True)
class StoredPart:
    """A part that the store has in full, under `name` inside its upload."""

    number: int
    name: str
    sha256: str
    size_bytes: int


class BlobWriter(Protocol):
    """Bytes on their way into the store. `discard` after `finish` does nothing."""

    def write(self, data: bytes) -> None: ...

    def finish(self) -> StoredBlob:
        """Make the blob durable and readable under its name."""
        ...

    def discard(self) -> None:
        """Forget what was written."""
        ...


class PartWriter(Protocol):
    """As `BlobWriter`, for one part. An earlier one with the same number stays beside it."""

    def write(self, data: bytes) -> None: ...

    def finish(self) -> StoredPart: ...

    def discard(self) -> None: ...


class BlobStore(Protocol):
    """A place for blobs.

    Raises from every method:
        Busy: the store is full or away, and nothing was changed.
    """

    def check(self) -> None:
        """Prove that the store answers and has room."""
        ...

    def check_room(self, wanted_bytes: int) -> None:
        """Refuse early what would not fit.

        Raises:
            Busy
        """
        ...

    def writer(self, declared_bytes: int | None = None, *, name: str | None = None) -> BlobWriter:
        """`name` is that of a blob which is brought back; otherwise it gets a new one."""
        ...

    def chunks(self, name: str, span: Span | None = None) -> Generator[bytes, None, None]:
        """All bytes, or those of `span`, in pieces of about CHUNK_BYTES.

        Raises:
            MissingBlobError
        """
        ...

    def size_of(self, name: str) -> int | None:
        """How many bytes the blob has; None when it is not there."""
        ...

    def listed(self) -> Iterator[ListedBlob]:
        """All blobs, in the order of their names."""
        ...

    def remove(self, names: Sequence[str]) -> None:
        """Remove blobs; those that are not there stay so."""
        ...

    def signed_url(self, name: str, *, lifetime_s: int) -> str | None:
        """An address where the bytes can be fetched without us; None when the store has no such thing."""
        ...

    def part_writer(self, upload_id: str, number: int) -> PartWriter: ...

    def join(self, upload_id: str, parts: Sequence[StoredPart]) -> StoredBlob:
        """One blob out of `parts` in their order; the parts stay until `remove_parts`.

        Raises:
            Conflict: a part is missing or is not what it was.
        """
        ...

    def remove_part(self, upload_id: str, name: str) -> None:
        """Remove one part; one that is not there stays so."""
        ...

    def remove_parts(self, upload_id: str) -> None: ...

    def unfinished_uploads(self) -> Iterator[tuple[str, datetime]]:
        """Uploads that have parts here, each with the moment of its last change."""
        ...

    def sweep_unfinished(self, older_than: datetime) -> int:
        """Remove what interrupted uploads left behind; answers how many things that were."""
        ...

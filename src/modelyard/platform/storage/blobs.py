"""What every blob store can do. A blob is bytes under their own SHA-256; a part is a piece of a blob still to come.

All of it blocks: call it from a thread. `streaming.py` has the asynchronous side.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from modelyard.platform.errors import Unavailable
from modelyard.platform.storage.digests import StoredBlob

CHUNK_BYTES = 1024 * 1024
Span = tuple[int, int]
"""The first byte, and the one after the last."""


class MissingBlobError(Unavailable):
    """A blob that ought to be in the store is not."""

    def __init__(self) -> None:
        super().__init__("The bytes of this file are missing from the server's store. Tell its operator.")


@dataclass(frozen=True)
class ListedBlob:
    """A blob as a listing of the store shows it."""

    sha256: str
    size_bytes: int
    changed_at: datetime


@dataclass(frozen=True)
class StoredPart:
    """A part that the store has in full."""

    number: int
    sha256: str
    size_bytes: int


class BlobWriter(Protocol):
    """Bytes on their way into the store. `discard` after `finish` does nothing."""

    def write(self, data: bytes) -> None: ...

    def finish(self) -> StoredBlob:
        """Make the blob durable and readable under its digest."""
        ...

    def discard(self) -> None:
        """Forget what was written."""
        ...


class PartWriter(Protocol):
    """As `BlobWriter`, for one part. A part with the number of an earlier one takes its place."""

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

    def writer(self, declared_bytes: int | None = None) -> BlobWriter: ...

    def chunks(self, sha256: str, span: Span | None = None) -> Generator[bytes, None, None]:
        """All bytes, or those of `span`, in pieces of about CHUNK_BYTES.

        Raises:
            MissingBlobError
        """
        ...

    def size_of(self, sha256: str) -> int | None:
        """How many bytes the blob has; None when it is not there."""
        ...

    def listed(self) -> Iterator[ListedBlob]: ...

    def remove_unless_newer(self, sha256: str, than: datetime) -> bool:
        """Remove a blob that was last uploaded at `than` or before; answers whether it did.

        Every upload makes its blob new, so that bytes which somebody is about to refer to again are not removed.
        """
        ...

    def signed_url(self, sha256: str, *, lifetime_s: int) -> str | None:
        """An address where the bytes can be fetched without us; None when the store has no such thing."""
        ...

    def part_writer(self, upload_id: str, number: int) -> PartWriter: ...

    def join(self, upload_id: str, parts: Sequence[StoredPart]) -> StoredBlob:
        """One blob out of `parts` in their order; the parts stay until `remove_parts`.

        Raises:
            Conflict: a part is missing or is not what it was.
        """
        ...

    def remove_parts(self, upload_id: str) -> None: ...

    def unfinished_uploads(self) -> Iterator[tuple[str, datetime]]:
        """Uploads that have parts here, each with the moment of its last change."""
        ...

    def sweep_unfinished(self, older_than: datetime) -> int:
        """Remove what interrupted uploads left behind; answers how many things that were."""
        ...

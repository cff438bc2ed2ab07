"""Parts of an upload, put together."""

from collections.abc import Callable, Iterator, Sequence

from modelyard.platform.errors import Conflict
from modelyard.platform.storage.blobs import BlobWriter, MissingBlobError, StoredBlob, StoredPart
from modelyard.platform.storage.digests import Digester, Digests


def join_parts(
    writer: BlobWriter, parts: Sequence[StoredPart], read_part: Callable[[str], Iterator[bytes]]
) -> StoredBlob:
    """Write `parts` one after the other, each checked against what it was when it was acknowledged.

    Raises:
        Conflict: a part is missing or has other bytes.
    """
    try:
        for part in parts:
            check = Digester()
            for chunk in read_part(part.name):
                check.update(chunk)
                writer.write(chunk)
            _check(part, check.result())
        return writer.finish()
    except MissingBlobError as error:
        raise Conflict("A part is missing, or was sent again meanwhile. Upload it again, or complete again.") from error
    finally:
        writer.discard()


def _check(part: StoredPart, found: Digests) -> None:
    if found.sha256 != part.sha256:
        raise Conflict(f"Part {part.number} has other bytes than those that were sent. Upload it again.")

"""Parts of an upload, put together."""

from collections.abc import Callable, Iterator, Sequence

from modelyard.platform.errors import Conflict
from modelyard.platform.storage.blobs import BlobWriter, MissingBlobError, StoredBlob, StoredPart
from modelyard.platform.storage.digests import Digester, Digests


def join_parts(
    writer: BlobWriter, parts: Sequence[StoredPart], read_part: Callable[[int], Iterator[bytes]]
) -> StoredBlob:
    """Write `parts` one after the other, each checked against what it was when it was acknowledged.

    Raises:
        Conflict: a part is missing or has other bytes.
    """
    try:
        for part in parts:
            check = Digester()
            for chunk in read_part(part.number):
                check.update(chunk)
                writer.write(chunk)
            _check(part, check.result())
        return writer.finish()
    except MissingBlobError as error:
        raise Conflict("A part is missing. Upload it again.") from error
    finally:
        writer.discard()


def _check(part: StoredPart, found: Digests) -> None:
    if found.sha256 != part.sha256:
        raise Conflict(f"Part {part.number} was replaced while the upload was completed. Complete it again.")

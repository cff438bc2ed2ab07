"""Whether the rows of blobs and the bytes in the store agree."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.packages.tables import Blob
from modelyard.platform.storage.blobs import BlobStore, ListedBlob, digest_in

AT_ONCE = 1000


@dataclass
class BlobCheck:
    """How many rows and blobs there are, and some of those that do not match."""

    rows: int = 0
    row_bytes: int = 0
    missing: list[str] = field(default_factory=list)
    wrong_size: list[str] = field(default_factory=list)
    orphans: int = 0
    orphan_bytes: int = 0


def check_blobs(session: Session, store: BlobStore) -> BlobCheck:
    """Walk the rows and the store side by side, both in the order of names, which is that of digests.

    A blob without a row is no fault: it is swept after a day, or its row is just about to be written. A row whose blob
    is not listed is looked for once more, since it may have come after the listing passed its place.
    """
    found = BlobCheck()
    listed = iter(_in_order(store.listed()))
    blob = next(listed, None)
    for name, size_bytes in _rows(session):
        found.rows += 1
        found.row_bytes += size_bytes
        while blob is not None and blob.name < name:
            _note_orphan(found, blob)
            blob = next(listed, None)
        if blob is not None and blob.name == name:
            if blob.size_bytes != size_bytes:
                found.wrong_size.append(digest_in(name))
            blob = next(listed, None)
        elif store.size_of(name) != size_bytes:
            found.missing.append(digest_in(name))
    while blob is not None:
        _note_orphan(found, blob)
        blob = next(listed, None)
    return found


def _rows(session: Session) -> Iterator[tuple[str, int]]:
    last = ""
    while rows := session.execute(
        select(Blob.name, Blob.size_bytes).where(Blob.sha256 > last).order_by(Blob.sha256).limit(AT_ONCE)
    ).all():
        yield from ((name, size_bytes) for name, size_bytes in rows)
        last = digest_in(rows[-1][0])


def _in_order(listed: Iterator[ListedBlob]) -> Iterator[ListedBlob]:
    """The listing, which both stores give in the order of names.

    Raises:
        RuntimeError: one did not, so that nothing could be concluded.
    """
    last = ""
    for blob in listed:
        if blob.name <= last:
            raise RuntimeError("The store does not list its blobs in order.")
        last = blob.name
        yield blob


def _note_orphan(found: BlobCheck, blob: ListedBlob) -> None:
    found.orphans += 1
    found.orphan_bytes += blob.size_bytes

"""Background work on stored bytes: forget what nobody refers to, remove it from the store, verify what stays.

A blob loses its row after it was without files for a day; bytes go when they have been without a row at two looks an
hour apart, the first of them a day after they came. So backups, and downloads that have begun, find what they look for.

None of these times is what keeps files from losing their bytes: a row goes only while no file needs it, in one
statement, and bytes without a row are nobody's for good, since every upload stores its own under a new name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from modelyard.domains.packages.tables import Blob, PackageFile, Upload
from modelyard.domains.packages.uploads import LIFETIME
from modelyard.platform.clock import now
from modelyard.platform.database import Database, execute_counting
from modelyard.platform.storage.blobs import BlobStore, MissingBlobError, digest_in
from modelyard.platform.storage.digests import Digester
from modelyard.platform.tasks.queue import enqueue

GRACE = timedelta(hours=24)
BETWEEN_LOOKS = timedelta(hours=1)
REMOVE_ORPHANS = "packages.remove_orphans"
AT_ONCE = 500
# More are found at the next sweep; removing them is one task, which must not take too long.
MOST_ORPHANS = 5000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Swept:
    """How much was removed, and the names of blobs that may be removed after another look."""

    interrupted: int
    uploads: int
    orphans: list[str]


@dataclass(frozen=True)
class Damage:
    """A blob whose bytes are not what its row says: missing, or with another digest."""

    sha256: str
    is_missing: bool


def sweep(database: Database, store: BlobStore) -> Swept:
    """Remove what is over, find blobs without a row, and have a task look at those again. To be done every hour."""
    moment = now()
    uploads = _sweep_uploads(database, store, moment)
    _mark_unused(database, moment)
    _forget_unused(database, moment - GRACE)
    orphans = _find_orphans(database, store, moment - GRACE)
    if orphans:
        with database.write(changes_access=False, uses_reserve=True) as session:
            enqueue(session, REMOVE_ORPHANS, orphans, run_at=moment + BETWEEN_LOOKS)
    return Swept(store.sweep_unfinished(moment - GRACE), uploads, orphans)


def remove_orphans(database: Database, store: BlobStore, names: Sequence[str]) -> int:
    """Look again, BETWEEN_LOOKS after `sweep` has found `names`, and remove those that still have no row."""
    removed = 0
    for batch in _batches(names):
        with database.read() as session:
            orphans = _without_row(session, batch)
        store.remove(orphans)
        removed += len(orphans)
    return removed


def _sweep_uploads(database: Database, store: BlobStore, moment: datetime) -> int:
    with database.write(changes_access=False, uses_reserve=True) as session:
        session.execute(delete(Upload).where(Upload.changed_at <= moment - LIFETIME))
    swept = 0
    for batch in _batches(store.unfinished_uploads()):
        old = [upload_id for upload_id, changed_at in batch if changed_at <= moment - GRACE]
        with database.read() as session:
            known = set(session.scalars(select(Upload.upload_id).where(Upload.upload_id.in_(old))))
        for upload_id in old:
            if upload_id not in known:
                store.remove_parts(upload_id)
                swept += 1
    return swept


def _mark_unused(database: Database, moment: datetime) -> None:
    is_new = (Blob.unused_at.is_(None), _has_no_file())
    for digests in _portions(database, *is_new):
        with database.write(changes_access=False, uses_reserve=True) as session:
            execute_counting(session, update(Blob).where(Blob.sha256.in_(digests), *is_new).values(unused_at=moment))


def _forget_unused(database: Database, unused_since: datetime) -> None:
    # Whoever uses a blob takes the mark away, so that this either waits for them and changes nothing, or they find no
    # row any more and make one with their own bytes.
    is_over = (Blob.unused_at <= unused_since, _has_no_file())
    for digests in _portions(database, *is_over):
        with database.write(changes_access=False, uses_reserve=True) as session:
            execute_counting(session, delete(Blob).where(Blob.sha256.in_(digests), *is_over))


def _portions(database: Database, *conditions: ColumnElement[bool]) -> Iterator[Sequence[str]]:
    """The digests of all blobs of which something is true, AT_ONCE at a time."""
    last = ""
    while True:
        with database.read() as session:
            chosen = select(Blob.sha256).where(Blob.sha256 > last, *conditions).order_by(Blob.sha256).limit(AT_ONCE)
            digests = session.scalars(chosen).all()
        if not digests:
            return
        yield digests
        last = digests[-1]


def _find_orphans(database: Database, store: BlobStore, older_than: datetime) -> list[str]:
    orphans: list[str] = []
    for batch in _batches(store.listed()):
        old = [found.name for found in batch if found.changed_at <= older_than]
        with database.read() as session:
            orphans += _without_row(session, old)
        if len(orphans) >= MOST_ORPHANS:
            break
    return orphans[:MOST_ORPHANS]


def _has_no_file() -> ColumnElement[bool]:
    return ~exists(select(PackageFile.id).where(PackageFile.sha256 == Blob.sha256))


def _without_row(session: Session, names: Sequence[str]) -> list[str]:
    digests = {digest_in(name) for name in names}
    known = set(session.scalars(select(Blob.name).where(Blob.sha256.in_(digests))))
    return [name for name in names if name not in known]


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    coming = iter(items)
    while batch := list(islice(coming, AT_ONCE)):
        yield batch


def scrub(database: Database, store: BlobStore) -> Iterator[Damage]:
    """Read every blob again and tell which ones are damaged, in the order of their digests."""
    for digests in _portions(database):
        with database.read() as session:
            names = session.scalars(select(Blob.name).where(Blob.sha256.in_(digests)).order_by(Blob.sha256)).all()
        for name in names:
            damage = _damage_of(store, name)
            if damage is not None:
                yield damage


def _damage_of(store: BlobStore, name: str) -> Damage | None:
    found, sha256 = Digester(), digest_in(name)
    try:
        for chunk in store.chunks(name):
            found.update(chunk)
    except MissingBlobError:
        return Damage(sha256, is_missing=True)
    return None if found.result().sha256 == sha256 else Damage(sha256, is_missing=False)

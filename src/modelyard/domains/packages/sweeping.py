"""Background work on stored bytes: forget what nobody refers to, remove it from the store, verify what stays.

Nothing is removed at one look. A blob loses its row after a day without files; its bytes go when they have been without
a row and untouched for a day at two looks an hour apart. An upload of the same bytes meanwhile makes both new.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.orm import Session

from modelyard.domains.packages.tables import Blob, PackageFile, Upload
from modelyard.domains.packages.uploads import LIFETIME
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.storage.blobs import BlobStore, MissingBlobError
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
    """What was removed, and what may be removed after another look."""

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
    _forget_blobs(database, moment - GRACE)
    orphans = _find_orphans(database, store, moment - GRACE)
    if orphans:
        with database.write(changes_access=False, uses_reserve=True) as session:
            enqueue(session, REMOVE_ORPHANS, orphans, run_at=moment + BETWEEN_LOOKS)
    return Swept(store.sweep_unfinished(moment - GRACE), uploads, orphans)


def remove_orphans(database: Database, store: BlobStore, digests: Sequence[str]) -> int:
    """Look again, BETWEEN_LOOKS after `sweep` has found `digests`, and remove those that are still orphans."""
    older_than = now() - GRACE
    with database.read() as session:
        orphans = _without_row(session, digests)
    return sum(store.remove_unless_newer(sha256, older_than) for sha256 in orphans)


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


def _forget_blobs(database: Database, older_than: datetime) -> None:
    while True:
        with database.read() as session:
            unused = session.scalars(select(Blob.sha256).where(_is_unused(older_than)).limit(AT_ONCE)).all()
        if not unused:
            return
        with database.write(changes_access=False, uses_reserve=True) as session:
            session.execute(
                delete(Blob)
                .where(Blob.sha256.in_(unused), _is_unused(older_than))
                .execution_options(synchronize_session=False)
            )


def _find_orphans(database: Database, store: BlobStore, older_than: datetime) -> list[str]:
    orphans: list[str] = []
    for batch in _batches(store.listed()):
        old = [found.sha256 for found in batch if found.changed_at <= older_than]
        with database.read() as session:
            orphans += _without_row(session, old)
        if len(orphans) >= MOST_ORPHANS:
            break
    return orphans[:MOST_ORPHANS]


def _is_unused(older_than: datetime) -> ColumnElement[bool]:
    return and_(Blob.created_at <= older_than, ~exists(select(PackageFile.id).where(PackageFile.sha256 == Blob.sha256)))


def _without_row(session: Session, digests: Sequence[str]) -> list[str]:
    known = set(session.scalars(select(Blob.sha256).where(Blob.sha256.in_(digests))))
    return [sha256 for sha256 in digests if sha256 not in known]


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    coming = iter(items)
    while batch := list(islice(coming, AT_ONCE)):
        yield batch


def scrub(database: Database, store: BlobStore) -> Iterator[Damage]:
    """Read every blob again and tell which ones are damaged, in the order of their digests."""
    last = ""
    while True:
        with database.read() as session:
            digests = session.scalars(
                select(Blob.sha256).where(Blob.sha256 > last).order_by(Blob.sha256).limit(AT_ONCE)
            ).all()
        if not digests:
            return
        last = digests[-1]
        for sha256 in digests:
            damage = _damage_of(store, sha256)
            if damage is not None:
                yield damage


def _damage_of(store: BlobStore, sha256: str) -> Damage | None:
    found = Digester()
    try:
        for chunk in store.chunks(sha256):
            found.update(chunk)
    except MissingBlobError:
        return Damage(sha256, is_missing=True)
    return None if found.result().sha256 == sha256 else Damage(sha256, is_missing=False)

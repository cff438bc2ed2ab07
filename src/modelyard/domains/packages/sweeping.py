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

GRACE = timedelta(hours=24)
BETWEEN_LOOKS = timedelta(hours=1)
AT_ONCE = 500

Item = TypeVar("Item")


@dataclass(frozen=True)
class Swept:
    """What one look removed."""

    blobs: int
    interrupted: int
    uploads: int


@dataclass(frozen=True)
class Damage:
    """A blob whose bytes are not what its row says: missing, or with another digest."""

    sha256: str
    is_missing: bool


class Sweeper:
    """Looks for what can go; remembers between two looks which blobs had no row."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store
        self._seen: dict[str, datetime] = {}

    def look(self) -> Swept:
        """Remove what may be removed now. To be called about every hour."""
        moment = now()
        uploads = self._sweep_uploads(moment)
        self._forget_blobs(moment - GRACE)
        return Swept(self._sweep_blobs(moment), self._store.sweep_unfinished(moment - GRACE), uploads)

    def _sweep_uploads(self, moment: datetime) -> int:
        with self._database.write(changes_access=False, uses_reserve=True) as session:
            session.execute(delete(Upload).where(Upload.created_at <= moment - LIFETIME))
        swept = 0
        for batch in _batches(self._store.unfinished_uploads()):
            old = [upload_id for upload_id, changed_at in batch if changed_at <= moment - GRACE]
            with self._database.read() as session:
                known = set(session.scalars(select(Upload.upload_id).where(Upload.upload_id.in_(old))))
            for upload_id in old:
                if upload_id not in known:
                    self._store.remove_parts(upload_id)
                    swept += 1
        return swept

    def _forget_blobs(self, older_than: datetime) -> None:
        while True:
            with self._database.read() as session:
                unused = session.scalars(select(Blob.sha256).where(_is_unused(older_than)).limit(AT_ONCE)).all()
            if not unused:
                return
            with self._database.write(changes_access=False, uses_reserve=True) as session:
                session.execute(
                    delete(Blob)
                    .where(Blob.sha256.in_(unused), _is_unused(older_than))
                    .execution_options(synchronize_session=False)
                )

    def _sweep_blobs(self, moment: datetime) -> int:
        swept, seen = 0, dict[str, datetime]()
        for batch in _batches(self._store.listed()):
            old = [found.sha256 for found in batch if found.changed_at <= moment - GRACE]
            with self._database.read() as session:
                orphans = _without_row(session, old)
            for sha256 in orphans:
                first_seen = self._seen.get(sha256, moment)
                if moment - first_seen < BETWEEN_LOOKS:
                    seen[sha256] = first_seen
                else:
                    swept += self._store.remove_unless_newer(sha256, moment - GRACE)
        self._seen = seen
        return swept


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

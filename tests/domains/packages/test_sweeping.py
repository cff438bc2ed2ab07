import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from modelyard.domains.packages import sweeping
from modelyard.domains.packages.contents import GENERIC, PackageName, ensure_package, put_file, remove_files
from modelyard.domains.packages.sweeping import (
    BETWEEN_LOOKS,
    REMOVE_ORPHANS,
    Damage,
    Swept,
    remove_orphans,
    scrub,
    sweep,
)
from modelyard.domains.packages.tables import Blob, Package, Upload
from modelyard.domains.packages.uploads import Target, begin_upload
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.storage.blobs import BlobStore
from modelyard.platform.storage.digests import StoredBlob
from modelyard.platform.storage.local import LocalBlobs
from modelyard.platform.tasks.tables import TaskRow
from tests.blob_stores import stored
from tests.conftest import World

NAME = PackageName(GENERIC, "ml_candidate_1", "-")


class Calendar:
    """The time that the sweep believes it is."""

    def __init__(self) -> None:
        self.moment = now()

    def __call__(self) -> datetime:
        return self.moment

    def after(self, hours: float) -> None:
        self.moment += timedelta(hours=hours)


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    made = Calendar()
    monkeypatch.setattr(sweeping, "now", made)
    return made


def put(database: Database, store: BlobStore, world: World, path: str, data: bytes) -> StoredBlob:
    writer = store.writer()
    writer.write(data)
    blob = writer.finish()
    with database.write() as session:
        put_file(session, ensure_package(session, world.project_id, NAME, creator_id=None), path, blob)
    return blob


def remove(database: Database, path: str) -> None:
    with database.write() as session:
        package = session.query(Package).one()
        assert remove_files(session, package, path, actor_id=None) == 1


def sizes(store: BlobStore) -> list[int]:
    return sorted(found.size_bytes for found in store.listed())


def test_bytes_without_a_file_go_after_a_day_and_two_looks(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    put(database, store, world, "kept", b"12345")
    put(database, store, world, "removed", b"123")
    removed = put(database, store, world, "twin", b"123").sha256
    remove(database, "removed")
    calendar.after(25)
    assert sweep(database, store) == Swept(interrupted=0, uploads=0, orphans=[]), "another file has the same bytes"
    remove(database, "twin")
    assert sweep(database, store).orphans == [removed]
    assert sizes(store) == [3, 5]
    with database.read() as session:
        task = session.query(TaskRow).one()
        assert (task.kind, task.run_at) == (REMOVE_ORPHANS, calendar() + BETWEEN_LOOKS)
        assert json.loads(task.payload) == [removed]
    assert remove_orphans(database, store, [removed]) == 1
    assert remove_orphans(database, store, [removed]) == 0, "a task may be done twice"
    assert sizes(store) == [5]


def test_a_file_that_was_removed_just_now_can_be_put_again(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    put(database, store, world, "a", b"123")
    remove(database, "a")
    calendar.after(23)
    assert sweep(database, store).orphans == []
    with database.read() as session:
        assert session.query(Blob).count() == 1


def test_bytes_that_nobody_ever_referred_to_go(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    put(database, store, world, "kept", b"12345")
    orphan = stored(store, b"1")
    assert sweep(database, store).orphans == []
    calendar.after(23)
    assert sweep(database, store).orphans == [], "an upload that may still get its row"
    calendar.after(2)
    assert sweep(database, store).orphans == [orphan]


def test_bytes_that_are_uploaded_again_between_two_looks_stay(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    again = put(database, store, world, "a", b"again").sha256
    remove(database, "a")
    calendar.after(30)
    assert sweep(database, store).orphans == [again]
    put(database, store, world, "b", b"again")
    assert remove_orphans(database, store, [again]) == 0
    assert b"".join(store.chunks(again)) == b"again"


def test_an_upload_that_has_no_row_yet_is_not_disturbed(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    again = put(database, store, world, "a", b"again").sha256
    remove(database, "a")
    calendar.after(30)
    assert sweep(database, store).orphans == [again]
    calendar.moment = now() + timedelta(hours=1)
    stored(store, b"again")
    assert remove_orphans(database, store, [again]) == 0
    assert b"".join(store.chunks(again)) == b"again"


def test_uploads_that_nobody_completed_are_swept_with_their_parts(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    with database.write() as session:
        target = Target(NAME, "x")
        old = begin_upload(session, world.developer.actor, world.project_id, target, parts=1).upload_id
        new = begin_upload(session, world.developer.actor, world.project_id, target, parts=1).upload_id
    for upload_id in (old, new, "without-row"):
        writer = store.part_writer(upload_id, 1)
        writer.write(b"x")
        writer.finish()
    assert sweep(database, store).uploads == 0
    calendar.after(25)
    with database.write() as session:
        session.execute(update(Upload).where(Upload.upload_id == new).values(changed_at=calendar()))
    assert sweep(database, store).uploads == 2
    assert [upload_id for upload_id, _ in store.unfinished_uploads()] == [new]


def test_an_interrupted_upload_is_swept(database: Database, tmp_path: Path, calendar: Calendar) -> None:
    store = LocalBlobs(tmp_path / "blobs", is_durable=True, reserve_bytes=0)
    store.writer().write(b"killed")
    calendar.after(23)
    assert sweep(database, store).interrupted == 0
    calendar.after(2)
    assert sweep(database, store).interrupted == 1


def test_many_blobs_are_forgotten_by_portions(
    database: Database, store: BlobStore, world: World, calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "AT_ONCE", 3)
    for number in range(10):
        put(database, store, world, f"{number}", b"x" * number)
        if number % 2:
            remove(database, f"{number}")
    calendar.after(25)
    orphans = sweep(database, store).orphans
    assert len(orphans) == 5
    assert remove_orphans(database, store, orphans) == 5
    assert sizes(store) == [0, 2, 4, 6, 8]
    with database.read() as session:
        assert session.query(Blob).count() == 5


def test_a_sweep_finds_no_more_than_one_task_can_remove(
    database: Database, store: BlobStore, calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST_ORPHANS", 3)
    for number in range(5):
        stored(store, b"x" * number)
    calendar.after(25)
    first = sweep(database, store).orphans
    assert len(first) == 3
    assert remove_orphans(database, store, first) == 3
    assert len(sweep(database, store).orphans) == 2


def test_a_scrub_finds_what_is_damaged_or_missing(database: Database, world: World, tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path / "blobs", is_durable=True, reserve_bytes=0)
    blobs = [put(database, store, world, f"{number}", bytes([number]) * 3_000_000) for number in range(4)]
    assert list(scrub(database, store)) == []
    paths = [store.root / "sha256" / blob.sha256[:2] / blob.sha256[2:4] / blob.sha256 for blob in blobs]
    damaged = bytearray(paths[1].read_bytes())
    damaged[2_000_000] ^= 1
    paths[1].write_bytes(damaged)
    paths[3].unlink()
    assert sorted(scrub(database, store), key=lambda damage: damage.is_missing) == [
        Damage(blobs[1].sha256, is_missing=False),
        Damage(blobs[3].sha256, is_missing=True),
    ]

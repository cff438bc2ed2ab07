import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from modelyard.domains.packages import sweeping
from modelyard.domains.packages.contents import GENERIC, PackageName, ensure_package, find_file, put_file, remove_files
from modelyard.domains.packages.repetitions import settle_repetition
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
from modelyard.platform.errors import Busy
from modelyard.platform.storage.blobs import BlobStore, StoredBlob
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


def arrived(store: BlobStore, data: bytes) -> StoredBlob:
    writer = store.writer()
    writer.write(data)
    return writer.finish()


def put(database: Database, store: BlobStore, world: World, path: str, data: bytes) -> StoredBlob:
    blob = arrived(store, data)
    with database.write() as session:
        file = put_file(session, ensure_package(session, world.project_id, NAME, creator_id=None), path, blob)
    settle_repetition(database, store, blob, file)
    return blob


def content(database: Database, store: BlobStore, path: str) -> bytes:
    """What a download of the file gives."""
    with database.read() as session:
        file = find_file(session, session.query(Package).one().id, path)
    assert file is not None
    return b"".join(store.chunks(file.blob_name))


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
    removed = put(database, store, world, "removed", b"123").name
    put(database, store, world, "twin", b"123")
    remove(database, "removed")
    for _ in range(3):
        calendar.after(25)
        assert sweep(database, store) == Swept(interrupted=0, uploads=0, orphans=[]), "another file has the same bytes"
    remove(database, "twin")
    assert sweep(database, store).orphans == [], "a backup or a download may still need it"
    calendar.after(23)
    assert sweep(database, store).orphans == []
    calendar.after(1)
    assert sweep(database, store).orphans == [removed]
    assert sizes(store) == [3, 5]
    with database.read() as session:
        task = session.query(TaskRow).one()
        assert (task.kind, task.run_at) == (REMOVE_ORPHANS, calendar() + BETWEEN_LOOKS)
        assert json.loads(task.payload) == [removed]
    for _ in ("once", "a task may be done twice"):
        assert remove_orphans(database, store, [removed]) == 1
        assert sizes(store) == [5]


def test_a_file_that_was_removed_just_now_can_be_put_again(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    put(database, store, world, "a", b"123")
    remove(database, "a")
    sweep(database, store)
    calendar.after(23)
    assert sweep(database, store).orphans == []
    put(database, store, world, "a", b"123")
    calendar.after(23)
    assert sweep(database, store).orphans == []
    assert content(database, store, "a") == b"123"
    assert sizes(store) == [3]


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


# Uploads and the sweep, step by step in the orders that could lose something


def swept_to_the_last_look(database: Database, store: BlobStore, calendar: Calendar) -> list[str]:
    """The sweep until it has found what may be removed; the names."""
    sweep(database, store)
    calendar.after(25)
    return sweep(database, store).orphans


def test_an_upload_between_two_looks_keeps_its_bytes(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    put(database, store, world, "a", b"again")
    remove(database, "a")
    orphans = swept_to_the_last_look(database, store, calendar)
    assert len(orphans) == 1
    put(database, store, world, "b", b"again")
    remove_orphans(database, store, orphans)
    assert content(database, store, "b") == b"again"


def test_an_upload_between_the_last_look_and_the_removal_keeps_its_bytes(
    database: Database, store: BlobStore, world: World, calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when whoever removes was stopped for as long as one likes, and goes on after everything was answered."""
    put(database, store, world, "a", b"again")
    remove(database, "a")
    orphans = swept_to_the_last_look(database, store, calendar)
    late, really_remove = list[Sequence[str]](), store.remove
    with monkeypatch.context() as stopped:
        stopped.setattr(store, "remove", late.append)
        remove_orphans(database, store, orphans)
    assert late == [orphans]
    put(database, store, world, "b", b"again")
    really_remove(late[0])
    assert content(database, store, "b") == b"again"
    assert sizes(store) == [5]


def test_bytes_that_have_arrived_and_have_no_row_yet_are_not_disturbed(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    put(database, store, world, "a", b"again")
    remove(database, "a")
    orphans = swept_to_the_last_look(database, store, calendar)
    coming = arrived(store, b"again")
    assert remove_orphans(database, store, orphans) == 1
    with database.write() as session:
        put_file(session, session.query(Package).one(), "b", coming)
    assert content(database, store, "b") == b"again"


def test_bytes_that_waited_for_their_row_too_long_get_none(database: Database, store: BlobStore, world: World) -> None:
    late = replace(arrived(store, b"late"), stored_at=now() - timedelta(hours=13))
    with database.write() as session:
        package = ensure_package(session, world.project_id, NAME, creator_id=None)
        with pytest.raises(Busy, match="Send the file again"):
            put_file(session, package, "a", late)


@pytest.mark.parametrize("step", ["mark", "forget"])
def test_the_sweep_waits_for_a_transaction_that_uses_what_it_wants_to_forget(
    database: Database, store: BlobStore, world: World, calendar: Calendar, step: str
) -> None:
    put(database, store, world, "a", b"again")
    remove(database, "a")
    if step == "forget":
        sweep(database, store)
        calendar.after(25)
    coming = arrived(store, b"again")
    with ThreadPoolExecutor(1) as threads:
        with database.write() as session:
            file = put_file(session, session.query(Package).one(), "b", coming)
            sweeping_now = threads.submit(sweep, database, store)
            with pytest.raises(TimeoutError):
                sweeping_now.result(0.3)
        sweeping_now.result(20)
    settle_repetition(database, store, coming, file)
    remove_orphans(database, store, swept_to_the_last_look(database, store, calendar))
    assert content(database, store, "b") == b"again"


def test_an_upload_waits_for_the_sweep_to_forget_and_brings_its_own_bytes(
    database: Database, store: BlobStore, world: World, calendar: Calendar
) -> None:
    first = put(database, store, world, "a", b"again")
    remove(database, "a")
    with ThreadPoolExecutor(1) as threads:
        with database.write() as session:
            session.execute(delete(Blob).where(Blob.name == first.name))
            putting = threads.submit(put, database, store, world, "b", b"again")
            with pytest.raises(TimeoutError):
                putting.result(0.3)
        putting.result(20)
    remove_orphans(database, store, [first.name])
    assert content(database, store, "b") == b"again"
    assert sizes(store) == [5]
    assert swept_to_the_last_look(database, store, calendar) == []


# The same bytes twice


def test_the_same_bytes_are_kept_once(database: Database, store: BlobStore, world: World) -> None:
    for path in ("a", "b", "a"):
        put(database, store, world, path, b"12345")
    assert sizes(store) == [5]
    assert content(database, store, "a") == content(database, store, "b") == b"12345"


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_an_upload_mends_bytes_that_are_damaged(
    database: Database, store: BlobStore, world: World, damage: str
) -> None:
    first = put(database, store, world, "a", b"12345")
    store.remove([first.name])
    if damage == "cut":
        writer = store.writer(name=first.name)
        writer.write(b"1")
        writer.finish()
    put(database, store, world, "b", b"12345")
    assert content(database, store, "a") == content(database, store, "b") == b"12345"


def test_a_store_that_is_away_after_the_commit_fails_nobody(
    database: Database, store: BlobStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Busy("away")

    put(database, store, world, "a", b"12345")
    with monkeypatch.context() as network:
        network.setattr(store, "remove", away)
        put(database, store, world, "b", b"12345")
    assert sizes(store) == [5, 5], "the sweep finds it"
    assert content(database, store, "b") == b"12345"


# Uploads that came to no end


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
    sweep(database, store)
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
    paths = [store.root / "sha256" / blob.name[:2] / blob.name[2:4] / blob.name for blob in blobs]
    damaged = bytearray(paths[1].read_bytes())
    damaged[2_000_000] ^= 1
    paths[1].write_bytes(damaged)
    paths[3].unlink()
    assert sorted(scrub(database, store), key=lambda damage: damage.is_missing) == [
        Damage(blobs[1].digests.sha256, is_missing=False),
        Damage(blobs[3].digests.sha256, is_missing=True),
    ]

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from modelyard.domains.packages.contents import (
    GENERIC,
    ML_MODEL,
    FolderEntry,
    PackageName,
    ensure_package,
    files_below,
    find_file,
    find_package,
    folder_entries,
    has_files,
    put_file,
    remove_files,
    remove_package,
)
from modelyard.domains.packages.tables import Package, PackageFile
from modelyard.platform.database import Database
from modelyard.platform.errors import Conflict, ModelyardError
from modelyard.platform.events import EventRow
from modelyard.platform.storage.blobs import StoredBlob
from tests.conftest import World

BlobOf = Callable[[str], StoredBlob]
NAME = PackageName(GENERIC, "ml_candidate_1", "-")
TREE = ["MLmodel", "a.txt", "data/x.csv", "data/y.csv", "data/deep/z.csv", "data-2/w", "dataa", "é/ü.txt"]


def filled(database: Database, world: World, blob: BlobOf, paths: list[str], name: PackageName = NAME) -> int:
    """A package with these files, each holding its own path."""
    with database.write() as session:
        package = ensure_package(session, world.project_id, name, creator_id=world.developer.actor.user_id)
        for path in paths:
            put_file(session, package, path, blob(path))
        return package.id


def test_a_package_is_made_once(database: Database, world: World) -> None:
    with database.write() as session:
        assert find_package(session, world.project_id, NAME) is None
        first = ensure_package(session, world.project_id, NAME, creator_id=world.developer.actor.user_id)
        assert first.status == "default"
        assert ensure_package(session, world.project_id, NAME, creator_id=None).id == first.id
        assert session.scalars(select(EventRow.kind).where(EventRow.kind == "PackageCreated")).all() == [
            "PackageCreated"
        ]


def test_a_file_keeps_its_digests(database: Database, world: World, blob: BlobOf) -> None:
    package_id = filled(database, world, blob, ["a/b.txt"])
    with database.read() as session:
        found = find_file(session, package_id, "a/b.txt")
        assert found is not None
        assert (found.sha256, found.md5, found.sha1) == (
            blob("a/b.txt").digests.sha256,
            blob("a/b.txt").digests.md5,
            blob("a/b.txt").digests.sha1,
        )
        assert found.size_bytes == 7
        assert find_file(session, package_id, "a") is None


def test_the_same_bytes_again_change_nothing(database: Database, world: World, blob: BlobOf) -> None:
    package_id = filled(database, world, blob, ["a.txt"])
    with database.read() as session:
        before = (find_file(session, package_id, "a.txt"), session.get_one(Package, package_id).updated_at)
    filled(database, world, blob, ["a.txt"])
    with database.read() as session:
        assert (find_file(session, package_id, "a.txt"), session.get_one(Package, package_id).updated_at) == before


def test_other_bytes_replace_the_row_and_keep_its_number(database: Database, world: World, blob: BlobOf) -> None:
    package_id = filled(database, world, blob, ["a.txt"])
    with database.write() as session:
        before = find_file(session, package_id, "a.txt")
        after = put_file(session, session.get_one(Package, package_id), "a.txt", blob("other"))
        assert before is not None
        assert after.id == before.id
        assert after.sha256 == blob("other").digests.sha256
        assert find_file(session, package_id, "a.txt") == after


def test_a_level_of_the_tree(database: Database, world: World, blob: BlobOf) -> None:
    package_id = filled(database, world, blob, TREE)

    def shown(entries: list[FolderEntry]) -> list[tuple[str, bool, int, int]]:
        return [(entry.name, entry.is_folder, entry.size_bytes, entry.files) for entry in entries]

    with database.read() as session:
        assert shown(folder_entries(session, package_id)) == [
            ("MLmodel", False, 7, 1),
            ("a.txt", False, 5, 1),
            ("data", True, 35, 3),
            ("data-2", True, 8, 1),
            ("dataa", False, 5, 1),
            ("é", True, 9, 1),
        ]
        assert shown(folder_entries(session, package_id, "data")) == [
            ("deep", True, 15, 1),
            ("x.csv", False, 10, 1),
            ("y.csv", False, 10, 1),
        ]
        assert shown(folder_entries(session, package_id, "é")) == [("ü.txt", False, 9, 1)]
        assert folder_entries(session, package_id, "dat") == []
        assert folder_entries(session, package_id, "a.txt") == []
        assert has_files(session, package_id, "data/deep")
        assert not has_files(session, package_id, "data/x.csv")


def test_all_files_below_by_pages(database: Database, world: World, blob: BlobOf) -> None:
    package_id = filled(database, world, blob, TREE)
    with database.read() as session:
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = files_below(session, package_id, cursor=cursor, limit=3)
            assert 1 <= len(page.items) <= 3
            found += [file.path for file in page.items]
            cursor = page.next_cursor
        assert found == sorted(TREE)
        below = files_below(session, package_id, "data")
        assert [file.path for file in below.items] == ["data/deep/z.csv", "data/x.csv", "data/y.csv"]


@pytest.mark.parametrize(
    ("path", "what"), [("a.txt/b", "is a file"), ("data", "is a folder"), ("data/deep", "is a folder")]
)
def test_no_file_is_a_folder_too(database: Database, world: World, blob: BlobOf, path: str, what: str) -> None:
    filled(database, world, blob, TREE)
    with pytest.raises(Conflict, match=what):
        filled(database, world, blob, [path])


@pytest.mark.parametrize("path", ["A.txt", "DATA/x.csv", "Data/new", "data/X.csv", "É/new"])
def test_twins_are_refused_in_models_only(database: Database, world: World, blob: BlobOf, path: str) -> None:
    filled(database, world, blob, [*TREE, path])
    model = PackageName(ML_MODEL, "scorer", "1.0.0")
    filled(database, world, blob, TREE, model)
    with pytest.raises(Conflict, match="same name on some file systems"):
        filled(database, world, blob, [path], model)


def test_files_and_folders_are_removed(database: Database, world: World, blob: BlobOf) -> None:
    package_id = filled(database, world, blob, TREE)

    def left() -> list[str]:
        with database.read() as session:
            return [file.path for file in files_below(session, package_id).items]

    with database.write() as session:
        package = session.get_one(Package, package_id)
        assert remove_files(session, package, "dat", actor_id=None) == 0
        assert remove_files(session, package, "a.txt", actor_id=None) == 1
        assert remove_files(session, package, "data", actor_id=None, keep=["data/deep"]) == 2
    assert left() == ["MLmodel", "data-2/w", "data/deep/z.csv", "dataa", "é/ü.txt"]
    with database.write() as session:
        assert remove_files(session, session.get_one(Package, package_id), "", actor_id=None) == 5
    assert left() == []


def test_a_removed_package_takes_its_files_along(database: Database, world: World, blob: BlobOf) -> None:
    package_id = filled(database, world, blob, TREE)
    with database.write() as session:
        remove_package(session, session.get_one(Package, package_id), actor_id=None)
    with database.read() as session:
        assert session.get(Package, package_id) is None
        assert session.scalars(select(PackageFile)).all() == []


def test_clients_that_upload_at_once_leave_one_package_and_whole_files(
    database: Database, world: World, blob: BlobOf
) -> None:
    refused: list[ModelyardError] = []

    def upload(worker: int) -> None:
        for number in range(10):
            try:
                filled(database, world, blob, [f"shared-{number}", f"own-{worker}/{number}"])
            except ModelyardError as error:
                refused.append(error)

    threads = [threading.Thread(target=upload, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    with database.read() as session:
        package = find_package(session, world.project_id, NAME)
        assert package is not None
        assert len(files_below(session, package.id).items) == 70


def test_a_file_and_a_folder_of_one_name_race_and_one_wins(database: Database, world: World, blob: BlobOf) -> None:
    filled(database, world, blob, [])
    for round_number in range(15):
        outcomes: list[str] = []
        barrier = threading.Barrier(2)

        def race(path: str, outcomes: list[str] = outcomes, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                filled(database, world, blob, [path])
                outcomes.append("put")
            except Conflict:
                outcomes.append("refused")

        names = (f"name-{round_number}", f"name-{round_number}/below")
        threads = [threading.Thread(target=race, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["put", "refused"]

from datetime import timedelta

import pytest
from sqlalchemy import select

from modelyard.domains.packages.contents import GENERIC, PackageName
from modelyard.domains.packages.tables import Upload, UploadPart
from modelyard.domains.packages.uploads import (
    Target,
    abort_upload,
    begin_upload,
    end_upload,
    get_upload,
    open_upload,
    parts_to_join,
    record_part,
    room_for_part,
)
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.errors import Invalid, NotFound, TooLarge
from modelyard.platform.storage.blobs import StoredPart
from tests.conftest import World

TARGET = Target(PackageName(GENERIC, "ml_candidate_1", "-"), "models/x")
MOST = 100


def part(number: int, size_bytes: int = 10) -> StoredPart:
    return StoredPart(number, f"{number}.{size_bytes}", f"{number:064x}", size_bytes)


@pytest.fixture
def upload_id(database: Database, world: World) -> str:
    with database.write() as session:
        return begin_upload(session, world.developer.actor, world.project_id, TARGET, parts=3).upload_id


@pytest.mark.parametrize("parts", [0, -1, 10_001])
def test_the_number_of_parts_has_limits(database: Database, world: World, parts: int) -> None:
    with database.write() as session, pytest.raises(Invalid, match="1 to 10000 parts"):
        begin_upload(session, world.developer.actor, world.project_id, TARGET, parts=parts)


def test_an_upload_is_found_by_its_project_and_target_only(database: Database, world: World, upload_id: str) -> None:
    with database.read() as session:
        assert get_upload(session, world.project_id, upload_id, TARGET).upload_id == upload_id
        assert open_upload(session, upload_id).creator_id == world.developer.actor.user_id
        for project_id, wanted_id, target in (
            (world.project_id + 1, upload_id, TARGET),
            (world.project_id, "0" * 32, TARGET),
            (world.project_id, upload_id, Target(TARGET.package, "models/y")),
            (world.project_id, upload_id, Target(PackageName(GENERIC, "ml_candidate_2", "-"), "models/x")),
        ):
            with pytest.raises(NotFound):
                get_upload(session, project_id, wanted_id, target)


def test_an_upload_is_over_after_a_day(database: Database, world: World, upload_id: str) -> None:
    with database.write() as session:
        open_upload(session, upload_id).changed_at = now() - timedelta(hours=25)
    with database.read() as session:
        with pytest.raises(NotFound):
            open_upload(session, upload_id)
        with pytest.raises(NotFound):
            get_upload(session, world.project_id, upload_id, TARGET)


def test_a_part_that_comes_twice_counts_once(database: Database, upload_id: str) -> None:
    with database.write() as session:
        upload = open_upload(session, upload_id)
        replaced = [record_part(session, upload, part(1, size_bytes), most_bytes=MOST) for size_bytes in (90, 95)]
        assert replaced == [None, "1.90"]
        assert parts_to_join(session, upload, [(1, "")]) == [part(1, 95)]


def test_all_parts_together_have_a_limit(database: Database, upload_id: str) -> None:
    with database.write() as session:
        upload = open_upload(session, upload_id)
        record_part(session, upload, part(1, 60), most_bytes=MOST)
        with pytest.raises(TooLarge, match="at most 100 bytes"):
            room_for_part(session, upload, 2, 41, most_bytes=MOST)
        with pytest.raises(TooLarge):
            record_part(session, upload, part(2, 41), most_bytes=MOST)
        room_for_part(session, upload, 2, 40, most_bytes=MOST)
        for number in (0, 10_001):
            with pytest.raises(Invalid):
                room_for_part(session, upload, number, 1, most_bytes=MOST)


@pytest.mark.parametrize(
    ("sent", "claimed", "message"),
    [
        ([], [], "Parts none have arrived"),
        ([1, 2], [(1, "")], "Parts 1-2 have arrived, 1 were named"),
        ([1, 3], [(1, ""), (3, "")], "Parts 1, 3 have arrived"),
        ([2, 3], [(2, ""), (3, "")], "Parts 2-3 have arrived"),
        ([1], [(1, ""), (2, "")], "1-2 were named"),
        ([1], [(1, ""), (1, "")], "1 were named"),
        ([1, 2], [(1, ""), (2, '"other"')], "Part 2 is not the one"),
    ],
)
def test_parts_that_do_not_make_the_file_are_refused(
    database: Database, upload_id: str, sent: list[int], claimed: list[tuple[int, str]], message: str
) -> None:
    with database.write() as session:
        upload = open_upload(session, upload_id)
        for number in sent:
            record_part(session, upload, part(number), most_bytes=MOST)
        with pytest.raises(Invalid, match=message):
            parts_to_join(session, upload, claimed)


def test_parts_are_joined_in_order_whatever_came_first(database: Database, upload_id: str) -> None:
    with database.write() as session:
        upload = open_upload(session, upload_id)
        for number in (3, 1, 2):
            record_part(session, upload, part(number), most_bytes=MOST)
        claimed = [(2, f'"{2:064x}"'), (1, f"{1:064x}"), (3, "")]
        assert parts_to_join(session, upload, claimed) == [part(1), part(2), part(3)]


def test_a_complete_upload_is_known_but_takes_no_more_parts(database: Database, world: World, upload_id: str) -> None:
    with database.write() as session:
        upload = open_upload(session, upload_id)
        record_part(session, upload, part(1), most_bytes=MOST)
        end_upload(session, upload, "0" * 64)
    with database.read() as session:
        assert get_upload(session, world.project_id, upload_id, TARGET).sha256 == "0" * 64
        assert session.scalars(select(UploadPart)).all() == []
        with pytest.raises(NotFound):
            open_upload(session, upload_id)


def test_an_aborted_upload_is_forgotten(database: Database, upload_id: str) -> None:
    with database.write() as session:
        upload = open_upload(session, upload_id)
        record_part(session, upload, part(1), most_bytes=MOST)
        abort_upload(session, upload)
    with database.read() as session:
        assert session.scalars(select(Upload)).all() == []
        assert session.scalars(select(UploadPart)).all() == []

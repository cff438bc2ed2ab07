"""The reserve of a disk: asked often, looked at seldom."""

from pathlib import Path

import pytest

from modelyard.platform import disk
from modelyard.platform.database import Database, open_database
from modelyard.platform.disk import DiskReserve
from modelyard.platform.errors import Busy
from modelyard.platform.lock import prepare_data_directory
from modelyard.platform.settings import Settings

MORE_THAN_ANY_DISK = 2**62


def test_a_disk_with_room_lets_write(tmp_path: Path) -> None:
    DiskReserve(tmp_path, 1).check()


def test_a_disk_below_its_reserve_refuses_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Busy, match=r"nearly full.*operator") as refused:
        DiskReserve(tmp_path, MORE_THAN_ANY_DISK).check()
    assert refused.value.retry_after_s == 10


def test_room_that_was_made_is_seen_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = DiskReserve(tmp_path, MORE_THAN_ANY_DISK)
    with pytest.raises(Busy):
        reserve.check()
    reserve.least_bytes = 0
    with pytest.raises(Busy):
        reserve.check()
    monkeypatch.setattr(disk, "LOOK_EVERY_S", 0)
    reserve._looks_again = 0
    reserve.check()


@pytest.fixture
def full_database(tmp_path: Path, sqlite_template: Path) -> Database:
    """A SQLite database whose disk is below its reserve."""
    prepare_data_directory(tmp_path)
    (tmp_path / "modelyard.sqlite3").write_bytes(sqlite_template.read_bytes())
    return open_database(Settings(data=tmp_path, disk_reserve_bytes=MORE_THAN_ANY_DISK))


def test_only_what_makes_room_is_written_into_the_reserve(full_database: Database) -> None:
    with pytest.raises(Busy), full_database.write():
        pass
    with full_database.write(uses_reserve=True) as session:
        session.connection().exec_driver_sql("DELETE FROM events")
    with full_database.read() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM events").scalar() == 0
    full_database.close()

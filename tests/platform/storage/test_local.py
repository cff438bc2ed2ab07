import errno
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.platform.clock import now
from modelyard.platform.errors import Busy
from modelyard.platform.storage.local import LocalBlobs
from tests.blob_stores import stored

SOON = timedelta(minutes=1)


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs", is_durable=True, reserve_bytes=0)


def test_only_the_owner_reads_anything(blobs: LocalBlobs) -> None:
    stored(blobs, b"secret")
    part = blobs.part_writer("upload", 1)
    part.write(b"x")
    part.finish()
    writer = blobs.writer()
    writer.write(b"on its way")
    found = [blobs.root, *blobs.root.rglob("*")]
    assert sum(path.is_file() for path in found) == 3
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    writer.discard()


def test_an_interrupted_upload_leaves_only_what_the_sweep_removes(blobs: LocalBlobs) -> None:
    blobs.writer().write(b"and then the process was killed")
    assert list(blobs.listed()) == []
    assert blobs.sweep_unfinished(now() - SOON) == 0
    assert blobs.sweep_unfinished(now() + SOON) == 1
    assert list((blobs.root / "incoming").iterdir()) == []


def test_discarding_leaves_nothing(blobs: LocalBlobs) -> None:
    writer = blobs.writer()
    writer.write(b"x")
    writer.discard()
    finished = blobs.writer()
    finished.write(b"y")
    finished.finish()
    finished.discard()
    assert list((blobs.root / "incoming").iterdir()) == []
    assert [found.size_bytes for found in blobs.listed()] == [1]


def test_what_leaves_too_little_room_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    blobs = LocalBlobs(tmp_path / "blobs", is_durable=True, reserve_bytes=free // 2)
    stored(blobs, b"fits")
    with pytest.raises(Busy, match="full"):
        blobs.writer(free)
    assert list((blobs.root / "incoming").iterdir()) == []


def test_a_disk_that_fills_up_is_said_and_nothing_is_left(blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = blobs.writer()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(Busy, match="full"):
            writer.write(b"x")
    writer.discard()
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        writer = blobs.writer()
        writer.write(b"x")
        with pytest.raises(Busy, match="full"):
            writer.finish()
    assert list(blobs.listed()) == []
    assert list((blobs.root / "incoming").iterdir()) == []


def test_bytes_and_directory_are_flushed_before_the_blob_counts(
    blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(blobs.root)))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    name = stored(blobs, b"first")
    first, second = name[:2], f"{name[:2]}/{name[2:4]}"
    assert flushed[0].startswith("incoming/")
    assert flushed[1:] == ["sha256", f"sha256/{first}", f"sha256/{second}"]
    flushed.clear()
    stored(blobs, b"first")
    assert flushed[1:] == [f"sha256/{second}"]
    flushed.clear()
    blobs.is_durable = False
    stored(blobs, b"second")
    assert flushed == []

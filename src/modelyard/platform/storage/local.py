"""Blobs in a local directory.

    sha256/ab/cd/abcd….n blobs, never changed once they have that name
    incoming/            bytes on their way, under random names
    parts/UPLOAD/7.n     parts of uploads that are not complete

A blob gets its name after its bytes are flushed, and the directory is flushed before anybody is told.
"""

import errno
import os
import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from modelyard.platform.clock import from_ms
from modelyard.platform.errors import Busy
from modelyard.platform.storage.blobs import (
    CHUNK_BYTES,
    ListedBlob,
    MissingBlobError,
    Span,
    StoredBlob,
    StoredPart,
    new_name,
    new_part_name,
)
from modelyard.platform.storage.digests import Digester, Digests
from modelyard.platform.storage.parts import join_parts

FULL = "The server's disk is full; nothing was stored. Ask its operator to make room."
ROOM_CHECK_BYTES = 64 * 1024 * 1024
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def _disk_trouble() -> Iterator[None]:
    """A full disk in our words. Other failures of the disk are not the request's fault and stay what they are."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise Busy(FULL, retry_after_s=10) from error
        raise


class LocalBlobs:
    """A directory of blobs. `is_durable`: what was acknowledged survives a power cut."""

    def __init__(self, root: Path, *, is_durable: bool, reserve_bytes: int) -> None:
        self.root = root
        self.is_durable = is_durable
        self._reserve_bytes = reserve_bytes
        for directory in (root, root / "sha256", root / "incoming", root / "parts"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def check(self) -> None:
        self.check_room(0)

    def check_room(self, wanted_bytes: int) -> None:
        room = os.statvfs(self.root)
        if room.f_bavail * room.f_frsize - wanted_bytes < self._reserve_bytes:
            raise Busy(FULL, retry_after_s=10)

    def writer(self, declared_bytes: int | None = None, *, name: str | None = None) -> "LocalBlobWriter":
        self.check_room(declared_bytes or 0)
        return LocalBlobWriter(self, name)

    def part_writer(self, upload_id: str, number: int) -> "LocalPartWriter":
        self.check_room(0)
        return LocalPartWriter(self, self._part_path(upload_id, new_part_name(number)), number)

    def chunks(self, name: str, span: Span | None = None) -> Generator[bytes, None, None]:
        yield from _read(self._path(name), span)

    def size_of(self, name: str) -> int | None:
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            return None

    def listed(self) -> Iterator[ListedBlob]:
        for first in _sorted_entries(self.root / "sha256"):
            for second in _sorted_entries(first):
                for path in _sorted_entries(second):
                    with suppress(FileNotFoundError):  # removed since the directory was read
                        yield ListedBlob(path.name, path.stat().st_size, _changed_at(path))

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self._path(name).unlink(missing_ok=True)

    def signed_url(self, name: str, *, lifetime_s: int) -> str | None:  # noqa: ARG002  # only this server can give the bytes
        return None

    def join(self, upload_id: str, parts: Sequence[StoredPart]) -> StoredBlob:
        writer = self.writer(sum(part.size_bytes for part in parts))
        return join_parts(writer, parts, lambda name: _read(self._part_path(upload_id, name), None))

    def remove_part(self, upload_id: str, name: str) -> None:
        self._part_path(upload_id, name).unlink(missing_ok=True)

    def remove_parts(self, upload_id: str) -> None:
        directory = self.root / "parts" / upload_id
        for path in _sorted_entries(directory):
            path.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            directory.rmdir()

    def sweep_unfinished(self, older_than: datetime) -> int:
        swept = 0
        for path in _sorted_entries(self.root / "incoming"):
            with suppress(FileNotFoundError):  # finished since the directory was read
                if _changed_at(path) <= older_than:
                    path.unlink()
                    swept += 1
        return swept

    def unfinished_uploads(self) -> Iterator[tuple[str, datetime]]:
        for path in _sorted_entries(self.root / "parts"):
            with suppress(FileNotFoundError):
                yield path.name, _changed_at(path)

    def adopt(self, incoming: Path, name: str) -> None:
        """Give flushed bytes their name."""
        path = self._path(name)
        try:
            incoming.replace(path)
        except FileNotFoundError:
            self._make_directory(path.parent.parent)
            self._make_directory(path.parent)
            incoming.replace(path)
        self.flush_directory(path.parent)

    def place_part(self, incoming: Path, path: Path) -> None:
        """Give a flushed part its place."""
        if not path.parent.exists():
            self._make_directory(path.parent)
        incoming.replace(path)
        self.flush_directory(path.parent)

    def flush_directory(self, directory: Path) -> None:
        if not self.is_durable:
            return
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make_directory(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self.flush_directory(directory.parent)

    def _path(self, name: str) -> Path:
        return self.root / "sha256" / name[:2] / name[2:4] / name

    def incoming_path(self) -> Path:
        return self.root / "incoming" / secrets.token_hex(16)

    def _part_path(self, upload_id: str, name: str) -> Path:
        return self.root / "parts" / upload_id / name


class IncomingFile:
    """A file under a random name that digests what is written to it."""

    def __init__(self, store: LocalBlobs) -> None:
        self._store = store
        self.path = store.incoming_path()
        self._descriptor = os.open(self.path, NEW_FILE, 0o600)
        self._digester = Digester()
        self._unchecked_bytes = 0

    def write(self, data: bytes) -> None:
        with _disk_trouble():
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._digester.update(data)
        self._unchecked_bytes += len(data)
        if self._unchecked_bytes >= ROOM_CHECK_BYTES:
            self._unchecked_bytes = 0
            self._store.check_room(0)

    def close(self) -> Digests:
        """Flush and close; the file still has its random name."""
        try:
            with _disk_trouble():
                if self._store.is_durable:
                    os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
        return self._digester.result()

    def discard(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.path.unlink(missing_ok=True)


class LocalBlobWriter:
    """A blob on its way into the directory."""

    def __init__(self, store: LocalBlobs, name: str | None) -> None:
        self._store = store
        self._name = name
        self._file = IncomingFile(store)
        self.write = self._file.write
        self.discard = self._file.discard

    def finish(self) -> StoredBlob:
        try:
            digests = self._file.close()
            name = self._name or new_name(digests.sha256)
            with _disk_trouble():
                self._store.adopt(self._file.path, name)
        finally:
            self._file.discard()
        return StoredBlob(name, digests)


class LocalPartWriter:
    """A part on its way into the directory."""

    def __init__(self, store: LocalBlobs, path: Path, number: int) -> None:
        self._store = store
        self._path = path
        self._number = number
        self._file = IncomingFile(store)
        self.write = self._file.write
        self.discard = self._file.discard

    def finish(self) -> StoredPart:
        try:
            part = self._file.close()
            with _disk_trouble():
                self._store.place_part(self._file.path, self._path)
        finally:
            self._file.discard()
        return StoredPart(self._number, self._path.name, part.sha256, part.size_bytes)


def _read(path: Path, span: Span | None) -> Generator[bytes, None, None]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise MissingBlobError from error
    try:
        position, stop = span or (0, os.fstat(descriptor).st_size)
        while position < stop and (chunk := os.pread(descriptor, min(stop - position, CHUNK_BYTES), position)):
            position += len(chunk)
            yield chunk
    finally:
        os.close(descriptor)


def _changed_at(path: Path) -> datetime:
    return from_ms(path.stat().st_mtime_ns // 1_000_000)


def _sorted_entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []

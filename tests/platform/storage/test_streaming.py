import asyncio
import threading
from collections.abc import AsyncIterator, Generator

import pytest

from modelyard.platform.errors import TooLarge
from modelyard.platform.storage.blobs import CHUNK_BYTES, BlobStore, StoredBlob
from modelyard.platform.storage.digests import Digests
from modelyard.platform.storage.streaming import pieces, receive

MEBIBYTES = bytes(range(256)) * 4096 * 7 + b"end"


async def arriving(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1000, 65_536, CHUNK_BYTES, 3 * CHUNK_BYTES])
def test_what_arrives_in_pieces_leaves_in_pieces(store: BlobStore, size: int) -> None:
    async def there_and_back() -> bytes:
        blob = await receive(store.writer, arriving(MEBIBYTES, size), most_bytes=len(MEBIBYTES))
        assert blob.digests.size_bytes == len(MEBIBYTES)
        return b"".join([piece async for piece in pieces(store.chunks(blob.name))])

    assert asyncio.run(there_and_back()) == MEBIBYTES


def test_an_empty_body_is_an_empty_blob(store: BlobStore) -> None:
    assert asyncio.run(receive(store.writer, arriving(b"", 1), most_bytes=0)).digests.size_bytes == 0


@pytest.mark.parametrize("most", [10, 3 * CHUNK_BYTES])
def test_too_much_is_refused_and_nothing_is_kept(store: BlobStore, most: int) -> None:
    with pytest.raises(TooLarge, match=f"at most {most} bytes"):
        asyncio.run(receive(store.writer, arriving(MEBIBYTES, 65_536), most_bytes=most))
    assert list(store.listed()) == []


class SlowWriter:
    """Holds every write until it is let go, and tells what became of it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.writing = threading.Event()
        self.go = threading.Event()

    def write(self, data: bytes) -> None:
        self.writing.set()
        self.go.wait(10)
        self.told.append(f"wrote {len(data)}")

    def finish(self) -> StoredBlob:
        self.told.append("finished")
        return StoredBlob("", Digests("", "", "", 0))

    def discard(self) -> None:
        self.told.append("discarded")


def test_a_cancelled_request_is_discarded_after_its_last_write() -> None:
    writer = SlowWriter()

    async def cancelled() -> None:
        task = asyncio.create_task(receive(lambda: writer, arriving(MEBIBYTES, CHUNK_BYTES), most_bytes=10**9))
        await asyncio.to_thread(writer.writing.wait, 10)
        task.cancel()
        asyncio.get_running_loop().call_later(0.1, writer.go.set)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert writer.told == [f"wrote {CHUNK_BYTES}", "discarded"]


def test_a_broken_body_is_discarded(store: BlobStore) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield MEBIBYTES
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(receive(store.writer, broken(), most_bytes=10**9))
    assert list(store.listed()) == []


def test_reading_is_closed_when_nobody_listens_any_more() -> None:
    closed = threading.Event()

    def source() -> Generator[bytes, None, None]:
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    async def listen_once() -> None:
        stream = pieces(source())
        async for piece in stream:
            assert piece == b"x"
            break
        await stream.aclose()

    asyncio.run(listen_once())
    assert closed.wait(5)

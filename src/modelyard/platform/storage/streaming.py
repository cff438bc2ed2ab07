"""The asynchronous side of a blob store: bytes pass through, a few MiB at a time, and threads do what blocks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, Protocol, TypeVar

from modelyard.platform.errors import TooLarge
from modelyard.platform.storage.blobs import CHUNK_BYTES

Stored = TypeVar("Stored")
Stored_co = TypeVar("Stored_co", covariant=True)
Result = TypeVar("Result")

# Of their own, so that slow disks and slow stores leave the threads of everything else alone.
_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="files")


class Writer(Protocol[Stored_co]):
    """A writer of blobs or of parts."""

    def write(self, data: bytes) -> None: ...

    def finish(self) -> Stored_co: ...

    def discard(self) -> None: ...


async def in_thread(work: Callable[[], Result]) -> Result:
    """Do `work` in one of the threads for files."""
    return await asyncio.wrap_future(_threads.submit(work))


async def receive(
    open_writer: Callable[[], Writer[Stored]], chunks: AsyncIterable[bytes], *, most_bytes: int
) -> Stored:
    """Store all of `chunks`: the next MiB arrives while the last one is digested and written.

    Raises:
        TooLarge: there are more than `most_bytes`; nothing is kept.
    """
    incoming = _Incoming(open_writer)
    gathered: list[bytes] = []
    gathered_bytes = received_bytes = 0
    try:
        async for chunk in chunks:
            received_bytes += len(chunk)
            check_size(received_bytes, most_bytes)
            gathered.append(chunk)
            gathered_bytes += len(chunk)
            if gathered_bytes >= CHUNK_BYTES:
                await incoming.write(b"".join(gathered))
                gathered, gathered_bytes = [], 0
        return await incoming.finish(b"".join(gathered))
    finally:
        if not incoming.is_finished:
            await incoming.discard()


def check_size(size_bytes: int, most_bytes: int) -> None:
    """Refuse a file that is too large.

    Raises:
        TooLarge
    """
    if size_bytes > most_bytes:
        raise TooLarge(f"The file is too large: at most {most_bytes} bytes are taken here.")


class _Incoming(Generic[Stored]):
    """A writer that is opened, written to and ended in threads, one step after the other."""

    def __init__(self, open_writer: Callable[[], Writer[Stored]]) -> None:
        self._open_writer = open_writer
        self._writer: Writer[Stored] | None = None
        self._step: Future[None] | None = None
        self._stored: list[Stored] = []

    @property
    def is_finished(self) -> bool:
        return bool(self._stored)

    async def write(self, data: bytes) -> None:
        """Begin to write `data`, once what was begun before is done."""
        await self._settle()
        self._step = _threads.submit(self._write, data)

    async def finish(self, data: bytes) -> Stored:
        await self._settle()
        self._step = _threads.submit(self._finish, data)
        await self._settle()
        return self._stored[0]

    async def discard(self) -> None:
        await in_thread(self._discard)

    async def _settle(self) -> None:
        if self._step is not None:
            await asyncio.wrap_future(self._step)

    def _opened(self) -> Writer[Stored]:
        if self._writer is None:
            self._writer = self._open_writer()
        return self._writer

    def _write(self, data: bytes) -> None:
        self._opened().write(data)

    def _finish(self, data: bytes) -> None:
        writer = self._opened()
        writer.write(data)
        self._stored.append(writer.finish())

    def _discard(self) -> None:
        # A request that was cancelled leaves its last step running.
        if self._step is not None:
            wait([self._step])
        if self._writer is not None:
            self._writer.discard()


async def pieces(chunks: Generator[bytes, None, None]) -> AsyncGenerator[bytes, None]:
    """`chunks`, each read in a thread while the one before is sent."""
    coming = _threads.submit(next, chunks, b"")
    try:
        while chunk := await asyncio.wrap_future(coming):
            coming = _threads.submit(next, chunks, b"")
            yield chunk
    finally:
        # Whoever stopped listening may have left a read running; it closes what it read from.
        coming.add_done_callback(lambda _: chunks.close())

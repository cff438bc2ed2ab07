"""Files over HTTP, for every way in: bodies that are stored while they arrive, and downloads of one range of bytes.

What users uploaded is never shown by a browser on this origin: always an attachment, never of a type that runs.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

from modelyard.domains.packages.contents import StoredFile
from modelyard.domains.packages.quotas import NO_ROOM
from modelyard.platform.errors import Invalid
from modelyard.platform.http import Headers, Receive, Scope, Send
from modelyard.platform.reservations import Hold, Reservations
from modelyard.platform.storage.blobs import (
    CHUNK_BYTES,
    BlobStore,
    MissingBlobError,
    PartWriter,
    Span,
    StoredBlob,
    StoredPart,
)
from modelyard.platform.storage.streaming import Stored, Writer, check_size, in_thread, pieces, receive

SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
HARMLESS: Headers = [
    (b"content-type", b"application/octet-stream"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"private, no-cache"),
    (b"accept-ranges", b"bytes"),
]


class Disconnected(Invalid):
    """The client went away before its request was complete; what is answered reaches nobody."""

    def __init__(self) -> None:
        super().__init__("The body of this request ended before it was complete.")


# Uploads


def declared_bytes(headers: Mapping[str, str]) -> int | None:
    """The length that a request says its body has.

    Raises:
        Invalid
    """
    text = headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise Invalid("Content-Length is a whole number.")
    return int(text)


@dataclass(frozen=True)
class Room:
    """How many bytes a file of a project may have, None for any number, but for what others are sending."""

    reservations: Reservations
    project_id: int
    left_bytes: int | None


async def body_of(receive_message: Receive) -> AsyncGenerator[bytes, None]:
    """A request's body as it arrives.

    Raises:
        Disconnected
    """
    while True:
        message = await receive_message()
        if message["type"] == "http.disconnect":
            raise Disconnected
        if chunk := message.get("body", b""):
            yield chunk
        if not message.get("more_body", False):
            return


@asynccontextmanager
async def receiving_file(
    store: BlobStore, scope: Scope, receive_message: Receive, room: Room, *, most_bytes: int
) -> AsyncIterator[StoredBlob]:
    """Store a request's whole body for a project; its room is kept for it until the block, which counts it, ends.

    Raises:
        TooLarge, Busy, Disconnected
    """
    async with _receiving(store, scope, receive_message, room, store.writer, most_bytes=most_bytes) as blob:
        yield blob


@asynccontextmanager
async def receiving_part(
    store: BlobStore,
    scope: Scope,
    receive_message: Receive,
    room: Room,
    *,
    upload_id: str,
    number: int,
    most_bytes: int,
) -> AsyncIterator[StoredPart]:
    """The same for one part of an upload.

    Raises:
        TooLarge, Busy, Disconnected
    """

    def open_writer(_: int | None) -> PartWriter:
        return store.part_writer(upload_id, number)

    async with _receiving(store, scope, receive_message, room, open_writer, most_bytes=most_bytes) as part:
        yield part


@asynccontextmanager
async def _receiving(
    store: BlobStore,
    scope: Scope,
    receive_message: Receive,
    room: Room,
    open_writer: Callable[[int | None], Writer[Stored]],
    *,
    most_bytes: int,
) -> AsyncIterator[Stored]:
    declared = declared_bytes(headers_of(scope))
    check_size(declared or 0, most_bytes)
    store.check_room(declared or 0)
    with room.reservations.hold(room.project_id, room.left_bytes, declared, NO_ROOM) as held:
        body = _held_body(body_of(receive_message), held)
        yield await receive(lambda: open_writer(declared), body, most_bytes=most_bytes)


async def _held_body(chunks: AsyncGenerator[bytes, None], held: Hold) -> AsyncGenerator[bytes, None]:
    """The same chunks, room being kept for all that came."""
    size_bytes = 0
    async for chunk in chunks:
        size_bytes += len(chunk)
        held.grow_to(size_bytes)
        yield chunk


def headers_of(scope: Scope) -> dict[str, str]:
    """A request's headers; of one that is repeated, the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


# Downloads


@dataclass(frozen=True)
class Answer:
    """What a download answers: `span` of the bytes, or none of them."""

    status: int
    span: Span | None
    headers: Headers


def answer_for(file: StoredFile, asked: Mapping[str, str]) -> Answer:
    """The status and headers of a download, from the conditions and the range in the request's headers."""
    tag = f'"{file.sha256}"'
    headers: Headers = [*HARMLESS, (b"etag", tag.encode()), (b"content-disposition", _attachment(file.path))]
    if _names(asked.get("if-none-match", ""), tag):
        return Answer(304, None, headers)
    span = None
    if asked.get("if-range", tag) == tag:
        span = _range(asked.get("range", ""), file.size_bytes)
    if span is None:
        return Answer(200, (0, file.size_bytes), [*headers, _length(file.size_bytes)])
    start, stop = span
    if start >= file.size_bytes:
        unsatisfied = (b"content-range", f"bytes */{file.size_bytes}".encode())
        return Answer(416, None, [*headers, unsatisfied, _length(0)])
    content_range = (b"content-range", f"bytes {start}-{stop - 1}/{file.size_bytes}".encode())
    return Answer(206, span, [*headers, content_range, _length(stop - start)])


def _range(text: str, size_bytes: int) -> Span | None:
    """The one range that is asked for; None for none, for several and for nonsense: then the whole file is sent."""
    found = SINGLE_RANGE.fullmatch(text.strip())
    if found is None or size_bytes == 0:
        return None
    first, last = found.groups()
    if first:
        if last and int(last) < int(first):
            return None
        return int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    if not last:
        return None
    return (max(size_bytes - int(last), 0), size_bytes) if int(last) else (size_bytes, size_bytes)


def _names(condition: str, tag: str) -> bool:
    """Whether an If-None-Match names the tag, as weak comparison has it."""
    tags = {part.strip().removeprefix("W/") for part in condition.split(",")}
    return "*" in tags or tag in tags


def _length(size_bytes: int) -> tuple[bytes, bytes]:
    return b"content-length", str(size_bytes).encode()


def _attachment(path: str) -> bytes:
    """Content-Disposition with the file's name (RFC 6266); the plain form for those who cannot read the other one."""
    name = path.rpartition("/")[2]
    plain = "".join(character if character.isascii() and character not in '"\\%' else "_" for character in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}".encode()


async def send_file(store: BlobStore, file: StoredFile, scope: Scope, receive_message: Receive, send: Send) -> None:
    """Answer a GET or HEAD with a file.

    Raises:
        MissingBlobError, Busy: the store does not give its bytes; nothing was sent yet.
    """
    download = await prepare_download(store, file, scope["method"], headers_of(scope))
    await download.send(receive_message, send)


async def prepare_download(store: BlobStore, file: StoredFile, method: str, asked: Mapping[str, str]) -> "Download":
    """An answer with a file, whose first bytes have been read: that they are missing is still an error like others.

    Raises:
        MissingBlobError, Busy
    """
    answer = answer_for(file, asked)
    start, stop = (0, 0) if method == "HEAD" or answer.span is None else answer.span
    chunks = store.chunks(file.blob_name, (start, stop))
    if stop - start > CHUNK_BYTES:
        stream = pieces(chunks)
        first = await anext(stream, b"")
        _check_piece(first)
        return Download(answer, first, stream, stop - start - len(first))
    body = await in_thread(lambda: b"".join(chunks)) if start < stop else b""
    if len(body) < stop - start:
        raise MissingBlobError
    return Download(answer, body, None, 0)


@dataclass(frozen=True)
class Download:
    """An answer that is ready to be sent: its first bytes, and where the others come from."""

    answer: Answer
    first: bytes
    stream: AsyncGenerator[bytes, None] | None
    left_bytes: int

    async def send(self, receive_message: Receive, send: Send) -> None:
        """Send it; ends early when the client goes away."""
        await send({"type": "http.response.start", "status": self.answer.status, "headers": self.answer.headers})
        await send({"type": "http.response.body", "body": self.first, "more_body": self.stream is not None})
        if self.stream is not None:
            await self._send_stream(self.stream, receive_message, send)

    async def _send_stream(self, stream: AsyncGenerator[bytes, None], receive_message: Receive, send: Send) -> None:
        left = self.left_bytes
        gone = asyncio.ensure_future(_gone(receive_message))
        try:
            while left > 0 and not gone.done():
                piece = await anext(stream, b"")
                _check_piece(piece)
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
        finally:
            gone.cancel()
            await stream.aclose()


async def _gone(receive_message: Receive) -> None:
    """Ends when the client has gone."""
    while (await receive_message())["type"] != "http.disconnect":
        pass


def _check_piece(piece: bytes) -> None:
    """A blob that is shorter than its row says is as bad as a missing one."""
    if not piece:
        raise MissingBlobError

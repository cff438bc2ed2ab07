"""Files on their way to a browser: always attachments, except pictures, which are sniffed and may be shown."""

from collections.abc import Iterator

from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from modelyard.domains.packages.contents import StoredFile
from modelyard.entrypoints.transfer import send_file
from modelyard.entrypoints.web.previews import MOST_IMAGE_BYTES, image_kind
from modelyard.entrypoints.web.security import data_headers
from modelyard.platform.errors import NotFound
from modelyard.platform.storage.blobs import BlobStore, MissingBlobError

_SNIFFED_BYTES = 16


class Download(Response):
    """A stored file as an attachment, or one range of it."""

    def __init__(self, store: BlobStore, file: StoredFile) -> None:
        super().__init__()
        self._store = store
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send_file(self._store, self._file, scope, receive, send)
        except MissingBlobError as missing:
            await PlainTextResponse(missing.message, 503, data_headers())(scope, receive, send)


def head_of(store: BlobStore, file: StoredFile, most_bytes: int) -> bytes:
    """The first bytes of a file.

    Raises:
        MissingBlobError
    """
    wanted = min(most_bytes, file.size_bytes)
    return b"".join(store.chunks(file.blob_name, (0, wanted))) if wanted else b""


def picture(store: BlobStore, file: StoredFile) -> Response:
    """A picture for `<img>`.

    Raises:
        NotFound: the file is none, or too large to be shown.
    """
    kind = image_kind(head_of(store, file, _SNIFFED_BYTES))
    if not kind or file.size_bytes > MOST_IMAGE_BYTES:
        raise NotFound("This file is no picture that can be shown. Download it instead.")
    headers = data_headers() | {"Cache-Control": "private, max-age=300", "Content-Length": str(file.size_bytes)}
    return StreamingResponse(_pieces(store, file), media_type=kind, headers=headers)


def _pieces(store: BlobStore, file: StoredFile) -> Iterator[bytes]:
    yield from store.chunks(file.blob_name)

"""Blobs in an S3-compatible object store, under the same names as in a local directory.

Small blobs are put under their name at once. Larger ones are staged under a random name while they are digested, then
copied inside the store. What the store says of digests is not relied on.
"""

import logging
import os
import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from modelyard.platform.errors import Busy, Invalid
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

if TYPE_CHECKING:
    from obstore import ObjectMeta, WritableFile
    from obstore.store import RetryConfig

LEAST_PIECE_BYTES = 5 * 1024 * 1024
MOST_PIECES = 9_000
MOST_COPY_BYTES = 5 * 1024**3
AT_ONCE = 2
# A client waits for two minutes at most; by then we have said that the store is away.
RETRIES: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
# Fetched straight from the store by a browser, a file of somebody's must not run as a page.
HARMLESS = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}

log = logging.getLogger(__name__)


@contextmanager
def _store_trouble() -> Iterator[None]:
    """The object store's failures in our words."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        log.warning("The object store failed: %s", str(error).partition("\n")[0])
        raise Busy("The object store does not answer as it should; try again in a moment.", retry_after_s=5) from error


def open_objects(url: str, environment: Mapping[str, str] = os.environ) -> "ObjectBlobs":
    """The store at `s3://BUCKET/PREFIX`, with the credentials and endpoint of the AWS_* variables.

    Raises:
        Invalid: an address of another kind.
    """
    address = urlsplit(url)
    if address.scheme != "s3" or not address.hostname:
        raise Invalid("MODELYARD_OBJECTS_URL is s3://BUCKET/PREFIX.")
    endpoint = next((environment[name] for name in ENDPOINT_VARIABLES if environment.get(name)), "")
    store = S3Store.from_url(
        url,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(minutes=2),
            "timeout": timedelta(days=1),
        },
        retry_config=RETRIES,
    )
    return ObjectBlobs(store)


class ObjectBlobs:
    """A bucket, or a prefix in one."""

    def __init__(self, store: S3Store) -> None:
        self.store = store

    def check(self) -> None:
        with _store_trouble():
            next(iter(obstore.list(self.store, prefix="sha256", chunk_size=1)), None)

    def check_room(self, wanted_bytes: int) -> None:
        """An object store has room."""

    def writer(self, declared_bytes: int | None = None, *, name: str | None = None) -> "ObjectBlobWriter":
        return ObjectBlobWriter(self, declared_bytes or 0, name)

    def part_writer(self, upload_id: str, number: int) -> "ObjectPartWriter":
        return ObjectPartWriter(self, upload_id, number)

    def chunks(self, name: str, span: Span | None = None) -> Generator[bytes, None, None]:
        yield from self.read(_key(name), span)

    def size_of(self, name: str) -> int | None:
        with _store_trouble():
            try:
                return obstore.head(self.store, _key(name))["size"]
            except FileNotFoundError:
                return None

    def listed(self) -> Iterator[ListedBlob]:
        with _store_trouble():
            for page in obstore.list(self.store, prefix="sha256", chunk_size=1000):
                for found in page:
                    yield ListedBlob(found["path"].rpartition("/")[2], found["size"], found["last_modified"])

    def remove(self, names: Sequence[str]) -> None:
        self.delete([_key(name) for name in names])

    def signed_url(self, name: str, *, lifetime_s: int) -> str | None:
        with _store_trouble():
            return obstore.sign(self.store, "GET", _key(name), timedelta(seconds=lifetime_s))

    def join(self, upload_id: str, parts: Sequence[StoredPart]) -> StoredBlob:
        writer = self.writer(sum(part.size_bytes for part in parts))
        return join_parts(writer, parts, lambda name: self.read(_part_key(upload_id, name)))

    def remove_part(self, upload_id: str, name: str) -> None:
        self.delete([_part_key(upload_id, name)])

    def remove_parts(self, upload_id: str) -> None:
        with _store_trouble():
            self.delete([found["path"] for found in self._under(f"parts/{upload_id}")])

    def sweep_unfinished(self, older_than: datetime) -> int:
        with _store_trouble():
            left = [found["path"] for found in self._under("incoming") if found["last_modified"] <= older_than]
        self.delete(left)
        return len(left)

    def unfinished_uploads(self) -> Iterator[tuple[str, datetime]]:
        latest: dict[str, datetime] = {}
        with _store_trouble():
            for found in self._under("parts"):
                upload_id = found["path"].split("/")[1]
                latest[upload_id] = max(found["last_modified"], latest.get(upload_id, found["last_modified"]))
        yield from latest.items()

    def read(self, key: str, span: Span | None = None) -> Generator[bytes, None, None]:
        """The bytes of any object, in pieces."""
        if span and span[0] >= span[1]:
            return
        with _store_trouble():
            try:
                result = obstore.get(self.store, key, options={"range": span} if span else {})
            except FileNotFoundError as error:
                raise MissingBlobError from error
            for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def delete(self, keys: Sequence[str]) -> None:
        with _store_trouble():
            if keys:
                obstore.delete(self.store, keys)

    def _under(self, prefix: str) -> "Iterator[ObjectMeta]":
        for page in obstore.list(self.store, prefix=prefix, chunk_size=1000):
            yield from page


class IncomingObject:
    """Bytes that stay in memory while they are few, and go to `key` in pieces once they are many."""

    def __init__(self, objects: ObjectBlobs, key: str, declared_bytes: int = 0) -> None:
        self._objects = objects
        self.key = key
        self._digester = Digester()
        self._pending = bytearray()
        self._piece_bytes = max(LEAST_PIECE_BYTES, -(-declared_bytes // MOST_PIECES))
        self._upload: WritableFile | None = None

    @property
    def is_staged(self) -> bool:
        return self._upload is not None

    def write(self, data: bytes) -> None:
        self._digester.update(data)
        with _store_trouble():
            if self._upload is not None:
                self._upload.write(data)
                return
            self._pending += data
            if len(self._pending) > LEAST_PIECE_BYTES:
                self._upload = obstore.open_writer(
                    self._objects.store,
                    self.key,
                    attributes=HARMLESS,
                    buffer_size=self._piece_bytes,
                    max_concurrency=AT_ONCE,
                )
                self._upload.write(bytes(self._pending))
                self._pending.clear()

    def finish(self) -> Digests:
        """End the staged object, if there is one; what is pending stays the caller's."""
        with _store_trouble():
            if self._upload is not None:
                self._upload.close()
        return self._digester.result()

    def put_pending(self, key: str) -> None:
        """Put what stayed in memory under `key`."""
        with _store_trouble():
            obstore.put(self._objects.store, key, bytes(self._pending), attributes=HARMLESS, use_multipart=False)

    def discard(self) -> None:
        """Pieces of an upload that is never ended are the bucket's to expire: its lifecycle rule."""
        self._upload = None
        self._pending.clear()


class ObjectBlobWriter:
    """A blob on its way into the bucket."""

    def __init__(self, objects: ObjectBlobs, declared_bytes: int, name: str | None) -> None:
        self._objects = objects
        self._name = name
        self._incoming = IncomingObject(objects, f"incoming/{secrets.token_hex(16)}", declared_bytes)
        self.write = self._incoming.write
        self.discard = self._incoming.discard

    def finish(self) -> StoredBlob:
        digests = self._incoming.finish()
        name = self._name or new_name(digests.sha256)
        if self._incoming.is_staged:
            self._adopt(_key(name), digests.size_bytes)
            self._objects.delete([self._incoming.key])
        else:
            self._incoming.put_pending(_key(name))
        return StoredBlob(name, digests)

    def _adopt(self, key: str, size_bytes: int) -> None:
        """Copy the staged object to its name."""
        if size_bytes <= MOST_COPY_BYTES:
            with _store_trouble():
                obstore.copy(self._objects.store, self._incoming.key, key)
        else:
            # S3 copies no more than 5 GiB at once.
            again = IncomingObject(self._objects, key, size_bytes)
            for chunk in self._objects.read(self._incoming.key):
                again.write(chunk)
            again.finish()


class ObjectPartWriter:
    """A part on its way into the bucket."""

    def __init__(self, objects: ObjectBlobs, upload_id: str, number: int) -> None:
        self._number = number
        self._name = new_part_name(number)
        self._incoming = IncomingObject(objects, _part_key(upload_id, self._name))
        self.write = self._incoming.write
        self.discard = self._incoming.discard

    def finish(self) -> StoredPart:
        part = self._incoming.finish()
        if not self._incoming.is_staged:
            self._incoming.put_pending(self._incoming.key)
        return StoredPart(self._number, self._name, part.sha256, part.size_bytes)


def _part_key(upload_id: str, name: str) -> str:
    return f"parts/{upload_id}/{name}"


def _key(name: str) -> str:
    return f"sha256/{name[:2]}/{name[2:4]}/{name}"

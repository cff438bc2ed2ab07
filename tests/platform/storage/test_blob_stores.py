"""What both kinds of store promise."""

import hashlib
from dataclasses import replace
from urllib.request import Request, urlopen

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.platform.errors import Conflict
from modelyard.platform.storage.blobs import BlobStore, MissingBlobError, digest_in, new_name
from tests.blob_stores import stored

LARGE = bytes(range(256)) * 4096 * 13  # 13 MiB: several pieces of a multipart upload


@pytest.mark.parametrize("data", [b"", b"x", b"hello" * 1000, LARGE], ids=["empty", "one", "small", "large"])
def test_what_was_written_is_read_back_with_its_digests(store: BlobStore, data: bytes) -> None:
    writer = store.writer(len(data))
    for start in range(0, len(data), 700_001):
        writer.write(data[start : start + 700_001])
    blob = writer.finish()
    assert blob.digests.size_bytes == len(data)
    assert blob.digests.sha256 == digest_in(blob.name) == hashlib.sha256(data).hexdigest()
    assert blob.digests.sha1 == hashlib.sha1(data).hexdigest()  # noqa: S324  # what packages carry
    assert blob.digests.md5 == hashlib.md5(data).hexdigest()  # noqa: S324  # as above
    assert b"".join(store.chunks(blob.name)) == data
    assert store.size_of(blob.name) == len(data)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2_500_000), st.integers(0, 2_500_000))
def test_any_span_is_read(store: BlobStore, start: int, stop: int) -> None:
    data = LARGE[:2_500_000]
    name = next((found.name for found in store.listed()), None) or stored(store, data)
    assert b"".join(store.chunks(name, (start, stop))) == data[start:stop]


def test_nothing_is_there_before_the_end(store: BlobStore) -> None:
    for data in (b"small", LARGE):
        writer = store.writer()
        writer.write(data)
        assert list(store.listed()) == []
        writer.discard()
    assert list(store.listed()) == []


def test_no_upload_touches_what_another_one_brought(store: BlobStore) -> None:
    for data in (b"small", LARGE):
        first, second = stored(store, data), stored(store, data)
        assert first != second
        store.remove([first])
        assert store.size_of(first) is None
        assert b"".join(store.chunks(second)) == data
    assert sorted(found.size_bytes for found in store.listed()) == [5, len(LARGE)]


def test_blobs_are_listed_in_the_order_of_their_names(store: BlobStore) -> None:
    names = [stored(store, data) for data in (b"one", b"two", b"three", b"one", b"one")]
    assert [found.name for found in store.listed()] == sorted(names)


def test_a_blob_is_brought_back_under_its_name(store: BlobStore) -> None:
    for data in (b"small", LARGE):
        name = new_name(hashlib.sha256(data).hexdigest())
        for _ in ("restored", "and once more"):
            writer = store.writer(len(data), name=name)
            writer.write(data)
            assert writer.finish().name == name
        assert b"".join(store.chunks(name)) == data
    assert len(list(store.listed())) == 2


def test_a_blob_that_is_not_there_is_told_apart(store: BlobStore) -> None:
    assert store.size_of("0" * 64) is None
    with pytest.raises(MissingBlobError):
        b"".join(store.chunks("0" * 64))


def test_blobs_are_removed_and_removing_them_twice_is_the_same(store: BlobStore) -> None:
    names = [stored(store, bytes([number])) for number in range(3)]
    for _ in range(2):
        store.remove(names[:2])
        assert [found.name for found in store.listed()] == names[2:]
    store.remove([])


def test_parts_become_one_blob_in_their_order(store: BlobStore) -> None:
    pieces = {1: LARGE[:6_000_000], 2: b"", 3: b"end"}
    parts = []
    for number in (3, 1, 2):
        writer = store.part_writer("upload", number)
        writer.write(pieces[number])
        parts.append(writer.finish())
    parts.sort(key=lambda part: part.number)
    assert [part.size_bytes for part in parts] == [6_000_000, 0, 3]
    blob = store.join("upload", parts)
    assert b"".join(store.chunks(blob.name)) == LARGE[:6_000_000] + b"end"
    assert [found for found, _ in store.unfinished_uploads()] == ["upload"]
    store.remove_parts("upload")
    store.remove_parts("upload")
    assert list(store.unfinished_uploads()) == []


def test_a_part_that_is_sent_again_leaves_the_earlier_one_alone(store: BlobStore) -> None:
    parts = []
    for data in (b"first", b"second", b"second"):
        writer = store.part_writer("upload", 1)
        writer.write(data)
        parts.append(writer.finish())
    assert len({part.name for part in parts}) == 3
    for _ in range(2):
        store.remove_part("upload", parts[1].name)
    with pytest.raises(Conflict, match="missing"):
        store.join("upload", [parts[1]])
    for part, data in ((parts[0], b"first"), (parts[2], b"second")):
        assert b"".join(store.chunks(store.join("upload", [part]).name)) == data
    with pytest.raises(Conflict, match="other bytes"):
        store.join("upload", [replace(parts[0], sha256=parts[2].sha256)])


def test_a_missing_part_is_named(store: BlobStore) -> None:
    writer = store.part_writer("upload", 1)
    writer.write(b"x")
    part = writer.finish()
    store.remove_parts("upload")
    with pytest.raises(Conflict, match="missing"):
        store.join("upload", [part])
    assert list(store.listed()) == []


def test_the_store_says_that_it_is_well(store: BlobStore) -> None:
    store.check()
    store.check_room(1)


def test_a_signed_address_gives_the_bytes_where_there_is_one(store: BlobStore) -> None:
    address = store.signed_url(stored(store, b"0123456789"), lifetime_s=60)
    if address is None:
        assert type(store).__name__ == "LocalBlobs"
        return
    with urlopen(Request(address, headers={"Range": "bytes=2-4"})) as answer:
        assert answer.read() == b"234"
        assert answer.headers["Content-Disposition"] == "attachment"

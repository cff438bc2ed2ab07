"""What only a bucket does."""

import hashlib
import os
from datetime import timedelta

import boto3
import pytest

from modelyard.platform.clock import now
from modelyard.platform.errors import Busy
from modelyard.platform.storage import objects
from modelyard.platform.storage.objects import ObjectBlobs, open_objects
from tests.blob_stores import stored
from tests.conftest import free_port

LARGE = bytes(range(256)) * 4096 * 11


@pytest.fixture
def blobs(bucket: str) -> ObjectBlobs:
    return open_objects(f"s3://{bucket}/a/prefix")


def keys(bucket: str) -> list[str]:
    """Every object of the bucket, as another client sees them."""
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
    return [found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_blob_lies_under_its_digest_and_nothing_else_is_left(blobs: ObjectBlobs, bucket: str) -> None:
    names = sorted(stored(blobs, data) for data in (b"small", LARGE))
    assert keys(bucket) == [f"a/prefix/sha256/{it[:2]}/{it[2:4]}/{it}" for it in names]


def test_what_s3_cannot_copy_at_once_is_written_again(
    blobs: ObjectBlobs, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "MOST_COPY_BYTES", 6 * 1024**2)
    assert b"".join(blobs.chunks(stored(blobs, LARGE))) == LARGE
    assert len(keys(bucket)) == 1


def test_what_an_interrupted_upload_staged_is_swept(blobs: ObjectBlobs, bucket: str) -> None:
    """The server was killed between staging a blob and naming it."""
    writer = blobs.writer()
    writer.write(LARGE)
    writer._incoming.finish()
    assert [key.rpartition("/")[0] for key in keys(bucket)] == ["a/prefix/incoming"]
    assert list(blobs.listed()) == []
    assert blobs.sweep_unfinished(now() - timedelta(minutes=1)) == 0
    assert blobs.sweep_unfinished(now() + timedelta(minutes=1)) == 1
    assert keys(bucket) == []


def test_pieces_grow_with_the_file_so_that_it_has_few_enough(blobs: ObjectBlobs) -> None:
    assert blobs.writer()._incoming._piece_bytes == 5 * 1024**2
    largest = blobs.writer(500 * 1024**3)._incoming._piece_bytes
    assert 500 * 1024**3 / largest < 10_000


def test_a_browser_that_fetches_from_the_bucket_shows_nothing(blobs: ObjectBlobs, bucket: str) -> None:
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
    for data in (b"<script>alert(1)</script>", LARGE):
        stored(blobs, data)
    for key in keys(bucket):
        head = client.head_object(Bucket=bucket, Key=key)
        assert (head["ContentType"], head["ContentDisposition"]) == ("application/octet-stream", "attachment")


def refused(blobs: ObjectBlobs) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    for attempt in (
        blobs.check,
        lambda: stored(blobs, b"x"),
        lambda: stored(blobs, LARGE),
        lambda: b"".join(blobs.chunks(digest)),
        lambda: list(blobs.listed()),
    ):
        with pytest.raises(Busy, match="object store"):
            attempt()


def test_a_store_that_is_away_is_said(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(objects, "RETRIES", {"max_retries": 0, "retry_timeout": timedelta(seconds=1)})
    refused(open_objects(f"s3://{bucket}"))


def test_a_bucket_that_is_not_there_is_said(bucket: str) -> None:
    blobs = open_objects(f"s3://not-{bucket}")
    for attempt in (lambda: stored(blobs, b"x"), lambda: stored(blobs, LARGE), lambda: list(blobs.listed())):
        with pytest.raises(Busy, match="object store"):
            attempt()

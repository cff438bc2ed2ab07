"""What the guide says that a bucket needs, at an S3 that checks it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from modelyard.platform.errors import Busy
from modelyard.platform.storage.objects import open_objects
from tests.blob_stores import stored
from tests.gateway import OTHER, OWNER, Gateway

pytestmark = pytest.mark.full
GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "use-postgresql-and-an-object-store.md"
LARGE = bytes(range(256)) * 4096 * 11


def said(key: str, bucket: str) -> dict[str, Any]:
    """The guide's JSON that has `key`, for this bucket instead of its own."""
    for block in re.findall(r"```json\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        if key in (found := json.loads(block.replace("arn:aws:s3:::models", f"arn:aws:s3:::{bucket}"))):
            return dict(found)
    raise AssertionError(key)


def test_the_policy_of_the_guide_is_enough_and_needed(
    gateway: Gateway, gateway_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = gateway.client(OWNER)
    for name, value in gateway.credentials(OTHER).items():
        monkeypatch.setenv(name, value)
    blobs = open_objects(f"s3://{gateway_bucket}/modelyard")
    with pytest.raises(Busy):
        stored(blobs, b"x")
    policy = said("Statement", gateway_bucket)
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": [f"arn:aws:iam:::user/{OTHER}"]}
    owner.put_bucket_policy(Bucket=gateway_bucket, Policy=json.dumps(policy))
    blobs.check()
    names = [stored(blobs, data) for data in (b"small", LARGE)]
    assert [found.name for found in blobs.listed()] == sorted(names)
    assert b"".join(blobs.chunks(names[1])) == LARGE
    part = blobs.part_writer("upload", 1)
    part.write(b"part")
    joined = blobs.join("upload", [part.finish()]).name
    blobs.remove_parts("upload")
    blobs.remove([*names, joined])
    assert list(blobs.listed()) == []
    assert blobs.size_of(joined) is None
    with pytest.raises(Busy):
        stored(open_objects(f"s3://{gateway_bucket}/elsewhere"), b"x")


def test_the_rule_of_the_guide_is_understood(gateway: Gateway, gateway_bucket: str) -> None:
    owner, rule = gateway.client(OWNER), said("Rules", gateway_bucket)
    owner.put_bucket_lifecycle_configuration(Bucket=gateway_bucket, LifecycleConfiguration=rule)
    kept = owner.get_bucket_lifecycle_configuration(Bucket=gateway_bucket)["Rules"][0]
    assert kept["AbortIncompleteMultipartUpload"] == rule["Rules"][0]["AbortIncompleteMultipartUpload"]

from pathlib import Path

import pytest

from modelyard.platform.errors import Invalid
from modelyard.platform.settings import Settings
from modelyard.platform.storage.local import LocalBlobs
from modelyard.platform.storage.opening import open_blob_store


def test_the_settings_choose_the_store(tmp_path: Path, bucket: str) -> None:
    directory = open_blob_store(Settings(data=tmp_path, durability="normal"))
    assert isinstance(directory, LocalBlobs)
    assert directory.root == tmp_path / "blobs"
    assert not directory.is_durable
    assert type(open_blob_store(Settings(data=tmp_path, objects_url=f"s3://{bucket}"))).__name__ == "ObjectBlobs"


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix-only", "gs://bucket", "file:///tmp", "bucket"])
def test_an_address_that_is_no_bucket_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(Invalid, match="s3://BUCKET/PREFIX"):
        open_blob_store(Settings(data=tmp_path, objects_url=url))

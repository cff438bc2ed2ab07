import dataclasses

import pytest

from modelyard.platform.settings import Settings
from tests.blob_stores import bucket, bucket_server

__all__ = ["bucket", "bucket_server"]


@pytest.fixture(params=["sqlite-directory", "postgresql-bucket"])
def place(request: pytest.FixtureRequest) -> str:
    """The two ways in which a server is run: everything in one directory, or nothing."""
    return str(request.param)


@pytest.fixture
def engine(place: str) -> str:
    return place.split("-", maxsplit=1)[0]


@pytest.fixture
def settings(settings: Settings, place: str, request: pytest.FixtureRequest) -> Settings:
    if place.endswith("directory"):
        return settings
    return dataclasses.replace(settings, objects_url=f"s3://{request.getfixturevalue('bucket')}/blobs")

"""Every kind of blob store, empty, for tests: import the fixtures from here in a conftest."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from modelyard.platform.ids import hex_id
from modelyard.platform.settings import Settings
from modelyard.platform.storage.blobs import BlobStore
from modelyard.platform.storage.opening import open_blob_store
from tests.conftest import free_port
from tests.gateway import OWNER, Gateway

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[str]:
    """The address of an S3 that keeps everything in memory."""
    port = free_port()
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert time.monotonic() < deadline, "moto did not start"
            assert server.poll() is None, "moto stopped"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def bucket(bucket_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, and the environment in which a server finds it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket_server)
    name = f"bucket-{hex_id()}"
    boto3.client("s3", endpoint_url=bucket_server, region_name="us-east-1").create_bucket(Bucket=name)
    return name


@pytest.fixture
def gateway_bucket(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket in a real S3, and the environment in which a server finds it."""
    for name, value in gateway.credentials(OWNER).items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{hex_id()}"
    gateway.client(OWNER).create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["directory", "bucket", pytest.param("gateway_bucket", marks=pytest.mark.full)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """An empty store of each kind."""
    if request.param != "directory":
        objects_url = f"s3://{request.getfixturevalue(request.param)}/some/prefix"
        return open_blob_store(Settings(data=tmp_path, objects_url=objects_url))
    return open_blob_store(Settings(data=tmp_path, disk_reserve_bytes=0))


def stored(store: BlobStore, data: bytes) -> str:
    """The name of `data`, which is in the store now."""
    writer = store.writer(len(data))
    writer.write(data)
    return writer.finish().name

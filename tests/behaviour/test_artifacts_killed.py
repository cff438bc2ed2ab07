"""A server that is killed in the middle of an upload: no row, no blob, and one file that the sweep removes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from modelyard.domains.packages.tables import Blob, Package, PackageFile
from modelyard.platform.clock import now
from modelyard.platform.database import open_database
from modelyard.platform.settings import Settings
from modelyard.platform.storage.local import LocalBlobs
from modelyard.platform.storage.opening import open_blob_store
from tests.conftest import free_port

MEBIBYTE = 1024 * 1024
ROOT = Path(__file__).parents[2]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "modelyard", *(str(word) for word in words)]


def environment(data: Path, port: int) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "MODELYARD_DATA": str(data), "MODELYARD_PORT": str(port)}


@contextmanager
def server(data: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, killed at the end if it still lives."""
    running = subprocess.Popen(command("serve"), env=environment(data, port), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                assert time.monotonic() < deadline, "The server did not start."
                time.sleep(0.05)
            else:
                break
        yield running
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("sent_bytes", [0, 1000, 5 * MEBIBYTE])
def test_a_killed_upload_leaves_no_row_and_one_file_to_sweep(tmp_path: Path, sent_bytes: int) -> None:
    data, port = tmp_path / "data", free_port()
    made = subprocess.run(
        command("bootstrap", "--project", "acme/churn", "--json"),
        env=environment(data, port),
        capture_output=True,
        check=True,
    )
    answer = json.loads(made.stdout)
    headers = {"Authorization": f"Bearer {answer['token']}"}
    base = f"{answer['tracking_uri']}/api/2.0"
    with server(data, port) as running:
        run = httpx.post(f"{base}/mlflow/runs/create", json={"experiment_id": "0", "start_time": 1}, headers=headers)
        at = f"{base}/mlflow-artifacts/artifacts/0/{run.json()['run']['info']['run_id']}/artifacts"
        assert httpx.put(f"{at}/before", content=b"before", headers=headers).status_code == 200
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(
                f"PUT {urlsplit(at).path}/killed HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Authorization: Bearer {answer['token']}\r\nContent-Length: {10 * MEBIBYTE}\r\n\r\n".encode()
            )
            connection.sendall(bytes(sent_bytes))
            time.sleep(0.7)
            running.send_signal(signal.SIGKILL)
            running.wait()
    settings = Settings(data=data)
    database, store = open_database(settings), open_blob_store(settings)
    assert isinstance(store, LocalBlobs)
    with database.read() as session:
        assert session.scalars(select(PackageFile.path)).all() == ["before"]
        assert len(session.scalars(select(Package)).all()) == len(session.scalars(select(Blob)).all()) == 1
    database.close()
    assert [found.size_bytes for found in store.listed()] == [6]
    left = list((data / "blobs" / "incoming").iterdir())
    assert len(left) == (1 if sent_bytes >= MEBIBYTE else 0)
    assert store.sweep_unfinished(now() + timedelta(seconds=1)) == len(left)
    assert list((data / "blobs" / "incoming").iterdir()) == []
    with server(data, port):
        assert httpx.get(f"{at}/before", headers=headers).content == b"before"
        assert httpx.get(f"{at}/killed", headers=headers).status_code == 404
        assert httpx.put(f"{at}/killed", content=b"again", headers=headers).status_code == 200
        assert httpx.get(f"{at}/killed", headers=headers).content == b"again"

"""What is refused before it arrives, and what is left when it stops arriving."""

import dataclasses
import socket
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from modelyard.domains.packages.tables import Blob, Package
from modelyard.platform.errors import Busy
from modelyard.platform.settings import MEBIBYTE, Settings
from tests.behaviour.artifact_client import Artifacts, create_run
from tests.conftest import LiveServer, World

MOST = 3 * MEBIBYTE


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return dataclasses.replace(settings, max_upload_bytes=MOST)


@pytest.fixture
def artifacts(live: LiveServer, world: World) -> Artifacts:
    return Artifacts(live, world, create_run(live, world), world.developer)


def assert_nothing_is_left(artifacts: Artifacts) -> None:
    with artifacts.live.installation.database.read() as session:
        assert session.scalars(select(Package)).all() == []
        assert session.scalars(select(Blob)).all() == []
    assert list(artifacts.live.installation.store.listed()) == []
    incoming = Path(artifacts.live.installation.settings.data) / "blobs" / "incoming"
    assert not incoming.exists() or list(incoming.iterdir()) == []


def test_a_file_of_the_most_bytes_is_taken(artifacts: Artifacts) -> None:
    assert artifacts.put("x", bytes(MOST)).status_code == 200


def test_a_file_that_says_it_is_too_large_is_refused_at_once(artifacts: Artifacts) -> None:
    path = artifacts.at("x").removeprefix(artifacts.live.url)
    host, port = artifacts.live.url.removeprefix("http://").split(":")
    assert artifacts.somebody is not None
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {artifacts.somebody.token}\r\n"
            f"Content-Length: {50 * 1024**3}\r\n\r\n".encode()
        )
        connection.settimeout(5)
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert f"at most {MOST} bytes".encode() in answer
    assert_nothing_is_left(artifacts)


def test_a_file_that_turns_out_too_large_is_refused(artifacts: Artifacts) -> None:
    answer = artifacts.ask("PUT", artifacts.at("x"), content=iter([bytes(MEBIBYTE)] * 4))
    assert (answer.status_code, answer.json()["error_code"]) == (413, "INVALID_PARAMETER_VALUE")
    assert_nothing_is_left(artifacts)


def test_parts_that_are_too_large_together_are_refused(artifacts: Artifacts) -> None:
    address = f"{artifacts.base}/mlflow-artifacts/mpu/create/0/{artifacts.run_id}/artifacts"
    credentials = artifacts.ask("POST", address, json={"path": "x", "num_parts": 2}).json()["credentials"]
    sizes = (2 * MEBIBYTE, MEBIBYTE + 1)
    statuses = [
        artifacts.of(None).ask("PUT", one["url"], content=bytes(size), headers=one["headers"]).status_code
        for one, size in zip(credentials, sizes, strict=True)
    ]
    assert statuses == [200, 413]


def test_a_client_that_goes_away_leaves_nothing(artifacts: Artifacts) -> None:
    path = artifacts.at("x").removeprefix(artifacts.live.url)
    host, port = artifacts.live.url.removeprefix("http://").split(":")
    assert artifacts.somebody is not None
    for sent_bytes in (0, 1000, 2 * MEBIBYTE):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {artifacts.somebody.token}\r\n"
                f"Content-Length: {MOST}\r\n\r\n".encode()
                + bytes(sent_bytes)
            )
            time.sleep(0.2)
    time.sleep(0.5)
    assert_nothing_is_left(artifacts)


def test_a_full_disk_can_be_read_and_emptied(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise Busy("full")

    artifacts.put("x", b"x")
    monkeypatch.setattr(artifacts.live.installation.database, "check_room", full)
    assert artifacts.put("y", b"y").status_code == 429
    assert artifacts.get("x").content == b"x"
    assert artifacts.ask("DELETE", artifacts.at("x")).status_code == 200
    assert artifacts.listed() == []


def test_a_full_disk_is_said_before_a_byte_is_sent(
    artifacts: Artifacts, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.endswith("bucket"):
        assert artifacts.put("x", b"x").status_code == 200, "an object store has room"
        return
    monkeypatch.setattr(artifacts.live.installation.store, "_reserve_bytes", 2**60)
    answer = artifacts.put("x", b"x")
    assert (answer.status_code, answer.json()["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert "full" in answer.json()["message"]
    assert answer.headers["retry-after"] == "10"
    assert_nothing_is_left(artifacts)

"""A client that asks again for the completion of an upload, while it is going on or after its server was killed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from modelyard.domains.packages.tables import PackageFile, Upload
from modelyard.domains.tracking.artifacts import begin_joining_artifact
from modelyard.entrypoints.mlflow import artifact_uploads
from modelyard.platform.clock import now
from modelyard.platform.errors import Busy
from modelyard.platform.settings import Settings
from modelyard.platform.storage.blobs import StoredBlob, StoredPart
from tests.behaviour.artifact_client import Artifacts, create_run
from tests.conftest import LiveServer, World
from tests.processes import ServerProcess

PIECES = [b"first and ", b"second"]
KILLED_BEFORE_THE_ROW = """
import os, signal
from modelyard.entrypoints.cli.main import main
from modelyard.domains.tracking.artifacts import begin_joining_artifact
from modelyard.entrypoints.mlflow import artifact_uploads

artifact_uploads.complete_artifact_upload = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
main()
"""


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_uploads, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(artifact_uploads, "RENEW_EVERY_S", 0.05)


@pytest.fixture
def artifacts(live: LiveServer, world: World) -> Artifacts:
    return Artifacts(live, world, create_run(live, world), world.developer)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def sent(base: str, run_id: str, headers: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """An upload all of whose parts have arrived: the address and the body of its completion."""
    address = f"{base}/mlflow-artifacts/mpu/%s/0/{run_id}/artifacts"
    made = httpx.post(address % "create", json={"path": "big", "num_parts": len(PIECES)}, headers=headers).json()
    parts = []
    for credential, data in zip(made["credentials"], PIECES, strict=True):
        answer = httpx.put(credential["url"], content=data, headers=credential["headers"])
        assert answer.status_code == 200, answer.text
        parts.append({"part_number": credential["part_number"], "etag": answer.headers["ETag"]})
    return address % "complete", {"path": "big", "upload_id": made["upload_id"], "parts": parts}


@pytest.fixture
def completion(artifacts: Artifacts) -> Callable[[], httpx.Response]:
    """Asks for the completion of an upload, any number of times."""
    address, body = sent(artifacts.base, artifacts.run_id, artifacts.world.developer.headers)
    return lambda: artifacts.ask("POST", address, json=body)


class Gate:
    """Joins the parts when it is opened, and counts."""

    def __init__(self, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
        self._store = artifacts.live.installation.store
        self._join = self._store.join
        self.begun, self.opened, self.joined = threading.Event(), threading.Event(), 0
        monkeypatch.setattr(self._store, "join", self.join)

    def join(self, upload_id: str, parts: Sequence[StoredPart]) -> StoredBlob:
        self.begun.set()
        assert self.opened.wait(20)
        self.joined += 1
        return self._join(upload_id, parts)


def count_looks(monkeypatch: pytest.MonkeyPatch, wanted: int) -> threading.Event:
    """Set once somebody has asked `wanted` times whose turn it is."""
    look: Callable[..., object] = begin_joining_artifact
    looks, seen = [0], threading.Event()

    def counting(*words: object, **named: object) -> object:
        looks[0] += 1
        if looks[0] >= wanted:
            seen.set()
        return look(*words, **named)

    monkeypatch.setattr(artifact_uploads, "begin_joining_artifact", counting)
    return seen


def test_whoever_asks_while_the_parts_are_joined_gets_the_same_answer(
    artifacts: Artifacts,
    completion: Callable[[], httpx.Response],
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(artifacts, monkeypatch)
    first: Future[httpx.Response] = threads.submit(completion)
    assert gate.begun.wait(20)
    have_looked = count_looks(monkeypatch, 12)
    others = [threads.submit(completion) for _ in range(2)]
    assert have_looked.wait(20)
    assert not any(other.done() for other in others)
    gate.opened.set()
    for asked in (first, *others):
        answer = asked.result(20)
        assert (answer.status_code, answer.json()) == (200, {})
    assert completion().json() == {}
    assert gate.joined == 1
    assert artifacts.get("big").content == b"".join(PIECES)
    store = artifacts.live.installation.store
    assert list(store.unfinished_uploads()) == []
    assert len(list(store.listed())) == 1


def test_parts_that_could_not_be_joined_are_joined_at_the_next_try(
    artifacts: Artifacts, completion: Callable[[], httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> StoredBlob:
        raise Busy("full")

    with monkeypatch.context() as disk:
        disk.setattr(artifacts.live.installation.store, "join", full)
        assert completion().status_code == 429
    assert completion().json() == {}
    assert artifacts.get("big").content == b"".join(PIECES)


def test_a_completion_is_known_for_a_day_and_does_not_bring_a_file_back(
    artifacts: Artifacts, completion: Callable[[], httpx.Response]
) -> None:
    database = artifacts.live.installation.database
    for _ in ("begun", "completed"):
        with database.write() as session:
            session.execute(update(Upload).values(changed_at=now() - timedelta(hours=23)))
        assert completion().json() == {}
        artifacts.ask("DELETE", artifacts.at("big"))
    with database.read() as session:
        assert session.scalars(select(PackageFile)).all() == []


def test_a_turn_that_nobody_uses_any_more_ends(artifacts: Artifacts, completion: Callable[[], httpx.Response]) -> None:
    with artifacts.live.installation.database.write() as session:
        session.execute(update(Upload).values(joining_until=now() + timedelta(milliseconds=200)))
    assert completion().json() == {}
    assert artifacts.get("big").content == b"".join(PIECES)


def test_a_server_killed_between_the_bytes_and_the_row_completes_at_the_next_try(
    settings: Settings, tmp_path: Path
) -> None:
    given = {"data": settings.data, "database_url": settings.database_url, "objects_url": settings.objects_url}
    server = ServerProcess(given, tmp_path / "log", program=("-c", KILLED_BEFORE_THE_ROW, "serve"))
    try:
        known = server.bootstrap()
        headers = {"Authorization": f"Bearer {known['token']}"}
        server.start()
        base = f"{known['tracking_uri']}/api/2.0"
        run = httpx.post(f"{base}/mlflow/runs/create", json={"experiment_id": "0", "start_time": 1}, headers=headers)
        run_id = run.json()["run"]["info"]["run_id"]
        address, body = sent(base, run_id, headers)
        with pytest.raises(httpx.TransportError):
            httpx.post(address, json=body, headers=headers, timeout=30)
        server.running.wait(10)
        server.program = ("-m", "modelyard", "serve")
        server.start()
        answer = httpx.post(address, json=body, headers=headers, timeout=60)
        assert (answer.status_code, answer.json()) == (200, {})
        got = httpx.get(f"{base}/mlflow-artifacts/artifacts/0/{run_id}/artifacts/big", headers=headers)
        assert got.content == b"".join(PIECES)
    finally:
        server.clean_up()

"""What the files of a project may have in bytes, through every way in, on both engines."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import obstore
import pytest
from sqlalchemy import func, select

from modelyard.domains.packages.contents import find_package, remove_package
from modelyard.domains.packages.quotas import storage_of
from modelyard.domains.packages.tables import Blob, PackageFile
from modelyard.domains.tracking.artifacts import candidate_package
from modelyard.platform.storage.local import LocalBlobs
from modelyard.platform.storage.objects import ObjectBlobs
from tests.behaviour.artifact_client import Artifacts, create_run
from tests.conftest import LiveServer, Somebody, World
from tests.entrypoints.web.browser import Browser

PART = 100


@pytest.fixture
def artifacts(live: LiveServer, world: World) -> Artifacts:
    return Artifacts(live, world, create_run(live, world), world.developer)


def storage(live: LiveServer, world: World, limit: int | None = None, *, by: Somebody | None = None) -> dict[str, Any]:
    """What REST says of the project's files, after an administrator has set their limit, if one is given."""
    address = f"{live.url}/api/v4/projects/{world.project_id}/storage"
    with httpx.Client(trust_env=False) as client:
        if limit is not None:
            headers = (by or world.administrator).headers
            answer = client.put(address, json={"limit_bytes": limit}, headers=headers)
        else:
            answer = client.get(address, headers=world.developer.headers)
    found: dict[str, Any] = answer.json()
    return found if answer.status_code == 200 else {"status": answer.status_code}


def put_package(live: LiveServer, world: World, name: str, content: bytes | Iterator[bytes]) -> httpx.Response:
    address = f"{live.url}/api/v4/projects/{world.project_id}/packages/generic/tool/1.0/{name}"
    return httpx.put(address, content=content, headers=world.developer.headers, trust_env=False, timeout=30)


def counted(live: LiveServer, world: World) -> int:
    """What the files have, added up; and that the database has counted right."""
    with live.installation.database.read() as session:
        added_up = session.scalar(
            select(func.sum(Blob.size_bytes))
            .select_from(PackageFile)
            .join(Blob, Blob.sha256 == PackageFile.sha256)
            .where(PackageFile.project_id == world.project_id)
        )
        assert storage_of(session, world.project_id).size_bytes == int(added_up or 0)
    return int(added_up or 0)


def test_the_database_counts_whatever_happens_to_files(artifacts: Artifacts) -> None:
    live, world = artifacts.live, artifacts.world
    assert counted(live, world) == 0
    artifacts.put("a", b"x" * 10)
    artifacts.put("b/c", b"x" * 10)
    assert counted(live, world) == 20
    artifacts.put("a", b"y" * 3)
    artifacts.put("a", b"y" * 3)
    assert counted(live, world) == 13
    artifacts.put("b/d", b"z" * 5)
    assert artifacts.ask("DELETE", artifacts.at("b")).status_code == 200
    assert counted(live, world) == 3
    assert put_package(live, world, "w", b"w" * 7).status_code == 201
    with live.installation.database.write() as session:
        package = find_package(session, world.project_id, candidate_package(1))
        assert package is not None
        remove_package(session, package, actor_id=None)
    assert counted(live, world) == 7
    assert storage(live, world)["size_bytes"] == 7


def test_a_full_project_takes_nothing_more_by_any_way_in(artifacts: Artifacts) -> None:
    live, world = artifacts.live, artifacts.world
    assert storage(live, world, 100, by=world.owner) == {"status": 403}
    told = storage(live, world, 100)
    assert (told["limit_bytes"], told["own_limit_bytes"]) == (100, 100)
    assert artifacts.put("a", b"x" * 60).status_code == 200
    too_much = b"y" * 41
    refused = artifacts.put("b", too_much)
    assert (refused.status_code, refused.json()["error_code"]) == (413, "INVALID_PARAMETER_VALUE")
    assert "ask an administrator" in refused.json()["message"]
    refused = put_package(live, world, "b", too_much)
    assert refused.status_code == 413
    assert "ask an administrator" in refused.json()["message"]
    # Without a length it is noticed on the way.
    assert put_package(live, world, "b", iter([b"y" * 20, b"y" * 21])).status_code == 413
    browser = Browser(live.url, live.installation, world.developer)
    headers = {"X-CSRF-Token": browser.token("/-/styleguide")}
    page = f"/{world.project_path}/-/ml/candidates/1/files/b"
    assert browser.client.put(page, content=too_much, headers=headers).status_code == 413
    assert browser.client.put(page, content=b"y" * 40, headers=headers).status_code == 201
    browser.close()
    # The same again, and less in its place, are no more.
    assert artifacts.put("a", b"x" * 60).status_code == 200
    assert artifacts.put("a", b"x" * 61).status_code == 413
    assert artifacts.put("a", b"x" * 50).status_code == 200
    assert counted(live, world) == 90


def test_a_limit_below_what_is_there_lets_things_only_shrink(artifacts: Artifacts) -> None:
    live, world = artifacts.live, artifacts.world
    assert artifacts.put("a", b"x" * 60).status_code == 200
    assert storage(live, world, 10)["size_bytes"] == 60
    assert artifacts.put("b", b"").status_code == 413
    assert artifacts.put("a", b"x" * 59).status_code == 200
    assert artifacts.get("a").content == b"x" * 59
    assert artifacts.ask("DELETE", artifacts.at("a")).status_code == 200
    assert artifacts.put("b", b"x" * 10).status_code == 200
    assert storage(live, world, 0)["limit_bytes"] is None
    assert artifacts.put("c", b"x" * 1000).status_code == 200


def test_parallel_uploads_do_not_overshoot(artifacts: Artifacts) -> None:
    live, world = artifacts.live, artifacts.world
    storage(live, world, 350)
    gate = threading.Barrier(8)

    def slow(number: int) -> Iterator[bytes]:
        yield b"%d" % number
        gate.wait(20)
        yield b"x" * 99

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: put_package(live, world, f"f{number}", slow(number)), range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [413] * 5
    assert counted(live, world) == 300
    assert live.installation.reservations._held == {}


def test_the_database_has_the_last_word(artifacts: Artifacts) -> None:
    live, world = artifacts.live, artifacts.world
    storage(live, world, 100)

    def meanwhile() -> Iterator[bytes]:
        yield b"x"
        # As another process would, which has reservations of its own.
        held, live.installation.reservations._held = live.installation.reservations._held, {}
        assert artifacts.put("a", b"y" * 80).status_code == 200
        live.installation.reservations._held = held
        yield b"x" * 50

    assert put_package(live, world, "b", meanwhile()).status_code == 413
    assert counted(live, world) == 80


class Parts:
    """One upload in parts."""

    def __init__(self, artifacts: Artifacts, parts: int) -> None:
        self._artifacts = artifacts
        self._base = f"{artifacts.base}/mlflow-artifacts/mpu"
        made = self._ask("create", {"path": "big", "num_parts": parts}).json()
        self.upload_id: str = made["upload_id"]
        self._credentials: list[dict[str, Any]] = made["credentials"]

    def _ask(self, verb: str, body: object) -> httpx.Response:
        return self._artifacts.ask("POST", f"{self._base}/{verb}/0/{self._artifacts.run_id}/artifacts", json=body)

    def send(self, number: int, content: bytes | Iterator[bytes]) -> httpx.Response:
        part = self._credentials[number - 1]
        return httpx.put(part["url"], content=content, headers=part["headers"], trust_env=False, timeout=30)

    def complete(self, tags: list[str]) -> httpx.Response:
        parts = [{"part_number": number, "etag": tag} for number, tag in enumerate(tags, 1)]
        return self._ask("complete", {"path": "big", "upload_id": self.upload_id, "parts": parts})


def bytes_in_store(live: LiveServer) -> int:
    """What lies in the store in all, counted or not."""
    store = live.installation.store
    if isinstance(store, LocalBlobs):
        return sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert isinstance(store, ObjectBlobs)
    return sum(found["size"] for page in obstore.list(store.store) for found in page)


def test_parts_of_uploads_count_until_they_are_complete(artifacts: Artifacts) -> None:
    live, world = artifacts.live, artifacts.world
    storage(live, world, 250)
    upload = Parts(artifacts, 3)
    tags = [upload.send(number, b"x" * PART).headers["etag"] for number in (1, 2)]
    assert upload.send(3, b"x" * PART).status_code == 413
    assert upload.send(2, b"x" * PART).status_code == 200
    assert storage(live, world)["unfinished_bytes"] == 2 * PART
    assert artifacts.put("other", b"y" * 51).status_code == 413
    assert upload.complete(tags).status_code == 200
    told = storage(live, world)
    assert (told["size_bytes"], told["unfinished_bytes"]) == (2 * PART, 0)
    assert artifacts.put("other", b"y" * 50).status_code == 200


def test_refused_parts_leave_no_bytes_and_take_nothing_from_acknowledged_ones(artifacts: Artifacts) -> None:
    live, world = artifacts.live, artifacts.world
    storage(live, world, 250)
    upload = Parts(artifacts, 3)
    assert upload.send(1, b"cut").status_code == 200
    tags = [upload.send(number, bytes([number]) * PART).headers["etag"] for number in (1, 2)]
    assert bytes_in_store(live) == 2 * PART
    without_length = iter([b"z" * 40, b"z" * 40])
    assert upload.send(3, without_length).status_code == 413
    refused = upload.send(3, b"z" * 51)
    assert (refused.status_code, refused.json()["error_code"]) == (413, "INVALID_PARAMETER_VALUE")

    def meanwhile(content: bytes) -> Iterator[bytes]:
        yield content[:1]
        # The room shrinks while the body is on its way: recording it is what is refused.
        storage(live, world, 150)
        yield content[1:]

    for number, content in ((1, b"other" * 20), (2, b"\x02" * PART), (3, b"z" * 40)):
        storage(live, world, 250)
        assert upload.send(number, meanwhile(content)).status_code == 413
    assert bytes_in_store(live) == storage(live, world)["unfinished_bytes"] == 2 * PART
    assert live.installation.reservations._held == {}
    storage(live, world, 250)
    assert upload.complete(tags).status_code == 200
    assert artifacts.get("big").content == b"\x01" * PART + b"\x02" * PART
    assert bytes_in_store(live) == 2 * PART


def test_a_part_whose_upload_ends_meanwhile_leaves_no_bytes(artifacts: Artifacts) -> None:
    upload = Parts(artifacts, 2)
    tag = upload.send(1, b"x").headers["etag"]

    def meanwhile() -> Iterator[bytes]:
        yield b"y"
        assert upload.complete([tag]).status_code == 200
        yield b"y"

    assert upload.send(2, meanwhile()).status_code == 404
    assert bytes_in_store(artifacts.live) == 1
    assert storage(artifacts.live, artifacts.world)["unfinished_bytes"] == 0


def test_parallel_parts_do_not_overshoot(artifacts: Artifacts) -> None:
    live, world = artifacts.live, artifacts.world
    storage(live, world, 350)
    uploads, gate = [Parts(artifacts, 4) for _ in range(2)], threading.Barrier(8)

    def slow(number: int) -> Iterator[bytes]:
        yield b"%d" % number
        gate.wait(20)
        yield b"x" * 99

    with ThreadPoolExecutor(8) as threads:
        sent = threads.map(lambda number: uploads[number % 2].send(number // 2 + 1, slow(number)), range(8))
        assert sorted(answer.status_code for answer in sent) == [200] * 3 + [413] * 5
    assert bytes_in_store(live) == storage(live, world)["unfinished_bytes"] == 300
    assert live.installation.reservations._held == {}


@pytest.mark.parametrize("limit", [-1, 2**63, "much"])
def test_a_limit_is_a_number_of_bytes(artifacts: Artifacts, limit: object) -> None:
    address = f"{artifacts.live.url}/api/v4/projects/{artifacts.world.project_id}/storage"
    headers = artifacts.world.administrator.headers
    answer = httpx.put(address, json={"limit_bytes": limit}, headers=headers, trust_env=False)
    assert answer.status_code == 400

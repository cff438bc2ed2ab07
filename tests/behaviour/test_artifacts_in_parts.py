"""Large artifacts in parts, as MLflow's client sends them."""

import hashlib
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from modelyard.domains.packages.tables import PackageFile, Upload, UploadPart
from modelyard.domains.tracking.tables import Candidate
from modelyard.platform.clock import now
from modelyard.platform.proxies import Proxies
from tests.behaviour.artifact_client import Artifacts, create_run
from tests.conftest import LiveServer, World

PIECES = [bytes([number]) * 6_000_000 for number in (1, 2)] + [b"end"]
WHOLE = b"".join(PIECES)


@pytest.fixture
def artifacts(live: LiveServer, world: World) -> Artifacts:
    return Artifacts(live, world, create_run(live, world), world.developer)


def mpu(artifacts: Artifacts, step: str, body: dict[str, Any], folder: str = "data") -> httpx.Response:
    address = f"{artifacts.base}/mlflow-artifacts/mpu/{step}/0/{artifacts.run_id}/artifacts/{folder}".rstrip("/")
    return artifacts.ask("POST", address, json=body)


def begun(artifacts: Artifacts, parts: int = 3) -> tuple[str, list[dict[str, Any]]]:
    answer = mpu(artifacts, "create", {"path": "/home/someone/big.bin", "num_parts": parts})
    assert answer.status_code == 200, answer.text
    return answer.json()["upload_id"], answer.json()["credentials"]


def send(credential: dict[str, Any], data: bytes) -> httpx.Response:
    """What the client does: a plain PUT with the given headers, without its token."""
    return httpx.put(credential["url"], content=data, headers=credential["headers"])


def sent(credentials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every part sent, last first; what `complete` is told."""
    parts = []
    for credential in reversed(credentials):
        answer = send(credential, PIECES[credential["part_number"] - 1])
        assert answer.status_code == 200, answer.text
        parts.append(
            {"part_number": credential["part_number"], "etag": answer.headers["ETag"], "url": credential["url"]}
        )
    return parts[::-1]


def completion(upload_id: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"path": "/home/someone/big.bin", "upload_id": upload_id, "parts": parts}


def test_parts_become_the_file(artifacts: Artifacts) -> None:
    upload_id, credentials = begun(artifacts)
    assert [credential["part_number"] for credential in credentials] == [1, 2, 3]
    body = completion(upload_id, sent(credentials))
    assert artifacts.get("data/big.bin").status_code == 404
    assert mpu(artifacts, "complete", body).json() == {}
    got = artifacts.get("data/big.bin")
    assert got.content == WHOLE
    assert got.headers["etag"] == f'"{hashlib.sha256(WHOLE).hexdigest()}"'
    assert mpu(artifacts, "complete", body).json() == {}, "the answer may have been lost"
    assert artifacts.get("data/big.bin").content == WHOLE
    assert list(artifacts.live.installation.store.unfinished_uploads()) == []


def test_a_part_may_be_sent_again(artifacts: Artifacts) -> None:
    upload_id, credentials = begun(artifacts, 1)
    send(credentials[0], b"cut o")
    parts = [{"part_number": 1, "etag": send(credentials[0], b"cut off and sent again").headers["ETag"]}]
    assert mpu(artifacts, "complete", completion(upload_id, parts)).status_code == 200
    assert artifacts.get("data/big.bin").content == b"cut off and sent again"


def test_an_address_takes_nothing_without_its_own_signature(artifacts: Artifacts) -> None:
    upload_id, credentials = begun(artifacts, 2)
    other_id, others = begun(artifacts, 2)
    first, second = credentials
    attempts = [
        {"url": first["url"], "headers": {}},
        {"url": first["url"], "headers": artifacts.world.developer.headers},
        {"url": first["url"], "headers": second["headers"]},
        {"url": first["url"], "headers": others[0]["headers"]},
        {"url": first["url"].replace(upload_id, other_id), "headers": first["headers"]},
        {"url": first["url"].replace(upload_id, "../../x"), "headers": first["headers"]},
    ]
    assert [send(attempt, b"x").status_code for attempt in attempts] == [401, 401, 401, 401, 401, 404]
    with artifacts.live.installation.database.read() as session:
        assert session.scalars(select(UploadPart)).all() == []


@pytest.mark.parametrize(
    "change",
    [
        {"parts": []},
        {"parts": [{"part_number": 1}]},
        {"parts": [{"part_number": 1}, {"part_number": 2}, {"part_number": 3}, {"part_number": 4}]},
        {"parts": [{"part_number": 1, "etag": '"other"'}, {"part_number": 2}, {"part_number": 3}]},
    ],
)
def test_what_does_not_fit_is_not_completed(artifacts: Artifacts, change: dict[str, Any]) -> None:
    upload_id, credentials = begun(artifacts)
    body = completion(upload_id, sent(credentials))
    answer = mpu(artifacts, "complete", {**body, **change})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert artifacts.get("data/big.bin").status_code == 404
    assert mpu(artifacts, "complete", body).status_code == 200


def test_an_upload_belongs_to_its_file(artifacts: Artifacts) -> None:
    upload_id, credentials = begun(artifacts, 1)
    parts = [{"part_number": 1, "etag": send(credentials[0], b"x").headers["ETag"]}]
    other_run = Artifacts(
        artifacts.live, artifacts.world, create_run(artifacts.live, artifacts.world), artifacts.somebody
    )
    body = completion(upload_id, parts)
    for answer in (
        mpu(other_run, "complete", body),
        mpu(artifacts, "complete", body, folder="elsewhere"),
        mpu(artifacts, "complete", {**body, "path": "other.bin"}),
        mpu(artifacts, "complete", {**body, "upload_id": "0" * 32}),
        mpu(other_run, "abort", body),
        mpu(artifacts, "abort", {**body, "upload_id": "0" * 32}),
    ):
        assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert mpu(artifacts, "complete", body).status_code == 200


def test_only_who_may_write_begins_completes_and_aborts(artifacts: Artifacts) -> None:
    upload_id, credentials = begun(artifacts, 1)
    parts = [{"part_number": 1, "etag": send(credentials[0], b"x").headers["ETag"]}]
    for name, status in (("stranger", 404), ("guest", 403)):
        own = artifacts.of(getattr(artifacts.world, name))
        for step in ("create", "complete", "abort"):
            assert mpu(own, step, completion(upload_id, parts)).status_code == status
    assert artifacts.get("data/big.bin").status_code == 404


def test_an_aborted_upload_takes_no_more_parts(artifacts: Artifacts) -> None:
    upload_id, credentials = begun(artifacts)
    send(credentials[0], b"x")
    assert mpu(artifacts, "abort", completion(upload_id, [])).json() == {}
    assert send(credentials[1], b"x").status_code == 404
    assert list(artifacts.live.installation.store.unfinished_uploads()) == []


def test_an_old_upload_is_over(artifacts: Artifacts) -> None:
    upload_id, credentials = begun(artifacts, 1)
    parts = [{"part_number": 1, "etag": send(credentials[0], b"x").headers["ETag"]}]
    with artifacts.live.installation.database.write() as session:
        session.execute(update(Upload).values(changed_at=now() - timedelta(hours=25)))
    assert send(credentials[0], b"x").status_code == 404
    assert mpu(artifacts, "complete", completion(upload_id, parts)).status_code == 404


def test_a_run_that_was_deleted_meanwhile_gets_no_file(artifacts: Artifacts) -> None:
    upload_id, credentials = begun(artifacts, 1)
    parts = [{"part_number": 1, "etag": send(credentials[0], b"x").headers["ETag"]}]
    with artifacts.live.installation.database.write() as session:
        session.execute(update(Candidate).values(deleted_ms=1))
    assert mpu(artifacts, "complete", completion(upload_id, parts)).status_code == 400
    with artifacts.live.installation.database.read() as session:
        assert session.scalars(select(PackageFile)).all() == []


@pytest.mark.parametrize("parts", [0, 10_001, "many"])
def test_a_senseless_number_of_parts_is_refused(artifacts: Artifacts, parts: object) -> None:
    answer = mpu(artifacts, "create", {"path": "x", "num_parts": parts})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(("local_file", "stored"), [("C:\\data\\big.bin", "data/big.bin"), ("big.bin", "data/big.bin")])
def test_only_the_name_of_the_local_file_counts(artifacts: Artifacts, local_file: str, stored: str) -> None:
    upload = mpu(artifacts, "create", {"path": local_file, "num_parts": 1}).json()
    parts = [{"part_number": 1, "etag": send(upload["credentials"][0], b"x").headers["ETag"]}]
    body = {"path": local_file, "upload_id": upload["upload_id"], "parts": parts}
    assert mpu(artifacts, "complete", body).status_code == 200
    assert artifacts.get(stored).content == b"x"
    assert mpu(artifacts, "create", {"path": "folder/", "num_parts": 1}).status_code == 400


def test_parts_go_to_the_address_that_the_client_came_by(artifacts: Artifacts) -> None:
    artifacts.live.installation.proxies = Proxies("127.0.0.1")
    address = f"{artifacts.live.url}/ajax-api/3.0/mlflow-artifacts/mpu/create/0/{artifacts.run_id}/artifacts"
    headers = {"X-MLFLOW-WORKSPACE": artifacts.world.project_path, "X-Forwarded-Proto": "https"}
    answer = artifacts.ask("POST", address, json={"path": "x", "num_parts": 1}, headers=headers).json()
    host = artifacts.live.url.removeprefix("http://")
    expected = f"https://{host}/ajax-api/3.0/mlflow-artifacts/mpu/parts/{answer['upload_id']}/1"
    assert answer["credentials"][0]["url"] == expected
    sent_at_root = send({**answer["credentials"][0], "url": expected.replace("https", "http")}, b"x")
    assert sent_at_root.status_code == 200

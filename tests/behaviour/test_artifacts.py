"""Artifacts over HTTP, on SQLite with a directory and on PostgreSQL with a bucket."""

import hashlib
import json
import os
from urllib.parse import quote_from_bytes

import httpx
import pytest
from sqlalchemy import select, update

from modelyard.domains.namespaces.projects import create_project
from modelyard.domains.packages.tables import Blob, Package, PackageFile
from modelyard.domains.tracking.tables import Candidate
from tests.behaviour.artifact_client import Artifacts, create_logged_model, create_run
from tests.conftest import LiveServer, World
from tests.hostile_paths import hostile_paths

LARGE = bytes(range(256)) * 4096 * 9 + b"end"


@pytest.fixture
def artifacts(live: LiveServer, world: World) -> Artifacts:
    return Artifacts(live, world, create_run(live, world), world.developer)


def names(entries: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    return [(entry["path"], entry["is_dir"], entry.get("file_size")) for entry in entries]


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_what_was_put_is_got_back(artifacts: Artifacts, data: bytes) -> None:
    answer = artifacts.put("folder/sub folder/naïve.bin", data)
    assert (answer.status_code, answer.json()) == (200, {})
    got = artifacts.get("folder/sub folder/naïve.bin")
    assert got.status_code == 200
    assert got.content == data
    assert got.headers["content-length"] == str(len(data))
    assert got.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert got.headers["content-disposition"] == "attachment; filename=\"na_ve.bin\"; filename*=UTF-8''na%C3%AFve.bin"
    head = artifacts.ask("HEAD", artifacts.at("folder/sub folder/naïve.bin"))
    assert (head.status_code, head.content) == (200, b"")
    own = {"date": "", "x-request-id": ""}
    assert {**head.headers, **own} == {**got.headers, **own}


def test_a_body_without_a_length_is_taken(artifacts: Artifacts) -> None:
    answer = artifacts.ask("PUT", artifacts.at("x"), content=iter([b"a" * 700_000, b"b" * 700_000]))
    assert answer.status_code == 200
    assert artifacts.get("x").content == b"a" * 700_000 + b"b" * 700_000


def test_folders_are_listed_level_by_level(artifacts: Artifacts) -> None:
    for path in ("a.txt", "data/x.csv", "data/deep/y.csv"):
        artifacts.put(path, path.encode())
    assert names(artifacts.listed()) == [("a.txt", False, 5), ("data", True, None)]
    assert names(artifacts.listed("data")) == [("deep", True, None), ("x.csv", False, 10)]
    assert names(artifacts.listed("data/deep/")) == [("y.csv", False, 15)]
    assert artifacts.listed("data/x.csv") == []
    assert artifacts.listed("nothing") == []
    listing = artifacts.ask(
        "GET", f"{artifacts.base}/mlflow/artifacts/list", params={"run_id": artifacts.run_id, "path": "data"}
    ).json()
    assert listing["root_uri"] == f"mlflow-artifacts:/0/{artifacts.run_id}/artifacts"
    assert names(listing["files"]) == [("data/deep", True, None), ("data/x.csv", False, 10)]


def test_a_run_without_files_lists_none_and_has_no_package(artifacts: Artifacts) -> None:
    assert artifacts.listed() == []
    with artifacts.live.installation.database.read() as session:
        assert session.scalars(select(Package)).all() == []


def test_the_files_of_a_run_are_its_candidates_package(artifacts: Artifacts) -> None:
    artifacts.put("a/b", b"x")
    with artifacts.live.installation.database.read() as session:
        package = session.scalars(select(Package)).one()
        iid = session.scalars(select(Candidate.iid)).one()
        assert (package.kind, package.name, package.version) == ("generic", f"ml_candidate_{iid}", "-")
        assert package.creator_id == artifacts.world.developer.actor.user_id
        assert session.scalars(select(PackageFile.path)).all() == ["a/b"]


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-100", 206, b"789", "bytes 7-9/10"),
        ("bytes=-4", 206, b"6789", "bytes 6-9/10"),
        ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=99-100", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("bytes=" + ",".join(["0-1"] * 1000), 200, b"0123456789", None),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=a-b", 200, b"0123456789", None),
        ("bytes=" + "9" * 30 + "-", 200, b"0123456789", None),
        ("items=0-1", 200, b"0123456789", None),
    ],
)
def test_one_range_is_sent(
    artifacts: Artifacts, asked: str, status: int, content: bytes, content_range: str | None
) -> None:
    artifacts.put("x", b"0123456789")
    got = artifacts.get("x", headers={"Range": asked})
    assert (got.status_code, got.content, got.headers.get("content-range")) == (status, content, content_range)
    head = artifacts.ask("HEAD", artifacts.at("x"), headers={"Range": asked})
    assert head.headers["content-length"] == str(len(content))


def test_a_range_of_a_large_file_crosses_its_pieces(artifacts: Artifacts) -> None:
    artifacts.put("x", LARGE)
    got = artifacts.get("x", headers={"Range": "bytes=1048570-5242900"})
    assert got.status_code == 206
    assert got.content == LARGE[1048570:5242901]


def test_what_the_client_has_is_not_sent_again(artifacts: Artifacts) -> None:
    artifacts.put("x", b"0123456789")
    tag = artifacts.get("x").headers["etag"]
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        got = artifacts.get("x", headers={"If-None-Match": condition})
        assert (got.status_code, got.content, got.headers["etag"]) == (304, b"", tag)
    assert artifacts.get("x", headers={"If-None-Match": '"other"'}).status_code == 200
    assert artifacts.get("x", headers={"Range": "bytes=0-1", "If-Range": tag}).status_code == 206
    assert artifacts.get("x", headers={"Range": "bytes=0-1", "If-Range": '"old"'}).status_code == 200


def test_a_file_is_replaced_and_the_same_bytes_change_nothing(artifacts: Artifacts) -> None:
    database = artifacts.live.installation.database

    def row() -> tuple[int, str, object]:
        with database.read() as session:
            file = session.scalars(select(PackageFile)).one()
            return file.id, file.sha256, file.created_at

    artifacts.put("x", b"first")
    first = row()
    artifacts.put("x", b"first")
    assert row() == first
    artifacts.put("x", b"second")
    assert row()[0] == first[0]
    assert artifacts.get("x").content == b"second"


def test_files_and_folders_are_deleted(artifacts: Artifacts) -> None:
    for path in ("a", "data/x", "data/deep/y", "data2"):
        artifacts.put(path, b"x")
    assert artifacts.ask("DELETE", artifacts.at("a")).json() == {}
    assert artifacts.get("a").status_code == 404
    assert artifacts.ask("DELETE", artifacts.at("data")).json() == {}
    assert artifacts.ask("DELETE", artifacts.at("data")).status_code == 200
    assert names(artifacts.listed()) == [("data2", False, 1)]
    assert artifacts.ask("DELETE", artifacts.at("")).status_code == 200
    assert artifacts.listed() == []


def test_a_folder_is_not_a_file(artifacts: Artifacts) -> None:
    artifacts.put("data/x", b"x")
    got = artifacts.get("data")
    assert (got.status_code, got.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "directory" in got.json()["message"]
    assert artifacts.put("data", b"x").status_code == 400
    assert artifacts.put("data/x/below", b"x").status_code == 400
    assert names(artifacts.listed("data")) == [("x", False, 1)]


@pytest.mark.parametrize("prefix", ["api/2.0", "ajax-api/2.0", "api/3.0", "ajax-api/3.0", "api/2.0/preview"])
def test_every_prefix_leads_to_the_same_file(artifacts: Artifacts, prefix: str) -> None:
    address = f"mlflow-artifacts/artifacts/0/{artifacts.run_id}/artifacts/x"
    below = artifacts.live.tracking_uri(artifacts.world.project_id)
    assert artifacts.ask("PUT", f"{below}/{prefix}/{address}", content=b"x").status_code == 200
    assert artifacts.get("x").content == b"x"
    at_root = artifacts.ask(
        "GET",
        f"{artifacts.live.url}/{prefix}/{address}",
        headers={"X-MLFLOW-WORKSPACE": artifacts.world.project_path},
    )
    assert at_root.content == b"x"


def test_who_may_read_and_write(artifacts: Artifacts) -> None:
    artifacts.put("x", b"x")
    world = artifacts.world
    verdicts = {}
    for name in ("stranger", "guest", "reporter", "developer", "maintainer", "nobody"):
        own = artifacts.of(None if name == "nobody" else getattr(world, name))
        verdicts[name] = (
            own.get("x").status_code,
            own.put(f"by-{name}", b"x").status_code,
            own.ask("DELETE", own.at(f"by-{name}")).status_code,
        )
    assert verdicts == {
        "nobody": (401, 401, 401),
        "stranger": (404, 404, 404),
        "guest": (200, 403, 403),
        "reporter": (200, 403, 403),
        "developer": (200, 200, 200),
        "maintainer": (200, 200, 200),
    }
    assert names(artifacts.listed()) == [("x", False, 1)]


def test_a_wrong_token_is_refused_before_the_body(artifacts: Artifacts) -> None:
    answer = httpx.put(artifacts.at("x"), content=b"x", headers={"Authorization": "Bearer myd_pat_wrong"})
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")


def test_another_projects_run_is_not_there(artifacts: Artifacts, world: World) -> None:
    artifacts.put("x", b"x")
    with artifacts.live.installation.database.write() as session:
        other = create_project(session, world.developer.actor, name="other").id
    base = f"{artifacts.live.tracking_uri(other)}/api/2.0"
    file = f"{base}/mlflow-artifacts/artifacts/0/{artifacts.run_id}/artifacts/x"
    answers = [
        artifacts.ask("GET", file),
        artifacts.ask("PUT", file, content=b"y"),
        artifacts.ask("DELETE", file),
        artifacts.ask("GET", f"{base}/mlflow/artifacts/list", params={"run_id": artifacts.run_id}),
        artifacts.ask("GET", f"{base}/mlflow-artifacts/artifacts", params={"path": f"0/{artifacts.run_id}/artifacts"}),
        artifacts.ask("POST", f"{base}/mlflow-artifacts/mpu/create/0/{artifacts.run_id}/artifacts", json={"path": "x"}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6
    assert {answer.json()["error_code"] for answer in answers} == {"RESOURCE_DOES_NOT_EXIST"}
    assert artifacts.get("x").content == b"x"


@pytest.mark.parametrize("address", ["1/{run}/artifacts/x", "0/{unknown}/artifacts/x", "0/x", "x", "0/{run}/x", ""])
def test_what_is_no_place_of_files_is_not_there(artifacts: Artifacts, address: str) -> None:
    path = address.format(run=artifacts.run_id, unknown="0" * 32)
    for method in ("GET", "PUT", "DELETE"):
        answer = artifacts.ask(method, f"{artifacts.base}/mlflow-artifacts/artifacts/{path}", content=b"")
        assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), method


def test_nothing_is_put_into_a_deleted_run(artifacts: Artifacts) -> None:
    artifacts.put("x", b"x")
    with artifacts.live.installation.database.write() as session:
        session.execute(update(Candidate).values(deleted_ms=1))
    for answer in (artifacts.put("y", b"y"), artifacts.ask("DELETE", artifacts.at("x"))):
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert answer.json()["message"] == (
            f"The run {artifacts.run_id} must be in the 'active' state. Current state is deleted."
        )
    assert artifacts.get("x").content == b"x"


def test_hostile_paths_are_refused_everywhere(artifacts: Artifacts) -> None:
    base = artifacts.at("").removeprefix(artifacts.live.url).encode()
    for path in hostile_paths():
        if not path.strip("/"):
            continue
        raw = base + quote_from_bytes(path.encode("utf-8", "surrogatepass"), safe="/%?").encode()
        raw = raw.replace(b"?", b"%3F")
        for method in ("PUT", "GET", "DELETE") if not path.endswith("/") else ("PUT", "GET"):
            status, answer = artifacts.ask_raw(method, raw, b"x")
            assert status == 400, (method, path, answer)
            assert b'"INVALID_PARAMETER_VALUE"' in answer
    with artifacts.live.installation.database.read() as session:
        assert session.scalars(select(Package)).all() == []
        assert session.scalars(select(Blob)).all() == []


@pytest.mark.parametrize("raw", [b"%c0%ae%c0%ae/x", b"%ff", b"a%e0%80%af"])
def test_what_is_not_unicode_is_refused(artifacts: Artifacts, raw: bytes) -> None:
    base = artifacts.at("").removeprefix(artifacts.live.url).encode()
    status, answer = artifacts.ask_raw("PUT", base + raw, b"x")
    assert (status, json.loads(answer)["message"]) == (400, "A path is Unicode text.")


def test_logged_models_have_files_of_their_own(artifacts: Artifacts) -> None:
    database, world = artifacts.live.installation.database, artifacts.world
    artifacts.put("own.txt", b"own")
    made, alone = create_logged_model(database, artifacts.run_id, world), create_logged_model(database, None, world)
    for model_id in (made, alone):
        root = f"{artifacts.base}/mlflow-artifacts/artifacts/0/models/{model_id}/artifacts"
        assert artifacts.ask("PUT", f"{root}/data/model.pkl", content=model_id.encode()).status_code == 200
        assert artifacts.ask("GET", f"{root}/data/model.pkl").content == model_id.encode()
        listing = artifacts.ask("GET", f"{artifacts.base}/mlflow/logged-models/{model_id}/artifacts/directories")
        assert names(listing.json()["files"]) == [("data", True, None)]
        assert listing.json()["root_uri"] == f"mlflow-artifacts:/0/models/{model_id}/artifacts"
        query = {"artifact_file_path": "data/model.pkl"}
        file = f"{artifacts.base}/mlflow/logged-models/{model_id}/artifacts/files"
        assert artifacts.ask("GET", file, params=query).content == model_id.encode()
        assert artifacts.ask("GET", file).status_code == 400
    with database.read() as session:
        assert sorted(session.scalars(select(Package.name))) == ["ml_candidate_1", f"ml_logged_model_{alone}"]
        assert f"models/{made}/data/model.pkl" in session.scalars(select(PackageFile.path)).all()


def test_a_runs_listing_shows_no_logged_models(artifacts: Artifacts) -> None:
    model_id = create_logged_model(artifacts.live.installation.database, artifacts.run_id, artifacts.world)
    root = f"{artifacts.base}/mlflow-artifacts/artifacts/0/models/{model_id}/artifacts"
    artifacts.ask("PUT", f"{root}/MLmodel", content=b"x")
    assert artifacts.listed() == []
    assert artifacts.get(f"models/{model_id}/MLmodel").status_code == 404
    assert artifacts.put(f"models/{model_id}/MLmodel", b"y").status_code == 400
    assert artifacts.ask("DELETE", artifacts.at(f"models/{model_id}")).status_code == 400
    artifacts.put("models/own.pkl", b"123")
    assert names(artifacts.listed()) == [("models", True, None)]
    assert names(artifacts.listed("models")) == [("own.pkl", False, 3)]
    assert artifacts.listed(f"models/{model_id}") == []
    assert artifacts.ask("DELETE", artifacts.at("")).status_code == 200
    assert artifacts.listed() == []
    assert artifacts.ask("GET", f"{root}/MLmodel").content == b"x"
    assert artifacts.ask("DELETE", root).status_code == 200
    assert artifacts.ask("GET", f"{root}/MLmodel").status_code == 404


def test_what_mlflows_pages_use(artifacts: Artifacts) -> None:
    query = {"run_uuid": artifacts.run_id, "path": "data/x"}
    upload = f"{artifacts.live.tracking_uri(artifacts.world.project_id)}/ajax-api/2.0/mlflow/upload-artifact"
    assert artifacts.ask("POST", upload, params=query, content=b"page").json() == {}
    download = f"{artifacts.live.tracking_uri(artifacts.world.project_id)}/get-artifact"
    assert artifacts.ask("GET", download, params=query).content == b"page"
    assert artifacts.ask("POST", upload, params=query, content=b"").json()["message"] == "Request must specify data."
    too_large = artifacts.ask("POST", upload, params=query, content=bytes(10 * 1024 * 1024 + 1))
    assert too_large.status_code == 413
    assert artifacts.ask("POST", upload, params={"path": "x"}, content=b"x").status_code == 400
    assert artifacts.ask("GET", download, params={"run_uuid": artifacts.run_id}).status_code == 400
    assert artifacts.ask("GET", download, params={**query, "path": "../x"}).status_code == 400


def test_presigned_addresses_where_the_store_has_them(artifacts: Artifacts, place: str) -> None:
    artifacts.put("x", b"0123456789")
    presigned = artifacts.ask("GET", f"{artifacts.base}/mlflow-artifacts/presigned/0/{artifacts.run_id}/artifacts/x")
    body = {"run_id": artifacts.run_id, "path": "x"}
    by_run = artifacts.ask("POST", f"{artifacts.base}/mlflow/artifacts/presigned-download-url", json=body)
    if place.endswith("directory"):
        assert (presigned.status_code, presigned.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
        assert (by_run.status_code, by_run.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    else:
        assert presigned.json()["file_size"] == by_run.json()["file_size"] == 10
        for address in (presigned.json()["url"], by_run.json()["presigned_url"]):
            assert httpx.get(address, headers={"Range": "bytes=2-4"}).content == b"234"
    for wrong in ({**body, "expiration": 0}, {**body, "expiration": 604_801}, {**body, "run_id": ""}, {"run_id": "x"}):
        answer = artifacts.ask("POST", f"{artifacts.base}/mlflow/artifacts/presigned-download-url", json=wrong)
        assert answer.status_code == 400
    upload = artifacts.ask("POST", f"{artifacts.base}/mlflow/artifacts/presigned-upload-url", json=body)
    assert (upload.status_code, upload.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_missing_bytes_are_an_error_and_no_empty_file(artifacts: Artifacts) -> None:
    artifacts.put("x", b"0123456789")
    store = artifacts.live.installation.store
    store.remove([found.name for found in store.listed()])
    got = artifacts.get("x")
    assert (got.status_code, got.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert os.path.sep not in got.json()["message"]

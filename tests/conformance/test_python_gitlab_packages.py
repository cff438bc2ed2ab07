"""The real python-gitlab against the package registry of the live server."""

import dataclasses
from pathlib import Path

import httpx
import pytest
from gitlab.exceptions import GitlabDeleteError, GitlabGetError, GitlabUploadError
from gitlab.v4.objects import Project

from tests.conformance.conftest import Connect
from tests.conftest import LiveServer, World

DIGESTS = {
    "file_md5": "5d41402abc4b2a76b9719d911017c592",
    "file_sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
    "file_sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
}


@pytest.fixture
def project(connect: Connect, world: World) -> Project:
    """The project as its developer uses it."""
    return connect(world.developer).projects.get(world.project_path)


@pytest.fixture
def maintained(connect: Connect, world: World) -> Project:
    """The project as its maintainer uses it."""
    return connect(world.maintainer).projects.get(world.project_path)


def upload(project: Project, name: str, version: str = "1.0", file: str = "x.txt", data: bytes = b"hello") -> None:
    project.generic_packages.upload(name, version, file, data=data)


def test_a_file_is_uploaded_and_downloaded(project: Project, tmp_path: Path) -> None:
    source = tmp_path / "tool.tar.gz"
    source.write_bytes(bytes(range(256)) * 9000)
    made = project.generic_packages.upload("tool", "1.0", "tool.tar.gz", path=source)
    assert made.message == "201 Created"
    assert project.generic_packages.download("tool", "1.0", "tool.tar.gz") == source.read_bytes()
    pieces: list[bytes] = []
    project.generic_packages.download("tool", "1.0", "tool.tar.gz", streamed=True, action=pieces.append)
    assert b"".join(pieces) == source.read_bytes()


def test_an_upload_can_answer_with_its_file(project: Project) -> None:
    made = project.generic_packages.upload("tool", "1.0", "bin/x.txt", data=b"hello", select="package_file")
    assert (made.size, made.attributes["file_name"]) == (5, "bin/x.txt")
    assert DIGESTS.items() <= made.attributes.items()


def test_packages_are_listed_filtered_and_paged(project: Project) -> None:
    for name in ("beta", "alpha", "gamma"):
        upload(project, name)
    assert [package.name for package in project.packages.list(get_all=True)] == ["beta", "alpha", "gamma"]
    assert [package.name for package in project.packages.list(get_all=True, order_by="name", sort="desc")] == [
        "gamma",
        "beta",
        "alpha",
    ]
    assert [package.name for package in project.packages.list(get_all=True, package_name="LPH")] == ["alpha"]
    assert project.packages.list(get_all=True, package_type="ml_model") == []
    assert project.packages.list(get_all=True, package_type="npm") == []
    pages = project.packages.list(iterator=True, per_page=2)
    assert (pages.total, pages.total_pages) == (3, 2)
    assert [package.name for package in pages] == ["beta", "alpha", "gamma"]


def test_a_package_and_its_files_say_what_they_are(project: Project, live: LiveServer, world: World) -> None:
    upload(project, "tool", file="a.txt")
    upload(project, "tool", file="folder/b.txt")
    package = project.packages.get(project.packages.list(get_all=True)[0].id)
    assert (package.name, package.version, package.package_type, package.status) == (
        "tool",
        "1.0",
        "generic",
        "default",
    )
    assert package._links == {
        "web_path": f"/{world.project_path}/-/packages/{package.id}",
        "delete_api_path": f"{live.url}/api/v4/projects/{world.project_id}/packages/{package.id}",
    }
    files = package.package_files.list(get_all=True)
    assert [(file.file_name, file.size) for file in files] == [("a.txt", 5), ("folder/b.txt", 5)]
    assert DIGESTS.items() <= files[0].attributes.items()
    address = (
        f"{live.url}/api/v4/projects/{world.project_id}/packages/{package.id}/package_files/{files[1].id}/download"
    )
    assert httpx.get(address, headers=world.guest.headers).content == b"hello"


def test_a_hidden_package_is_not_in_the_list(project: Project, live: LiveServer, world: World) -> None:
    address = f"{live.url}/api/v4/projects/{world.project_id}/packages/generic/tool/1.0/x.txt"
    put = httpx.put(address, params={"status": "hidden"}, content=b"hello", headers=world.developer.headers)
    assert (put.status_code, put.json()) == (201, {"message": "201 Created"})
    assert project.packages.list(get_all=True) == []
    assert [package.name for package in project.packages.list(get_all=True, status="hidden")] == ["tool"]
    assert project.generic_packages.download("tool", "1.0", "x.txt") == b"hello"


def test_a_file_that_is_there_is_replaced(project: Project) -> None:
    upload(project, "tool", data=b"first")
    upload(project, "tool", data=b"second")
    assert project.generic_packages.download("tool", "1.0", "x.txt") == b"second"
    package = project.packages.list(get_all=True)[0]
    assert len(package.package_files.list(get_all=True)) == 1


def test_files_and_packages_are_deleted(project: Project, maintained: Project) -> None:
    upload(project, "tool", file="a.txt")
    upload(project, "tool", file="b.txt")
    package = maintained.packages.list(get_all=True)[0]
    first = package.package_files.list(get_all=True)[0]
    package.package_files.delete(first.id)
    assert [file.file_name for file in package.package_files.list(get_all=True)] == ["b.txt"]
    with pytest.raises(GitlabDeleteError) as missing:
        package.package_files.delete(first.id)
    assert missing.value.response_code == 404
    with pytest.raises(GitlabDeleteError) as forbidden:
        project.packages.delete(package.id)
    assert forbidden.value.response_code == 403
    package.delete()
    assert maintained.packages.list(get_all=True) == []
    with pytest.raises(GitlabGetError) as gone:
        maintained.packages.get(package.id)
    assert gone.value.response_code == 404


@pytest.mark.parametrize(
    ("name", "version", "file", "status"),
    [
        ("a b", "1.0", "x", 400),
        ("ü", "1.0", "x", 400),
        ("tool", "1 0", "x", 400),
        ("tool", "1.0", "x y", 400),
        ("tool", "1.0", "%2e%2e%2fx", 400),
        ("ml_candidate_1", "-", "x", 400),
    ],
)
def test_names_have_their_characters(project: Project, name: str, version: str, file: str, status: int) -> None:
    with pytest.raises(GitlabUploadError) as refused:
        upload(project, name, version, file)
    assert refused.value.response_code == status


def test_who_may(live: LiveServer, world: World, project: Project) -> None:
    upload(project, "tool")
    address = f"{live.url}/api/v4/projects/{world.project_id}/packages/generic/tool/1.0/x.txt"
    verdicts = {}
    for name in ("nobody", "stranger", "guest", "developer"):
        headers = {} if name == "nobody" else getattr(world, name).headers
        verdicts[name] = (
            httpx.get(address, headers=headers).status_code,
            httpx.put(address, content=b"hello", headers=headers).status_code,
        )
    assert verdicts == {"nobody": (404, 401), "stranger": (404, 404), "guest": (200, 403), "developer": (200, 201)}


def test_a_download_has_a_range_a_tag_and_no_type(live: LiveServer, world: World, project: Project) -> None:
    upload(project, "tool", data=b"0123456789")
    address = f"{live.url}/api/v4/projects/{world.project_id}/packages/generic/tool/1.0/x.txt"
    got = httpx.get(address, headers={**world.guest.headers, "Range": "bytes=2-4"})
    assert (got.status_code, got.content, got.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert got.headers["content-type"] == "application/octet-stream"
    again = httpx.get(address, headers={**world.guest.headers, "If-None-Match": got.headers["etag"]})
    assert again.status_code == 304
    head = httpx.head(address, headers=world.guest.headers)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
    assert httpx.get(address.replace("x.txt", "y.txt"), headers=world.guest.headers).status_code == 404


def test_head_reads_no_bytes(live: LiveServer, world: World, project: Project) -> None:
    upload(project, "tool")
    live.installation.store.remove([found.name for found in live.installation.store.listed()])
    address = f"{live.url}/api/v4/projects/{world.project_id}/packages/generic/tool/1.0/x.txt"
    assert httpx.head(address, headers=world.guest.headers).status_code == 200
    assert httpx.get(address, headers=world.guest.headers).status_code == 503


def test_the_files_of_a_candidate_are_a_package(live: LiveServer, world: World, project: Project) -> None:
    base = f"{live.tracking_uri(world.project_id)}/api/2.0"
    run = httpx.post(f"{base}/mlflow/runs/create", json={"experiment_id": "0"}, headers=world.developer.headers).json()
    address = f"{base}/mlflow-artifacts/artifacts/0/{run['run']['info']['run_id']}/artifacts/naïve folder/x.txt"
    assert httpx.put(address, content=b"hello", headers=world.developer.headers).status_code == 200
    package = project.packages.list(get_all=True)[0]
    assert (package.name, package.version, package.package_type) == ("ml_candidate_1", "-", "generic")
    assert [file.file_name for file in package.package_files.list(get_all=True)] == ["naïve folder/x.txt"]
    assert project.generic_packages.download("ml_candidate_1", "-", "naïve folder/x.txt") == b"hello"


def test_a_file_that_is_too_large_is_413(project: Project, live: LiveServer, world: World) -> None:
    live.installation.settings = dataclasses.replace(live.installation.settings, max_upload_bytes=4)
    with pytest.raises(GitlabUploadError) as refused:
        upload(project, "tool", data=b"12345")
    assert refused.value.response_code == 413
    assert "at most 4 bytes" in str(refused.value.error_message)
    upload(project, "tool", data=b"1234")
    assert world.project_id == project.id

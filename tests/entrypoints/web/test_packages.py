"""The pages of packages."""

import pytest

from modelyard.domains.packages.contents import GENERIC, PackageName, ensure_package, put_file
from modelyard.domains.packages.quotas import set_quota
from modelyard.domains.tracking.artifacts import candidate_package
from modelyard.platform.storage.blobs import StoredBlob, new_name
from modelyard.platform.storage.digests import Digester
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser
from tests.entrypoints.web.conftest import Log

TWINS = 25


def blob(data: bytes) -> StoredBlob:
    digester = Digester()
    digester.update(data)
    return StoredBlob(new_name(digester.result().sha256), digester.result())


@pytest.mark.parametrize("status", ["default", "hidden"])
def test_a_package_shows_its_own_total_whatever_others_are_called(
    live: LiveServer, world: World, developer: Browser, status: str
) -> None:
    with live.installation.database.write() as session:
        first = ensure_package(session, world.project_id, PackageName(GENERIC, "tool", "1"), creator_id=None)
        first.status = status
        for number in range(3):
            put_file(session, first, f"file-{number}", blob(b"x" * 1024))
        for number in range(TWINS):
            named = PackageName(GENERIC, f"tool-{number}", "1")
            put_file(session, ensure_package(session, world.project_id, named, creator_id=None), "file", blob(b"y"))
        empty = ensure_package(session, world.project_id, PackageName(GENERIC, "empty", "1"), creator_id=None)
        numbers = first.id, empty.id
    packages = f"/{world.project_path}/-/packages"
    full, none = (developer.get(f"{packages}/{number}").text for number in numbers)
    assert "3.0 KiB" in full
    assert "3 files" in full
    assert "0 files" in none


def test_the_registry_says_how_much_of_the_quota_is_used(live: LiveServer, world: World, developer: Browser) -> None:
    def facts(most_bytes: int | None) -> list[str]:
        with live.installation.database.write() as session:
            set_quota(session, world.administrator.actor, world.project(session), most_bytes)
        return developer.get(f"/{world.project_path}/-/packages").texts(
            ".page-heading :is(.badge, .page-heading-meta span)"
        )

    assert facts(None) == ["0 packages", "0 files", "0 B of 5.0 TiB used"]
    with live.installation.database.write() as session:
        package = ensure_package(session, world.project_id, PackageName(GENERIC, "tool", "1"), creator_id=None)
        put_file(session, package, "file", blob(b"x" * 1024))
    assert facts(0) == ["1 package", "1 file", "1.0 KiB stored"]
    assert facts(5 * 1024) == ["1 package", "1 file", "1.0 KiB of 5.0 KiB used"]
    assert facts(1100) == ["storage almost full", "1 package", "1 file", "1.0 KiB of 1.1 KiB used"]
    assert facts(1024)[0] == "storage full"


def test_files_of_a_candidate_say_whose_they_are_and_that_it_is_deleted(
    live: LiveServer, world: World, developer: Browser, log: Log
) -> None:
    number = log("brave-otter").place.iid
    with live.installation.database.write() as session:
        package = ensure_package(session, world.project_id, candidate_package(number), creator_id=None)
        put_file(session, package, "model.bin", blob(b"x"))
        put_file(
            session,
            ensure_package(session, world.project_id, PackageName(GENERIC, "tool", "1"), creator_id=None),
            "file",
            blob(b"y"),
        )
    packages, candidate = f"/{world.project_path}/-/packages", f"/{world.project_path}/-/ml/candidates/{number}"
    listed = developer.get(packages)
    assert [str(link["href"]) for link in listed.soup.select("tbody td a")] == [candidate]
    assert sorted(listed.texts('td[data-label="Candidate"]')) == ["", f"{number} brave-otter"]
    assert "deleted" not in listed.text
    developer.post(f"{candidate}/delete")
    listed = developer.get(packages)
    assert listed.texts("tr[data-deleted] th") == [f"ml_candidate_{number}"]
    assert listed.texts("tr[data-deleted] small")[0].startswith("restorable until ")
    page = developer.get(f"{packages}/{package.id}")
    assert page.texts(".page-heading-meta span")[-1].startswith("candidate deleted just now, restorable until ")
    assert page.soup.select_one(f'.meta a[href="{candidate}"]') is not None

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import ANONYMOUS
from modelyard.domains.namespaces.projects import create_project, update_project
from modelyard.domains.packages.contents import GENERIC, ML_MODEL, PackageName, ensure_package, put_file
from modelyard.domains.packages.registry import (
    GenericFile,
    PackageFilter,
    check_generic_upload,
    delete_package,
    delete_package_file,
    get_generic_file,
    get_package,
    get_package_file,
    list_package_files,
    list_package_folder,
    packages_page,
    put_generic_file,
    search_package_files,
    search_packages,
)
from modelyard.platform.database import Database
from modelyard.platform.errors import Forbidden, Hidden, Invalid, ModelyardError, NotFound
from modelyard.platform.storage.blobs import StoredBlob
from tests.conftest import World

BlobOf = Callable[[str], StoredBlob]
FILE = GenericFile("tool", "1.0", "bin/tool.tar.gz")


@pytest.fixture
def seven(database: Database, world: World, blob: BlobOf) -> World:
    """The project with seven packages, the number n of them holding n files; one more is hidden."""
    with database.write() as session:
        for number, name in enumerate(["beta", "alpha", "Gamma", "delta", "alpha", "zeta", "scorer"]):
            kind = ML_MODEL if name == "scorer" else GENERIC
            named = PackageName(kind, name, f"1.{number}")
            package = ensure_package(session, world.project_id, named, creator_id=None)
            for file in range(number):
                put_file(session, package, f"file-{file}", blob("x" * number))
        ensure_package(
            session, world.project_id, PackageName(GENERIC, "secret", "1"), creator_id=None
        ).status = "hidden"
    return world


@pytest.mark.parametrize(
    ("wanted", "order_by", "descending", "names"),
    [
        (PackageFilter(), "created_at", False, ["beta", "alpha", "Gamma", "delta", "alpha", "zeta", "scorer"]),
        (PackageFilter(), "created_at", True, ["scorer", "zeta", "alpha", "delta", "Gamma", "alpha", "beta"]),
        (PackageFilter(search="ALP"), "version", True, ["alpha", "alpha"]),
        (PackageFilter(search="%"), "name", False, []),
        (PackageFilter(kind=ML_MODEL), "name", False, ["scorer"]),
        (PackageFilter(version="1.2"), "type", False, ["Gamma"]),
        (PackageFilter(status="hidden"), "type", False, ["secret"]),
        (PackageFilter(kind="maven"), "type", False, []),
        (PackageFilter(status="error"), "type", False, []),
    ],
)
def test_packages_are_found(
    database: Database, seven: World, wanted: PackageFilter, order_by: str, *, descending: bool, names: list[str]
) -> None:
    with database.read() as session:
        project = seven.project(session)
        found, total = search_packages(
            session, seven.guest.actor, project, wanted, order_by=order_by, descending=descending
        )
        assert [package.name for package in found] == names
        assert total == len(names)


@pytest.mark.parametrize("order_by", ["created_at", "name", "version", "type"])
@pytest.mark.parametrize("descending", [True, False])
def test_pages_by_key_hold_every_package_once(
    database: Database, seven: World, order_by: str, *, descending: bool
) -> None:
    with database.read() as session:
        project = seven.project(session)
        whole, _ = search_packages(session, seven.guest.actor, project, order_by=order_by, descending=descending)
        found: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page = packages_page(
                session, seven.guest.actor, project, order_by=order_by, descending=descending, cursor=cursor, limit=2
            )
            found += [item.package.id for item in page.items]
            cursor = page.next_cursor
        assert found == [package.id for package in whole]


def test_pages_tell_sizes(database: Database, seven: World) -> None:
    with database.read() as session:
        page = packages_page(session, seven.guest.actor, seven.project(session), descending=False)
        assert [(item.files, item.size_bytes) for item in page.items] == [(n, n * n) for n in range(7)]


def test_an_unknown_order_or_cursor_is_refused(database: Database, seven: World) -> None:
    with database.read() as session:
        project = seven.project(session)
        with pytest.raises(Invalid):
            search_packages(session, seven.guest.actor, project, order_by="size")
        with pytest.raises(Invalid):
            packages_page(session, seven.guest.actor, project, cursor="nonsense")
        by_name = packages_page(session, seven.guest.actor, project, order_by="name", limit=1).next_cursor
        with pytest.raises(Invalid, match="another order"):
            packages_page(session, seven.guest.actor, project, order_by="created_at", cursor=by_name)


def test_a_generic_file_goes_in_and_comes_out(database: Database, world: World, blob: BlobOf) -> None:
    with database.write() as session:
        project = world.project(session)
        check_generic_upload(session, world.developer.actor, project, FILE)
        put = put_generic_file(session, world.developer.actor, project, FILE, blob("tool"))
        assert get_generic_file(session, world.guest.actor, project, FILE) == put
        package = get_package(session, world.guest.actor, project, put.package_id)
        assert (package.kind, package.name, package.version, package.status) == (GENERIC, "tool", "1.0", "default")
        assert list_package_files(session, world.guest.actor, project, package).items == [put]
        assert search_package_files(session, world.guest.actor, project, package) == ([put], 1)
        assert [entry.name for entry in list_package_folder(session, world.guest.actor, project, package)] == ["bin"]
        assert get_package_file(session, world.guest.actor, project, package, put.id) == put
        put_generic_file(session, world.developer.actor, project, FILE, blob("tool"), status="hidden")
        assert package.status == "hidden"


@pytest.mark.parametrize(
    "file",
    [
        GenericFile("ml_candidate_3", "-", "x"),
        GenericFile("ml_logged_model_m-0", "-", "x"),
        GenericFile("a b", "1", "x"),
        GenericFile("a", "1/2", "x"),
        GenericFile("a", "1", "x y"),
        GenericFile("a", "1", "../x"),
    ],
)
def test_a_bad_generic_upload_is_refused_before_its_bytes(database: Database, world: World, file: GenericFile) -> None:
    with database.read() as session, pytest.raises(Invalid):
        check_generic_upload(session, world.developer.actor, world.project(session), file)


def test_what_is_not_there_is_not_found(database: Database, world: World, seven: World) -> None:
    with database.read() as session:
        project, guest = world.project(session), world.guest.actor
        package = search_packages(session, guest, project)[0][0]
        for missing in (
            lambda: get_package(session, guest, project, 10**9),
            lambda: get_package_file(session, guest, project, package, 10**9),
            lambda: get_generic_file(session, guest, project, FILE),
            lambda: get_generic_file(session, guest, project, GenericFile("alpha", "1.1", "nothing")),
        ):
            with pytest.raises(NotFound):
                missing()
    assert seven is world


def refusals(session: Session, world: World, blob: BlobOf) -> dict[str, list[type[ModelyardError] | None]]:
    """What reading, writing and deleting answer to everybody."""
    project = world.project(session)
    package_id = put_generic_file(session, world.owner.actor, project, FILE, blob("tool")).package_id
    outcomes: dict[str, list[type[ModelyardError] | None]] = {}
    for name in ("anonymous", "stranger", "guest", "reporter", "developer", "maintainer"):
        actor = ANONYMOUS if name == "anonymous" else getattr(world, name).actor
        outcomes[name] = []
        for attempt in (
            lambda actor=actor: get_generic_file(session, actor, project, FILE),
            lambda actor=actor: check_generic_upload(session, actor, project, FILE),
            lambda actor=actor: put_generic_file(session, actor, project, FILE, blob("tool")),
            lambda actor=actor: delete_package_file(
                session, actor, project, get_package(session, actor, project, package_id), 0
            ),
        ):
            try:
                attempt()
            except ModelyardError as error:
                outcomes[name].append(type(error))
            else:
                outcomes[name].append(None)
    return outcomes


def test_roles_may_what_they_may(database: Database, world: World, blob: BlobOf) -> None:
    with database.write() as session:
        # Deleting file 0, which is not there, is NotFound to those who may delete.
        assert refusals(session, world, blob) == {
            "anonymous": [Hidden, Hidden, Hidden, Hidden],
            "stranger": [Hidden, Hidden, Hidden, Hidden],
            "guest": [None, Forbidden, Forbidden, Forbidden],
            "reporter": [None, Forbidden, Forbidden, Forbidden],
            "developer": [None, None, None, Forbidden],
            "maintainer": [None, None, None, NotFound],
        }


def test_a_switched_off_registry_is_not_there(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        switches = {"package_registry_access_level": "disabled"}
        update_project(session, world.owner.actor, project, switches=switches)
        for attempt in (search_packages, packages_page):
            with pytest.raises(NotFound):
                attempt(session, world.owner.actor, project)


def test_another_projects_package_is_not_there(database: Database, world: World, blob: BlobOf) -> None:
    with database.write() as session:
        other = create_project(session, world.owner.actor, name="other")
        put = put_generic_file(session, world.owner.actor, other, FILE, blob("tool"))
        with pytest.raises(NotFound):
            get_package(session, world.owner.actor, world.project(session), put.package_id)


def test_packages_and_files_are_deleted(database: Database, world: World, blob: BlobOf) -> None:
    with database.write() as session:
        project, maintainer = world.project(session), world.maintainer.actor
        first = put_generic_file(session, maintainer, project, FILE, blob("tool"))
        second = put_generic_file(session, maintainer, project, GenericFile("tool", "1.0", "README"), blob("read"))
        package = get_package(session, maintainer, project, first.package_id)
        delete_package_file(session, maintainer, project, package, first.id)
        assert list_package_files(session, maintainer, project, package).items == [second]
        delete_package(session, maintainer, project, package)
    with database.read() as session, pytest.raises(NotFound):
        get_package(session, world.maintainer.actor, world.project(session), first.package_id)

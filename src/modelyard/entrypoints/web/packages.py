"""The package registry of a project: its packages, and the files of one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.users import get_user
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.packages.contents import StoredFile
from modelyard.domains.packages.holdings import holdings_of
from modelyard.domains.packages.quotas import Storage, read_storage
from modelyard.domains.packages.registry import (
    RESERVED,
    PackageFilter,
    PackageSummary,
    delete_package,
    get_package,
    get_package_file,
    list_package_files,
    packages_page,
    search_packages,
    summarize_package,
)
from modelyard.domains.packages.tables import Package
from modelyard.domains.tracking.numbered import briefs_of
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web import snippets
from modelyard.entrypoints.web.candidate_lists import CANDIDATES
from modelyard.entrypoints.web.chrome import FormState, Link, Toast
from modelyard.entrypoints.web.deletions import Deletion, deletion_of
from modelyard.entrypoints.web.downloads import Download
from modelyard.entrypoints.web.formatting import quantity, size
from modelyard.entrypoints.web.grid import SortLink
from modelyard.entrypoints.web.listing import shown_of
from modelyard.entrypoints.web.navigation import PACKAGES, PROJECT_ROUTE, Opened, open_place
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Paging, Visit, Where, search_address
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid

CURRENT = "Packages"
PER_PAGE = 50
FILES_PER_PAGE = 200
ALMOST_FULL = 0.1
SORTS = {"name": ("name", "Package"), "created": ("created_at", "Created")}
_CANDIDATE_NAME = re.compile(rf"{RESERVED[0]}([0-9]{{1,18}})")


@dataclass(frozen=True, slots=True)
class PackageOwner:
    """The candidate whose files a package holds."""

    iid: int
    name: str
    url: str
    deletion: Deletion | None


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A package as the list shows it."""

    name: str
    version: str
    kind: str
    url: str
    file_count: int
    size_bytes: int
    created_at: datetime
    candidate: PackageOwner | None


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    read, delete = needs(Ability.READ_PACKAGES), needs(Ability.DELETE_PACKAGES)
    url = PROJECT_ROUTE + PACKAGES
    pages.get(url, read, show_packages, is_heavy=True)
    pages.get(url + "/{package:int}", read, show_package, is_heavy=True)
    pages.get(url + "/{package:int}/files/{file:int}", read, download)
    pages.get(url + "/{package:int}/delete", delete, show_deletion)
    pages.post(url + "/{package:int}/delete", delete, remove)


def show_packages(visit: Visit) -> Response:
    query, sort = visit.query("q"), visit.query("sort") or "-created"
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise Invalid(f"Packages are sorted by {', '.join(SORTS)}.")
    with visit.read() as (session, actor):
        opened, project = _open(visit, session, actor, Ability.READ_PACKAGES)
        wanted = PackageFilter(search=query)
        page = packages_page(
            session,
            actor,
            project,
            wanted,
            order_by=SORTS[name][0],
            descending=sort.startswith("-"),
            cursor=visit.query("cursor") or None,
            limit=PER_PAGE,
        )
        held = holdings_of(session, actor, project)
        storage = read_storage(session, actor, project)
        owners = _owners(visit, session, actor, opened, [summary.package for summary in page.items])
        matches = search_packages(session, actor, project, wanted, limit=1)[1] if query else held.packages
    url = opened.url + PACKAGES
    here = {"q": query, "sort": visit.query("sort")}
    return visit.page(
        "packages/index.html",
        opened.where,
        project={"name": project.name},
        heading_facts=[quantity(held.packages, "package"), quantity(held.files, "file"), *_room(storage)],
        fullness=_fullness(storage),
        is_empty=not held.packages,
        list_url=url,
        query=query,
        sort=visit.query("sort"),
        sorts={key: _sort_link(url, query, sort, key) for key in SORTS},
        packages=[_row(summary, url, owners.get(summary.package.id)) for summary in page.items],
        has_candidates=bool(owners),
        page=Paging(
            search_address(url, **here) if visit.query("cursor") else "",
            search_address(url, **here, cursor=page.next_cursor) if page.next_cursor else "",
        ),
        page_sentence=shown_of(len(page.items), matches, "package"),
        snippet=snippets.upload_file(visit.installation.settings.url, project),
    )


def _room(storage: Storage) -> list[str]:
    """How much is stored, of how much there may be; parts of uploads that are not complete count too."""
    used = size(storage.size_bytes + storage.part_bytes)
    whole = f"{used} stored" if storage.most_bytes is None else f"{used} of {size(storage.most_bytes)} used"
    return [whole, f"{size(storage.part_bytes)} of it in unfinished uploads"] if storage.part_bytes else [whole]


def _fullness(storage: Storage) -> str:
    """A warning before uploads are refused."""
    if storage.most_bytes is None or storage.left_bytes is None:
        return ""
    if not storage.left_bytes:
        return "storage full"
    return "storage almost full" if storage.left_bytes < storage.most_bytes * ALMOST_FULL else ""


def _open(visit: Visit, session: Session, actor: Actor, ability: Ability) -> tuple[Opened, Project]:
    opened = open_place(visit, session, actor, CURRENT, ability, title="Packages")
    assert isinstance(opened.place, Project)  # noqa: S101  # these addresses name projects only
    return opened, opened.place


def _sort_link(url: str, query: str, sort: str, key: str) -> SortLink:
    directions = {key: "ascending", f"-{key}": "descending"}
    turned = f"-{key}" if sort == key or (sort != f"-{key}" and key == "created") else key
    return SortLink(SORTS[key][1], search_address(url, q=query, sort=turned), directions.get(sort, ""))


def _row(summary: PackageSummary, url: str, candidate: PackageOwner | None) -> PackageRow:
    package = summary.package
    return PackageRow(
        package.name,
        package.version,
        package.kind,
        f"{url}/{package.id}",
        summary.files,
        summary.size_bytes,
        package.created_at,
        candidate,
    )


def show_package(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened, project = _open(visit, session, actor, Ability.READ_PACKAGES)
        package = get_package(session, actor, project, visit.number("package"))
        page = list_package_files(
            session, actor, project, package, cursor=visit.query("cursor") or None, limit=FILES_PER_PAGE
        )
        totals = summarize_package(session, actor, project, package)
        candidate = _owners(visit, session, actor, opened, [package]).get(package.id)
        creator = (
            get_user(session, actor, package.creator_id, with_deleted=True)
            if package.creator_id and visit.viewer
            else None
        )
    url = f"{opened.url}{PACKAGES}/{package.id}"
    path = page.items[0].path if page.items else "FILE"
    server = visit.installation.settings.url
    return visit.page(
        "packages/show.html",
        _below(opened, package, url),
        package={
            "name": package.name,
            "version": package.version,
            "kind": package.kind,
            "url": url,
            "file_count": totals.files,
            "size_bytes": totals.size_bytes,
            "created_at": package.created_at,
            "creator": creator,
            "candidate": candidate,
        },
        heading_facts=[
            f"version {package.version}",
            quantity(totals.files, "file"),
            size(totals.size_bytes),
            *([f"candidate {candidate.deletion.sentence}"] if candidate and candidate.deletion else []),
        ],
        may={"delete_packages": opened.may(Ability.DELETE_PACKAGES)},
        files=[_file(file, url) for file in page.items],
        page=Paging(
            url if visit.query("cursor") else "",
            search_address(url, cursor=page.next_cursor or "") if page.next_cursor else "",
        ),
        page_sentence=shown_of(len(page.items), totals.files, "file"),
        snippet=snippets.download_file(server, project, package.name, package.version, quote(path)),
    )


def _below(opened: Opened, package: Package, url: str) -> Where:
    """A page of one package, below the list."""
    crumbs = (*opened.where.crumbs[:-1], Link("Packages", opened.url + PACKAGES), Link(package.name, url))
    return Where((package.name, *opened.where.titles[1:]), opened.where.place, crumbs)


def _owners(
    visit: Visit, session: Session, actor: Actor, opened: Opened, packages: Sequence[Package]
) -> dict[int, PackageOwner]:
    """The candidates whose files these packages hold, by the package's id, for those who may see candidates."""
    named = {package.id: _CANDIDATE_NAME.fullmatch(package.name) for package in packages}
    numbers = {id_: int(name[1]) for id_, name in named.items() if name is not None}
    if not opened.may(Ability.READ_TRACKING) or not isinstance(opened.place, Project):
        return {}
    days, url = visit.installation.settings.deletion_days, opened.url + CANDIDATES
    known = briefs_of(session, actor, opened.place, set(numbers.values()))
    return {
        id_: PackageOwner(number, known[number].name, f"{url}/{number}", deletion_of(known[number].deleted_ms, days))
        for id_, number in numbers.items()
        if number in known
    }


def _file(file: StoredFile, url: str) -> dict[str, object]:
    return {
        "path": file.path,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "created_at": file.created_at,
        "download_url": f"{url}/files/{file.id}",
    }


def download(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        _, project = _open(visit, session, actor, Ability.READ_PACKAGES)
        package = get_package(session, actor, project, visit.number("package"))
        file = get_package_file(session, actor, project, package, visit.number("file"))
    return Download(visit.installation.store, file)


def show_deletion(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened, project = _open(visit, session, actor, Ability.DELETE_PACKAGES)
        package = get_package(session, actor, project, visit.number("package"))
    url = f"{opened.url}{PACKAGES}/{package.id}"
    return visit.task(
        "layouts/confirm.html",
        _below(opened, package, url),
        heading=f"Delete package {package.name} {package.version}",
        action=f"{url}/delete",
        form_state=FormState(),
        sentences=["Its files are deleted with it. This cannot be undone."],
        phrase="",
        submit_label=f"Delete package {package.name}",
        cancel_url=url,
    )


def remove(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        opened, project = _open(visit, session, actor, Ability.DELETE_PACKAGES)
        package = get_package(session, actor, project, visit.number("package"))
        delete_package(session, actor, project, package)
    return visit.go(opened.url + PACKAGES, Toast(f"Package {package.name} deleted."))

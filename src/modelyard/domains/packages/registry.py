"""The package registry of a project, after GitLab's conventions: listing, generic uploads and downloads, deleting."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, UnaryExpression, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.packages.contents import (
    GENERIC,
    FolderEntry,
    PackageName,
    StoredFile,
    ensure_package,
    files_below,
    find_file,
    find_file_by_id,
    find_package,
    folder_entries,
    numbered_files,
    put_file,
    remove_files,
    remove_package,
    room_at,
)
from modelyard.domains.packages.paths import file_path, folder_path, generic_file_path, package_name, package_version
from modelyard.domains.packages.tables import Blob, Package, PackageFile
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.pagination import CursorValue, Page, decode_cursor, encode_cursor
from modelyard.platform.storage.blobs import StoredBlob

STATUSES = ("default", "hidden")
# Packages of candidates and logged models, which are filled through the MLflow protocol only.
RESERVED = ("ml_candidate_", "ml_logged_model_")
MISSING_PACKAGE = "There is no such package, or you cannot see it."
MISSING_FILE = "There is no such file in the package."

ORDERS: dict[str, InstrumentedAttribute[str] | InstrumentedAttribute[int]] = {
    "created_at": Package.id,
    "name": Package.name,
    "version": Package.version,
    "type": Package.kind,
}


@dataclass(frozen=True)
class PackageFilter:
    """Which packages a list shows: `search` is a part of the name, in any case."""

    kind: str | None = None
    search: str = ""
    version: str | None = None
    status: str = "default"


@dataclass(frozen=True)
class GenericFile:
    """A file of a generic package, as its address spells it."""

    name: str
    version: str
    path: str


@dataclass(frozen=True)
class PackageSummary:
    """A package with how many files and bytes it holds."""

    package: Package
    files: int
    size_bytes: int


def search_packages(
    session: Session,
    actor: Actor,
    project: Project,
    wanted: PackageFilter = PackageFilter(),  # frozen
    *,
    order_by: str = "created_at",
    descending: bool = False,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[Package], int]:
    """Packages that match, a numbered page at a time as GitLab's clients ask, and how many there are in all.

    Raises:
        NotFound, Forbidden
        Invalid: an order that there is not.
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    chosen = _matching(project, wanted)
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    ordered = chosen.order_by(*_order(order_by, descending=descending))
    return list(session.scalars(ordered.limit(limit).offset(offset))), total


def packages_page(
    session: Session,
    actor: Actor,
    project: Project,
    wanted: PackageFilter = PackageFilter(),  # frozen
    *,
    order_by: str = "created_at",
    descending: bool = True,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[PackageSummary]:
    """Packages that match with their sizes, by key.

    Raises:
        NotFound, Forbidden
        Invalid: an order or cursor that there is not.
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    chosen = _matching(project, wanted)
    order = _order(order_by, descending=descending)
    if cursor:
        column, here = ORDERS[order_by], tuple_(ORDERS[order_by], Package.id)
        last = decode_cursor(cursor, length=2)
        if not isinstance(last[0], column.type.python_type) or not isinstance(last[1], int):
            raise Invalid("This page token belongs to another order. Begin again without one.")
        chosen = chosen.where(here < tuple_(*last) if descending else here > tuple_(*last))
    packages = list(session.scalars(chosen.order_by(*order).limit(limit + 1)))
    items = _summaries(session, packages[:limit])
    if len(packages) <= limit:
        return Page(items)
    last_package = packages[limit - 1]
    key: CursorValue = getattr(last_package, ORDERS[order_by].key)
    return Page(items, encode_cursor([key, last_package.id]))


def _matching(project: Project, wanted: PackageFilter) -> Select[Package]:
    chosen = select(Package).where(Package.project_id == project.id, Package.status == wanted.status)
    if wanted.kind is not None:
        chosen = chosen.where(Package.kind == wanted.kind)
    if wanted.search:
        chosen = chosen.where(func.lower(Package.name).contains(wanted.search.lower(), autoescape=True))
    if wanted.version is not None:
        chosen = chosen.where(Package.version == wanted.version)
    return chosen


def _order(order_by: str, *, descending: bool) -> list[UnaryExpression[str] | UnaryExpression[int]]:
    if order_by not in ORDERS:
        raise Invalid(f"Packages are ordered by {', '.join(ORDERS)}.")
    columns = [ORDERS[order_by], Package.id]
    return [column.desc() if descending else column.asc() for column in columns]


def _summaries(session: Session, packages: Sequence[Package]) -> list[PackageSummary]:
    """The same packages with their sizes, in one query."""
    ids = [package.id for package in packages]
    rows = session.execute(
        select(PackageFile.package_id, func.count(), func.sum(Blob.size_bytes))
        .join(Blob, Blob.sha256 == PackageFile.sha256)
        .where(PackageFile.package_id.in_(ids))
        .group_by(PackageFile.package_id)
    )
    sizes = {package_id: (files, int(size_bytes)) for package_id, files, size_bytes in rows}
    return [PackageSummary(package, *sizes.get(package.id, (0, 0))) for package in packages]


def get_package(session: Session, actor: Actor, project: Project, package_id: int) -> Package:
    """A package of this project.

    Raises:
        NotFound, Forbidden
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    package = session.get(Package, package_id)
    if package is None or package.project_id != project.id:
        raise NotFound(MISSING_PACKAGE)
    return package


def summarize_package(session: Session, actor: Actor, project: Project, package: Package) -> PackageSummary:
    """A package with its size.

    Raises:
        NotFound, Forbidden
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    return _summaries(session, [package])[0]


def list_package_files(
    session: Session, actor: Actor, project: Project, package: Package, *, cursor: str | None = None, limit: int = 100
) -> Page[StoredFile]:
    """Every file of a package, by path.

    Raises:
        NotFound, Forbidden
        Invalid: the cursor.
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    return files_below(session, package.id, cursor=cursor, limit=limit)


def search_package_files(
    session: Session, actor: Actor, project: Project, package: Package, *, limit: int = 20, offset: int = 0
) -> tuple[list[StoredFile], int]:
    """The files of a package in the order in which they came, a numbered page at a time, and how many there are.

    Raises:
        NotFound, Forbidden
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    return numbered_files(session, package.id, limit=limit, offset=offset)


def list_package_folder(
    session: Session, actor: Actor, project: Project, package: Package, folder: str = ""
) -> list[FolderEntry]:
    """One level of a package's files.

    Raises:
        NotFound, Forbidden
        Invalid: the path.
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    return folder_entries(session, package.id, folder_path(folder))


def get_package_file(session: Session, actor: Actor, project: Project, package: Package, file_id: int) -> StoredFile:
    """A file of a package by its number.

    Raises:
        NotFound, Forbidden
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    found = find_file_by_id(session, package.id, file_id)
    if found is None:
        raise NotFound(MISSING_FILE)
    return found


def check_generic_upload(session: Session, actor: Actor, project: Project, file: GenericFile) -> int | None:
    """All that can be said against an upload before its bytes arrive; how many there may be, None for any number.

    Raises:
        NotFound, Forbidden
        Invalid: the name, version or path.
    """
    require(session, actor, Ability.WRITE_PACKAGES, project)
    return room_at(session, project.id, _generic_name(file), generic_file_path(file.path))


def put_generic_file(
    session: Session,
    actor: Actor,
    project: Project,
    file: GenericFile,
    blob: StoredBlob,
    *,
    status: str | None = None,
) -> StoredFile:
    """Put a file into a generic package, which is made if it is missing. A `status` is the whole package's.

    Raises:
        NotFound, Forbidden
        Invalid: the name, version, path or status.
        Conflict: the path is a folder, or lies below a file.
        TooLarge: the project would hold more than it may.
    """
    check_generic_upload(session, actor, project, file)
    package = ensure_package(session, project.id, _generic_name(file), creator_id=actor.user_id)
    if status is not None:
        if status not in STATUSES:
            raise Invalid(f"The status of a package is one of {', '.join(STATUSES)}.")
        package.status = status
    return put_file(session, package, generic_file_path(file.path), blob)


def _generic_name(file: GenericFile) -> PackageName:
    if file.name.startswith(RESERVED):
        raise Invalid(f"Packages named {file.name} are filled by logging artifacts with MLflow. Choose another name.")
    return PackageName(GENERIC, package_name(file.name), package_version(file.version))


def get_generic_file(session: Session, actor: Actor, project: Project, file: GenericFile) -> StoredFile:
    """A file of a generic package, which may also be a candidate's.

    Raises:
        NotFound, Forbidden
        Invalid: the path.
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    package = find_package(session, project.id, PackageName(GENERIC, file.name, file.version))
    found = find_file(session, package.id, file_path(file.path)) if package is not None else None
    if found is None:
        raise NotFound(MISSING_FILE)
    return found


def delete_package(session: Session, actor: Actor, project: Project, package: Package) -> None:
    """Delete a package with its files.

    Raises:
        NotFound, Forbidden
    """
    require(session, actor, Ability.DELETE_PACKAGES, project)
    remove_package(session, package, actor_id=actor.user_id)


def delete_package_file(session: Session, actor: Actor, project: Project, package: Package, file_id: int) -> None:
    """Delete one file of a package.

    Raises:
        NotFound, Forbidden
    """
    require(session, actor, Ability.DELETE_PACKAGES, project)
    found = find_file_by_id(session, package.id, file_id)
    if found is None:
        raise NotFound(MISSING_FILE)
    remove_files(session, package, found.path, actor_id=actor.user_id)

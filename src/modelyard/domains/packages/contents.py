"""What packages hold. Steps of use cases here and in the domains above, which have asked for the ability before."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Executable,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session

from modelyard.domains.packages.events import FilesDeleted, PackageCreated, PackageDeleted
from modelyard.domains.packages.paths import ancestors, folded
from modelyard.domains.packages.quotas import refuse_overfull, room_for
from modelyard.domains.packages.tables import Blob, Package, PackageFile
from modelyard.platform.clock import now
from modelyard.platform.errors import Busy, Conflict
from modelyard.platform.events import publish
from modelyard.platform.inserting import insert_for, insert_into
from modelyard.platform.pagination import Page, decode_cursor, encode_cursor
from modelyard.platform.storage.blobs import StoredBlob

GENERIC = "generic"
ML_MODEL = "ml_model"
# Bytes without a row are removed after a day; long before that they are not relied on.
LONGEST_WAIT = timedelta(hours=12)
AFTER_SLASH = "0"
"""The character after `/`: paths below a folder are those from `folder/` up to `folder0`."""


@dataclass(frozen=True)
class PackageName:
    """What a package is known by in its project."""

    kind: str
    name: str
    version: str


@dataclass(frozen=True)
class StoredFile:
    """A file of a package, with the digests of its bytes and their name in the store."""

    id: int
    package_id: int
    path: str
    sha256: str
    md5: str
    sha1: str
    size_bytes: int
    created_at: datetime
    blob_name: str


@dataclass(frozen=True)
class FolderEntry:
    """What a folder shows: a file, or a folder with how many files and bytes lie below it."""

    name: str
    is_folder: bool
    size_bytes: int
    files: int
    changed_at: datetime


# Statements that every file needs are made once: SQLAlchemy takes longer over making one than over running it. Those
# that write name the tables rather than the classes: the unit of work has nothing to add to them.
_packages, _blobs, _files = (Package.metadata.tables[kind.__tablename__] for kind in (Package, Blob, PackageFile))
_PACKAGE = select(Package).where(
    Package.project_id == bindparam("project_id"),
    Package.kind == bindparam("kind"),
    Package.name == bindparam("name"),
    Package.version == bindparam("version"),
)
_FILES = select(
    PackageFile.id,
    PackageFile.package_id,
    PackageFile.path,
    Blob.sha256,
    Blob.md5,
    Blob.sha1,
    Blob.size_bytes,
    PackageFile.created_at,
    Blob.name,
).join(Blob, Blob.sha256 == PackageFile.sha256)
_FILE = _FILES.where(PackageFile.package_id == bindparam("package_id"), PackageFile.path == bindparam("path"))
_TOUCH = (
    update(_packages)
    .where(_packages.c.id == bindparam("package_id"))
    .values(updated_at=bindparam("moment"))
    .returning(_packages.c.id)
)
_SHADOWS = (
    select(PackageFile.path)
    .where(
        PackageFile.package_id == bindparam("package_id"),
        or_(
            PackageFile.path.in_(bindparam("above", expanding=True)),
            and_(PackageFile.path >= bindparam("first_below"), PackageFile.path < bindparam("after_below")),
        ),
    )
    .limit(1)
)


@functools.cache
def _upserts(dialect: str) -> tuple[Executable, Executable]:
    """Statements that put a blob and a file, whether or not they are there."""
    blob, file = insert_for(dialect, _blobs), insert_for(dialect, _files)
    return (
        # Bytes that are there keep their name. From now on they are used, whatever the sweep has seen.
        blob.on_conflict_do_update(index_elements=["sha256"], set_={"unused_at": null()}).returning(_blobs.c.name),
        file.on_conflict_do_update(
            index_elements=["package_id", "path"],
            set_={"sha256": file.excluded.sha256, "created_at": file.excluded.created_at},
        ).returning(_files.c.id),
    )


def find_package(session: Session, project_id: int, name: PackageName) -> Package | None:
    """The package of that name, None when nothing was ever put into it."""
    values = {"project_id": project_id, "kind": name.kind, "name": name.name, "version": name.version}
    return session.scalar(_PACKAGE, values)


def ensure_package(session: Session, project_id: int, name: PackageName, *, creator_id: int | None) -> Package:
    """The package of that name, made if it is missing."""
    if found := find_package(session, project_id, name):
        return found
    moment = now()
    added = session.execute(
        insert_into(session, Package)
        .values(
            project_id=project_id,
            kind=name.kind,
            name=name.name,
            version=name.version,
            status="default",
            creator_id=creator_id,
            created_at=moment,
            updated_at=moment,
        )
        .on_conflict_do_nothing()
        .returning(Package.id)
    ).scalar()
    package = find_package(session, project_id, name)
    if package is None:
        raise Conflict("The package was deleted while something was put into it. Try again.")
    if added is not None:
        publish(session, PackageCreated(creator_id, project_id, package.id, name.kind, name.name, name.version))
    return package


def put_file(session: Session, package: Package, path: str, blob: StoredBlob) -> StoredFile:
    """Let `path` name these bytes; nothing changes if it does already.

    The store has the bytes in full before this is called, so that no row is ever without them. If it had the same
    bytes before, those are the file's, and what came now is superfluous: the answer's `blob_name` is another one.

    Raises:
        Busy: the bytes came so long ago that they may be swept.
        Conflict: the path is a folder, lies below a file, or some file systems would take it for another one.
        TooLarge: the project would hold more than it may.
    """
    digests, moment = blob.digests, now()
    if blob.stored_at < moment - LONGEST_WAIT:
        raise Busy("This upload was interrupted for too long. Send the file again.")
    found = find_file(session, package.id, path)
    if found is not None and found.sha256 == digests.sha256:
        return found
    # On PostgreSQL this row is also the lock under which the checks below stay true.
    if session.execute(_TOUCH, {"package_id": package.id, "moment": moment}).scalar() is None:
        raise Conflict("The package was deleted while something was put into it. Try again.")
    if found is None:
        _refuse_shadows(session, package, path)
    put_blob, put_row = _upserts(session.get_bind().dialect.name)
    blob_row = {"name": blob.name, "created_at": moment, **vars(digests)}
    blob_name = session.execute(put_blob, blob_row).scalar_one()
    row = {"package_id": package.id, "project_id": package.project_id, "path": path}
    file_id = session.execute(put_row, {**row, "sha256": digests.sha256, "created_at": moment}).scalar_one()
    if found is None or found.size_bytes < digests.size_bytes:
        refuse_overfull(session, package.project_id)
    return StoredFile(
        id=file_id, package_id=package.id, path=path, created_at=moment, blob_name=blob_name, **vars(digests)
    )


def _refuse_shadows(session: Session, package: Package, path: str) -> None:
    """No file is a folder too, so that every client can write the files of a package to a disk."""
    around = {"above": ancestors(path), "first_below": f"{path}/", "after_below": f"{path}{AFTER_SLASH}"}
    other = session.scalar(_SHADOWS, {"package_id": package.id, **around})
    if other is not None and other.startswith(f"{path}/"):
        raise Conflict(f"{path!r} is a folder. Choose another path.")
    if other is not None:
        raise Conflict(f"{other!r} is a file, so nothing can be put below it. Choose another path.")
    if package.kind == ML_MODEL:
        _refuse_twins(session, package, path)


def _refuse_twins(session: Session, package: Package, path: str) -> None:
    """Models are downloaded to every kind of disk: neither a file nor a folder may differ by case alone."""
    wanted = {folded(name): name for name in [*ancestors(path), path]}
    for other in session.scalars(select(PackageFile.path).where(PackageFile.package_id == package.id)):
        for name in [*ancestors(other), other]:
            if wanted.get(folded(name), name) != name:
                raise Conflict(f"{path!r} and {other!r} are the same name on some file systems. Choose another path.")


def is_below(folder: str) -> ColumnElement[bool]:
    """A condition on `PackageFile`: it lies somewhere below `folder`; the empty folder is the package itself."""
    if not folder:
        return true()
    # Every path that begins with "folder/" and no other.
    return and_(PackageFile.path >= f"{folder}/", PackageFile.path < f"{folder}{AFTER_SLASH}")


def _stored(row: Row[int, int, str, str, str, str, int, datetime, str] | None) -> StoredFile | None:
    return None if row is None else StoredFile(*row)


def find_file(session: Session, package_id: int, path: str) -> StoredFile | None:
    """The file at `path`."""
    return _stored(session.execute(_FILE, {"package_id": package_id, "path": path}).one_or_none())


def room_at(session: Session, project_id: int, name: PackageName, path: str) -> int | None:
    """How many bytes a file may have that is put there; None for any number."""
    package = find_package(session, project_id, name)
    there = None if package is None else find_file(session, package.id, path)
    return room_for(session, project_id, replaced_bytes=there.size_bytes if there else 0)


def find_file_by_id(session: Session, package_id: int, file_id: int) -> StoredFile | None:
    """The file of that number, if it is in this package."""
    wanted = _FILES.where(PackageFile.package_id == package_id, PackageFile.id == file_id)
    return _stored(session.execute(wanted).one_or_none())


def has_files(session: Session, package_id: int, folder: str = "") -> bool:
    """Whether anything lies below `folder`."""
    here = select(PackageFile.id).where(PackageFile.package_id == package_id, is_below(folder))
    return session.scalar(here.limit(1)) is not None


def folder_entries(session: Session, package_id: int, folder: str = "") -> list[FolderEntry]:
    """The files and folders directly in `folder`, by name; nothing when there is no such folder."""
    find = func.instr if session.get_bind().dialect.name == "sqlite" else func.strpos
    rest = func.substr(PackageFile.path, len(folder) + 2 if folder else 1)
    slash = find(rest, "/")
    name = case((slash == 0, rest), else_=func.substr(rest, 1, slash - 1)).label("name")
    is_folder = (slash > 0).label("is_folder")
    level = (
        select(name, is_folder, Blob.size_bytes, PackageFile.created_at)
        .join(Blob, Blob.sha256 == PackageFile.sha256)
        .where(PackageFile.package_id == package_id, is_below(folder))
        .subquery()
    )
    rows = session.execute(
        select(
            level.c.name,
            level.c.is_folder,
            func.sum(level.c.size_bytes),
            func.count(),
            func.max(level.c.created_at),
        ).group_by(level.c.name, level.c.is_folder)
    )
    entries = [FolderEntry(row[0], bool(row[1]), int(row[2]), row[3], row[4]) for row in rows]
    return sorted(entries, key=lambda entry: entry.name)


def files_below(
    session: Session, package_id: int, folder: str = "", *, cursor: str | None = None, limit: int = 1000
) -> Page[StoredFile]:
    """Every file below `folder`, by path.

    Raises:
        Invalid: the cursor.
    """
    wanted = _FILES.where(PackageFile.package_id == package_id, is_below(folder))
    if cursor:
        (last,) = decode_cursor(cursor, length=1)
        wanted = wanted.where(PackageFile.path > str(last))
    rows = session.execute(wanted.order_by(PackageFile.path).limit(limit + 1)).all()
    files = [StoredFile(*row) for row in rows[:limit]]
    return Page(files, encode_cursor([files[-1].path]) if len(rows) > limit else None)


def numbered_files(session: Session, package_id: int, *, limit: int, offset: int) -> tuple[list[StoredFile], int]:
    """Files by number, and how many the package has."""
    total = session.scalar(select(func.count()).where(PackageFile.package_id == package_id)) or 0
    wanted = _FILES.where(PackageFile.package_id == package_id).order_by(PackageFile.id)
    return [StoredFile(*row) for row in session.execute(wanted.limit(limit).offset(offset))], total


def remove_files(
    session: Session, package: Package, path: str, *, actor_id: int | None, keep: Sequence[str] = ()
) -> int:
    """Remove the file at `path` or everything below it, except what lies below the folders in `keep`.

    Answers how many files that were; their bytes are swept later.
    """
    spared = [~is_below(folder) for folder in keep]
    removed = session.execute(
        delete(PackageFile)
        .where(PackageFile.package_id == package.id, or_(PackageFile.path == path, is_below(path)), *spared)
        .returning(PackageFile.id)
        .execution_options(synchronize_session=False)
    ).all()
    if removed:
        session.execute(update(Package).where(Package.id == package.id).values(updated_at=now()))
        publish(session, FilesDeleted(actor_id, package.project_id, package.id, path))
    return len(removed)


def remove_package(session: Session, package: Package, *, actor_id: int | None) -> None:
    """Remove a package with its files; their bytes are swept later."""
    publish(
        session,
        PackageDeleted(actor_id, package.project_id, package.id, package.kind, package.name, package.version),
    )
    session.execute(delete(Package).where(Package.id == package.id))

"""Packages of a project and their files, generic uploads and downloads among them."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from modelyard.domains.namespaces.access import Ability
from modelyard.domains.packages.contents import StoredFile
from modelyard.domains.packages.registry import (
    GenericFile,
    PackageFilter,
    check_generic_upload,
    delete_package,
    delete_package_file,
    get_generic_file,
    get_package,
    get_package_file,
    put_generic_file,
    search_package_files,
    search_packages,
)
from modelyard.domains.packages.repetitions import settle_repetition
from modelyard.domains.packages.tables import Package
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.rest.errors import HEADERS, naming
from modelyard.entrypoints.rest.fields import Answer, Moment, Number, Parameters, ProjectReference, Segment, Text
from modelyard.entrypoints.rest.paging import Listed, Paging, listed
from modelyard.entrypoints.rest.router import PREFIX, Asked, Asking, Routes
from modelyard.entrypoints.transfer import Download, Room, headers_of, prepare_download, receiving_file
from modelyard.platform.storage.blobs import StoredBlob

Result = TypeVar("Result")

routes = Routes("Packages")

# GitLab's types; a project here has the first two.
Kind = Literal[
    "generic", "ml_model", "cargo", "composer", "conan", "debian", "golang", "helm", "maven", "npm", "nuget", "pypi",
    "rpm", "rubygems", "terraform_module",
]  # fmt: skip
Status = Literal["default", "hidden"]
PackageId = Annotated[Number, Path(description="The number of the package.")]
FileId = Annotated[Number, Path(description="The number of the file.")]
Name = Annotated[Segment, Path(description="Letters, digits, `.`, `_`, `-`, `+`, `~` and `@`.")]
FilePath = Annotated[Segment, Path(description="The file's name, with folders before it if it has any.")]


class PackageLinks(Answer):
    """Where more of a package is."""

    web_path: str
    delete_api_path: str


class PackageAnswer(Answer):
    """A package."""

    id: int
    name: str
    version: str
    package_type: Kind
    status: Status
    created_at: Moment
    links: PackageLinks = Field(serialization_alias="_links")


class PackageFileAnswer(Answer):
    """A file of a package. `file_name` has its folders before it."""

    id: int
    package_id: int
    created_at: Moment
    file_name: str
    size: int
    file_md5: str
    file_sha1: str
    file_sha256: str


class PackagesQuery(Paging):
    """Which packages are listed, and in which order."""

    package_type: Kind | None = None
    package_name: Text = Field(default="", description="Part of a name.")
    package_version: Text | None = None
    status: Status = "default"
    order_by: Literal["created_at", "name", "version", "type"] = "created_at"
    sort: Literal["asc", "desc"] = "asc"


class UploadQuery(Parameters):
    """How an upload is answered, and whether lists show the package."""

    select: Literal["package_file"] | None = Field(default=None, description="Answer with the file.")
    status: Status | None = Field(default=None, description="`hidden` keeps the package out of lists.")


class Uploaded(Answer):
    """Answer to an upload that did not ask for the file."""

    message: str = "201 Created"


class FileResponse(Response):
    """A file as the answer, streamed."""

    def __init__(self, download: Download) -> None:
        super().__init__()
        self._download = download

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await self._download.send(receive, send)


def _answer(asked: Asked, path: str, package: Package) -> PackageAnswer:
    api_path = f"{asked.url}{PREFIX}/projects/{package.project_id}/packages/{package.id}"
    return PackageAnswer.model_validate(
        {
            "id": package.id,
            "name": package.name,
            "version": package.version,
            "package_type": package.kind,
            "status": package.status,
            "created_at": package.created_at,
            "links": PackageLinks(web_path=f"/{path}/-/packages/{package.id}", delete_api_path=api_path),
        }
    )


def _file_answer(file: StoredFile) -> PackageFileAnswer:
    return PackageFileAnswer(
        id=file.id,
        package_id=file.package_id,
        created_at=file.created_at,
        file_name=file.path,
        size=file.size_bytes,
        file_md5=file.md5,
        file_sha1=file.sha1,
        file_sha256=file.sha256,
    )


async def _on_thread(asked: Asked, work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(asked.installation.pool, work)


async def _sent(asked: Asked, request: Request, find: Callable[[], StoredFile]) -> FileResponse:
    file = await _on_thread(asked, find)
    # HEAD is routed as GET; here it matters, since the bytes would be read for nobody.
    method = request.scope["asked_method"]
    return FileResponse(await prepare_download(asked.installation.store, file, method, headers_of(request.scope)))


# Packages and their files


@routes.get("/projects/{project_id}/packages", policy=needs(Ability.READ_PACKAGES), answer=list[PackageAnswer])
def list_packages(
    asked: Asking, project_id: ProjectReference, wanted: Annotated[PackagesQuery, Query()]
) -> Listed[PackageAnswer]:
    """List the packages of a project."""
    with asked.read() as session:
        project = asked.project(session, project_id)
        packages, total = search_packages(
            session,
            asked.actor,
            project,
            PackageFilter(wanted.package_type, wanted.package_name, wanted.package_version, wanted.status),
            order_by=wanted.order_by,
            descending=wanted.sort == "desc",
            limit=wanted.limit,
            offset=wanted.offset,
        )
        return listed([_answer(asked, project.full_path, package) for package in packages], wanted, total)


@routes.get("/projects/{project_id}/packages/{package_id}", policy=needs(Ability.READ_PACKAGES), answer=PackageAnswer)
def get_one_package(asked: Asking, project_id: ProjectReference, package_id: PackageId) -> PackageAnswer:
    """Get a package."""
    with asked.read() as session, naming("Package"):
        project = asked.project(session, project_id)
        return _answer(asked, project.full_path, get_package(session, asked.actor, project, package_id))


@routes.delete("/projects/{project_id}/packages/{package_id}", policy=needs(Ability.DELETE_PACKAGES))
def delete_one_package(asked: Asking, project_id: ProjectReference, package_id: PackageId) -> None:
    """Delete a package with its files."""
    with asked.write(changes_access=False) as session:
        project = asked.project(session, project_id)
        with naming("Package"):
            package = get_package(session, asked.actor, project, package_id)
        delete_package(session, asked.actor, project, package)


@routes.get(
    "/projects/{project_id}/packages/{package_id}/package_files",
    policy=needs(Ability.READ_PACKAGES),
    answer=list[PackageFileAnswer],
)
def list_files(
    asked: Asking, project_id: ProjectReference, package_id: PackageId, wanted: Annotated[Paging, Query()]
) -> Listed[PackageFileAnswer]:
    """List the files of a package, in the order in which they came."""
    with asked.read() as session:
        project = asked.project(session, project_id)
        with naming("Package"):
            package = get_package(session, asked.actor, project, package_id)
        files, total = search_package_files(
            session, asked.actor, project, package, limit=wanted.limit, offset=wanted.offset
        )
        return listed([_file_answer(file) for file in files], wanted, total)


@routes.delete(
    "/projects/{project_id}/packages/{package_id}/package_files/{file_id}", policy=needs(Ability.DELETE_PACKAGES)
)
def delete_one_file(asked: Asking, project_id: ProjectReference, package_id: PackageId, file_id: FileId) -> None:
    """Delete a file of a package."""
    with asked.write(changes_access=False) as session:
        project = asked.project(session, project_id)
        with naming("Package"):
            package = get_package(session, asked.actor, project, package_id)
        delete_package_file(session, asked.actor, project, package, file_id)


@routes.get(
    "/projects/{project_id}/packages/{package_id}/package_files/{file_id}/download",
    policy=needs(Ability.READ_PACKAGES),
    answer=bytes,
)
async def download_file(
    asked: Asking, request: Request, project_id: ProjectReference, package_id: PackageId, file_id: FileId
) -> Response:
    """Download a file of a package, or one range of it."""

    def find() -> StoredFile:
        with asked.read() as session:
            project = asked.project(session, project_id)
            with naming("Package"):
                package = get_package(session, asked.actor, project, package_id)
            return get_package_file(session, asked.actor, project, package, file_id)

    return await _sent(asked, request, find)


# Generic packages, which are made by putting a file into them


GENERIC_PATH = "/projects/{project_id}/packages/generic/{package_name}/{package_version}/{file_path:path}"


async def _generic_file(package_name: Name, package_version: Name, file_path: FilePath) -> GenericFile:
    """The file that an address names. A coroutine only so that FastAPI does not send it to a thread."""
    return GenericFile(package_name, package_version, file_path)


@routes.put(GENERIC_PATH, policy=needs(Ability.WRITE_PACKAGES), answer=PackageFileAnswer | Uploaded, status=201)
async def upload_generic_file(
    asked: Asking,
    request: Request,
    project_id: ProjectReference,
    file: Annotated[GenericFile, Depends(_generic_file)],
    wanted: Annotated[UploadQuery, Query()],
) -> Response:
    """Put a file into a generic package; the body is the file. One that is there already is replaced."""
    installation = asked.installation

    def check() -> Room:
        with asked.read() as session:
            project = asked.project(session, project_id)
            left_bytes = check_generic_upload(session, asked.actor, project, file)
            return Room(installation.reservations, project.id, left_bytes)

    def put(blob: StoredBlob) -> StoredFile:
        with asked.write(changes_access=False) as session:
            project = asked.project(session, project_id)
            kept = put_generic_file(session, asked.actor, project, file, blob, status=wanted.status)
        settle_repetition(installation.database, installation.store, blob, kept)
        return kept

    room = await _on_thread(asked, check)
    most_bytes = installation.settings.max_upload_bytes
    async with receiving_file(installation.store, request.scope, request.receive, room, most_bytes=most_bytes) as blob:
        stored = await _on_thread(asked, lambda: put(blob))
    answer = _file_answer(stored) if wanted.select else Uploaded()
    return JSONResponse(answer.model_dump(mode="json"), 201, HEADERS)


@routes.get(GENERIC_PATH, policy=needs(Ability.READ_PACKAGES), answer=bytes)
async def download_generic_file(
    asked: Asking,
    request: Request,
    project_id: ProjectReference,
    file: Annotated[GenericFile, Depends(_generic_file)],
) -> Response:
    """Download a file of a generic package, or one range of it."""

    def find() -> StoredFile:
        with asked.read() as session:
            return get_generic_file(session, asked.actor, asked.project(session, project_id), file)

    return await _sent(asked, request, find)

"""Artifacts: the files of runs and logged models, through the server.

A client that was told `mlflow-artifacts:/<experiment>/<run>/artifacts` comes to `mlflow-artifacts/artifacts/…`.
"""

import msgspec

from modelyard.domains.namespaces.access import Ability
from modelyard.domains.packages.contents import StoredFile
from modelyard.domains.tracking.artifacts import (
    ArtifactPath,
    Listing,
    check_artifact_upload,
    delete_artifacts,
    get_artifact,
    list_artifacts,
    put_artifact,
)
from modelyard.entrypoints.mlflow.artifact_addresses import artifact_at
from modelyard.entrypoints.mlflow.errors import EndpointNotFound
from modelyard.entrypoints.mlflow.router import Asked, Nothing, Routes
from modelyard.entrypoints.mlflow.streams import Exchange, streamed
from modelyard.entrypoints.mlflow.wire import decode_query, missing_parameter
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.transfer import Room, declared_bytes, headers_of, receiving_file, send_file
from modelyard.platform.errors import Invalid

MOST_BROWSER_BYTES = 10 * 1024 * 1024
LINK_LIFETIME_S = 900
MOST_LIFETIME_S = 604_800
PROXIED = (
    "is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts)."
    " Use mlflow-artifacts/artifacts instead."
)


class FileInfo(msgspec.Struct, omit_defaults=True):
    """A file or folder in a listing."""

    path: str
    is_dir: bool
    file_size: int | None = None


class Files(msgspec.Struct, omit_defaults=True):
    """Answer of the two listings."""

    root_uri: str = ""
    files: list[FileInfo] = []


class ListQuery(msgspec.Struct):
    """Query of `mlflow-artifacts/artifacts`."""

    path: str = ""


class ListRunQuery(msgspec.Struct):
    """Query of `artifacts/list`. A listing has one page, so a token is never given out."""

    run_id: str = ""
    run_uuid: str = ""
    path: str = ""
    page_token: str = ""


class DirectoryQuery(msgspec.Struct):
    """Query of a logged model's listing."""

    artifact_directory_path: str = ""


class FileQuery(msgspec.Struct):
    """Query of a logged model's download."""

    artifact_file_path: str = ""


class PathQuery(msgspec.Struct):
    """Query of `get-artifact` and `upload-artifact`."""

    path: str = ""
    run_id: str = ""
    run_uuid: str = ""


class PresignBody(msgspec.Struct):
    """Body of `presigned-upload-url` and `presigned-download-url`."""

    path: str
    run_id: str = ""
    model_id: str = ""
    expiration: int | None = None


# The proxy: clients come here with the URIs that we gave to runs and models.


def list_files(asked: Asked, query: ListQuery) -> object:
    """Names are relative to the folder."""
    return Files(files=_infos(_listing(asked, artifact_at(query.path, is_folder=True))))


def _listing(asked: Asked, artifact: ArtifactPath) -> Listing:
    with asked.read() as (session, actor, project):
        return list_artifacts(session, actor, project, artifact)


def _infos(listing: Listing, prefix: str = "") -> list[FileInfo]:
    return [
        FileInfo(prefix + entry.name, entry.is_folder, None if entry.is_folder else entry.size_bytes)
        for entry in listing.entries
    ]


async def download(exchange: Exchange) -> None:
    """Send a file, or one range of it."""
    await _send(exchange, artifact_at(exchange.variable("path")))


async def _send(exchange: Exchange, artifact: ArtifactPath) -> None:
    file = await exchange.read(lambda session, actor, project: get_artifact(session, actor, project, artifact))
    await send_file(exchange.installation.store, file, exchange.scope, exchange.receive, exchange.send)


async def upload(exchange: Exchange) -> None:
    """Store a file; it is there, durably, when the answer comes."""
    await _receive(exchange, artifact_at(exchange.variable("path")), exchange.installation.settings.max_upload_bytes)


async def _receive(exchange: Exchange, artifact: ArtifactPath, most_bytes: int) -> None:
    installation = exchange.installation
    room = await exchange.read(
        lambda session, actor, project: Room(
            installation.reservations, project.id, check_artifact_upload(session, actor, project, artifact)
        )
    )
    async with receiving_file(
        installation.store, exchange.scope, exchange.receive, room, most_bytes=most_bytes
    ) as blob:
        file = await exchange.write(
            lambda session, actor, project: put_artifact(session, actor, project, artifact, blob)
        )
    await exchange.settle(blob, file)
    await exchange.answer_json({})


async def delete(exchange: Exchange) -> None:
    """Delete a file, a folder, or all files of a run or model."""
    artifact = artifact_at(exchange.variable("path"), is_folder=True)
    await exchange.write(
        lambda session, actor, project: delete_artifacts(session, actor, project, artifact), makes_room=True
    )
    await exchange.answer_json({})


def presigned_download(asked: Asked, _query: Nothing) -> object:
    """Where a client can fetch a file from the object store itself, in ranges and several at once."""
    url, file = _signed(asked, artifact_at(asked.variables["path"]), LINK_LIFETIME_S)
    if url is None:
        raise EndpointNotFound("This server keeps files itself: download them from mlflow-artifacts/artifacts.")
    return {"url": url, "headers": {}, "file_size": file.size_bytes}


def _signed(asked: Asked, artifact: ArtifactPath, lifetime_s: int) -> tuple[str | None, StoredFile]:
    with asked.read() as (session, actor, project):
        file = get_artifact(session, actor, project, artifact)
    return asked.installation.store.signed_url(file.blob_name, lifetime_s=lifetime_s), file


# By the id of a run or model: what MLflow's pages use.


def list_run_files(asked: Asked, query: ListRunQuery) -> object:
    """Names are relative to the run's root."""
    artifact = _of_run(query.run_id or query.run_uuid, query.path)
    listing = _listing(asked, artifact)
    prefix = f"{listing.path}/" if listing.path else ""
    return Files(listing.location, _infos(listing, prefix))


def _of_run(run_id: str, path: str) -> ArtifactPath:
    if not run_id:
        raise Invalid(missing_parameter("run_id"))
    return ArtifactPath(path, run_id=run_id)


def list_model_files(asked: Asked, query: DirectoryQuery) -> object:
    """Names are relative to the logged model's root."""
    artifact = ArtifactPath(query.artifact_directory_path, model_id=asked.variables["model_id"])
    listing = _listing(asked, artifact)
    prefix = f"{listing.path}/" if listing.path else ""
    return Files(listing.location, _infos(listing, prefix))


async def download_of_run(exchange: Exchange) -> None:
    """Send a file of a run."""
    await _send(exchange, _asked_file(exchange))


async def download_of_model(exchange: Exchange) -> None:
    """Send a file of a logged model."""
    query = decode_query(FileQuery, exchange.scope["query_string"])
    if not query.artifact_file_path:
        raise Invalid('Request must include the "artifact_file_path" query parameter.')
    await _send(exchange, ArtifactPath(query.artifact_file_path, model_id=exchange.variable("model_id")))


async def upload_to_run(exchange: Exchange) -> None:
    """Store a small file of a run."""
    artifact = _asked_file(exchange)
    if declared_bytes(headers_of(exchange.scope)) == 0:
        raise Invalid("Request must specify data.")
    await _receive(exchange, artifact, MOST_BROWSER_BYTES)


def _asked_file(exchange: Exchange) -> ArtifactPath:
    query = decode_query(PathQuery, exchange.scope["query_string"])
    run_id = query.run_id or query.run_uuid
    for name, value in (("run_uuid", run_id), ("path", query.path)):
        if not value:
            raise Invalid(f"Request must specify {name}.")
    return ArtifactPath(query.path, run_id=run_id)


def presigned_upload_url(_asked: Asked, _body: PresignBody) -> object:
    """Refused as MLflow refuses it for proxied artifacts: nobody would tell us when the bytes are there."""
    raise Invalid(f"Presigned upload {PROXIED}")


def presigned_download_url(asked: Asked, body: PresignBody) -> object:
    """As the proxy's presigned download, by the id of a run."""
    lifetime_s = LINK_LIFETIME_S if body.expiration is None else body.expiration
    if not 1 <= lifetime_s <= MOST_LIFETIME_S:
        raise Invalid(f"expiration must be between 1 and {MOST_LIFETIME_S} seconds (got {lifetime_s}).")
    url, file = _signed(asked, _of_run(body.run_id, body.path), lifetime_s)
    if url is None:
        raise Invalid(f"Presigned download {PROXIED}")
    return {"presigned_url": url, "headers": {}, "file_size": file.size_bytes}


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    reads, writes = needs(Ability.READ_TRACKING), needs(Ability.WRITE_TRACKING)
    routes.cold("GET", "mlflow-artifacts/artifacts", reads, ListQuery)(list_files)
    for method in ("GET", "HEAD"):
        routes.stream(method, "mlflow-artifacts/artifacts/{path...}", reads)(streamed(download))
        routes.stream(method, "/get-artifact", reads)(streamed(download_of_run))
        routes.stream(method, "mlflow/logged-models/{model_id}/artifacts/files", reads)(streamed(download_of_model))
    routes.stream("PUT", "mlflow-artifacts/artifacts/{path...}", writes)(streamed(upload))
    routes.stream("DELETE", "mlflow-artifacts/artifacts/{path...}", writes)(streamed(delete))
    routes.cold("GET", "mlflow-artifacts/presigned/{path...}", reads, Nothing)(presigned_download)
    routes.cold("GET", "mlflow/artifacts/list", reads, ListRunQuery)(list_run_files)
    routes.cold("GET", "mlflow/logged-models/{model_id}/artifacts/directories", reads, DirectoryQuery)(list_model_files)
    routes.stream("POST", "mlflow/upload-artifact", writes)(streamed(upload_to_run))
    routes.cold("POST", "mlflow/artifacts/presigned-upload-url", writes, PresignBody)(presigned_upload_url)
    routes.cold("POST", "mlflow/artifacts/presigned-download-url", reads, PresignBody)(presigned_download_url)

"""The files of a candidate: a folder and the preview of one of its files, downloads, and uploads."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.packages.contents import FolderEntry, StoredFile
from modelyard.domains.tracking.artifacts import (
    ArtifactPath,
    check_artifact_upload,
    get_artifact,
    list_artifacts,
    put_artifact,
)
from modelyard.domains.tracking.numbered import read_numbered_candidate
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.transfer import check_incoming, declared_bytes, headers_of, receive_file
from modelyard.entrypoints.web import snippets
from modelyard.entrypoints.web.candidate_pages import HEADING, OpenedCandidate, open_candidate
from modelyard.entrypoints.web.candidates import ROUTE
from modelyard.entrypoints.web.downloads import Download, head_of, picture
from modelyard.entrypoints.web.formatting import quantity, size
from modelyard.entrypoints.web.previews import HEAD_BYTES, preview_of
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import data_headers
from modelyard.entrypoints.web.visit import Visit
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid, NotFound

_ICONS = {
    "image": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg"),
    "json": (".json",),
    "spreadsheet": (".csv", ".tsv", ".parquet", ".xlsx"),
    "code": (".py", ".yaml", ".yml", ".toml", ".sh", ".html", ".js", ".r", ".sql"),
    "archive": (".zip", ".gz", ".tar", ".tgz", ".zst", ".bz2", ".xz"),
    "text": (".txt", ".md", ".log", ".rst"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder in the list on the left."""

    name: str
    url: str
    icon: str
    size_bytes: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Crumb:
    """A folder on the way to the open one; the open one has no address."""

    label: str
    url: str


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    read = needs(Ability.READ_TRACKING)
    pages.get(ROUTE + "/artifacts", read, show_artifacts)
    pages.get(ROUTE + "/artifacts/{path:path}", read, show_artifacts)
    pages.get(ROUTE + "/files/{path:path}", read, download)
    pages.get(ROUTE + "/pictures/{path:path}", read, show_picture)
    pages.stream("PUT", ROUTE + "/files/{path:path}", needs(Ability.WRITE_TRACKING), upload)


def show_artifacts(visit: Visit) -> Response:
    """A folder; the address of a file shows its folder and its preview."""
    path = visit.request.path_params.get("path", "").strip("/")
    with visit.read() as (session, actor):
        opened = open_candidate(visit, session, actor, title="Artifacts", wanted=HEADING)
        file, entries = _find(session, actor, opened, path)
    folder = path.rpartition("/")[0] if file is not None else path
    return visit.page(
        "candidates/artifacts.html",
        opened.where,
        candidate=opened.shown(),
        browser=_browser(visit, opened, folder, entries, file),
        snippet=snippets.log_file(opened.row.run_id),
        heading=opened.heading("Artifacts"),
    )


def _find(
    session: Session, actor: Actor, opened: OpenedCandidate, path: str
) -> tuple[StoredFile | None, list[FolderEntry]]:
    """What a path is: a file with its folder's entries, or a folder's entries."""
    run_id = opened.row.run_id
    file = None
    if path:
        try:
            file = get_artifact(session, actor, opened.project, ArtifactPath(path, run_id))
        except (Invalid, NotFound):
            file = None
    folder = path.rpartition("/")[0] if file is not None else path
    entries = list_artifacts(session, actor, opened.project, ArtifactPath(folder, run_id)).entries
    if path and file is None and not entries:
        raise NotFound(f"This candidate has no file {path}.")
    return file, entries


def _browser(
    visit: Visit, opened: OpenedCandidate, folder: str, entries: list[FolderEntry], file: StoredFile | None
) -> dict[str, object]:
    parts = folder.split("/") if folder else []
    root = f"{opened.url}/artifacts"
    ways = [root, *(f"{root}/{_quoted('/'.join(parts[: depth + 1]))}" for depth in range(len(parts)))]
    labels = ["artifacts", *parts]
    crumbs = [
        Crumb(label, "" if way == ways[-1] and file is None else way) for label, way in zip(labels, ways, strict=True)
    ]
    place = parts[-1] if parts else f"candidate {opened.row.iid}"
    below = f"{_quoted(folder)}/" if folder else ""
    return {
        "is_empty": not opened.file_count and not folder,
        "crumbs": crumbs,
        "up_url": ways[-2] if parts else "",
        "up_label": labels[-2] if parts else "",
        "entries": [_entry(entry, root, below, file) for entry in entries],
        "file": _shown(visit, opened, file) if file is not None else None,
        "summary": f"{quantity(opened.file_count, 'file')}, {size(opened.size_bytes)}.",
        "upload_url": f"{opened.url}/files/{below}",
        "place_label": place,
    }


def _entry(entry: FolderEntry, root: str, below: str, file: StoredFile | None) -> Entry:
    is_open = file is not None and not entry.is_folder and file.path.rpartition("/")[2] == entry.name
    symbol = "folder" if entry.is_folder else _icon(entry.name)
    return Entry(entry.name, f"{root}/{below}{_quoted(entry.name)}", symbol, entry.size_bytes, is_open)


def _icon(name: str) -> str:
    lower = name.lower()
    return next((f"file-{kind}" for kind, suffixes in _ICONS.items() if lower.endswith(suffixes)), "file")


def _shown(visit: Visit, opened: OpenedCandidate, file: StoredFile) -> dict[str, object]:
    name = file.path.rpartition("/")[2]
    preview = preview_of(file.path, head_of(visit.installation.store, file, HEAD_BYTES), file.size_bytes)
    facts: dict[str, str | int | datetime] = {
        "name": name,
        "icon": _icon(name),
        "path": file.path,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "created_at": file.created_at,
        "download_url": f"{opened.url}/files/{_quoted(file.path)}",
        "raw_url": f"{opened.url}/pictures/{_quoted(file.path)}",
    }
    return facts | {
        "kind": preview.kind,
        "kind_label": preview.label,
        "note": preview.note,
        "sentence": preview.sentence,
        "html": preview.html,
        "lines": preview.lines,
        "header": preview.header,
        "rows": preview.rows,
        "numeric": preview.numeric,
    }


def _quoted(path: str) -> str:
    return quote(path, safe="/")


# Bytes


def download(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        return Download(visit.installation.store, _file(visit, session, actor))


def show_picture(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        file = _file(visit, session, actor)
    return picture(visit.installation.store, file)


def _file(visit: Visit, session: Session, actor: Actor) -> StoredFile:
    project = get_project(session, actor, visit.variable("project"))
    row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=HEADING)
    return get_artifact(session, actor, project, ArtifactPath(visit.variable("path"), row.run_id))


async def upload(visit: Visit) -> Response:
    """Store one file under its name; it is there, durably, when the answer comes."""
    installation, scope = visit.installation, visit.request.scope
    loop = asyncio.get_running_loop()
    artifact = await loop.run_in_executor(installation.pool, _expect, visit)
    check_incoming(installation.store, declared_bytes(headers_of(scope)), installation.settings.max_upload_bytes)
    blob = await receive_file(
        installation.store, scope, visit.request.receive, most_bytes=installation.settings.max_upload_bytes
    )

    def keep() -> None:
        with visit.write(changes_access=False) as (session, actor):
            put_artifact(session, actor, get_project(session, actor, visit.variable("project")), artifact, blob)

    await loop.run_in_executor(installation.pool, keep)
    return Response(status_code=201, headers=data_headers())


def _expect(visit: Visit) -> ArtifactPath:
    """Everything that can be said against an upload before its bytes arrive."""
    with visit.read() as (session, actor):
        project = get_project(session, actor, visit.variable("project"))
        row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=HEADING)
        artifact = ArtifactPath(visit.variable("path"), row.run_id)
        check_artifact_upload(session, actor, project, artifact)
    return artifact

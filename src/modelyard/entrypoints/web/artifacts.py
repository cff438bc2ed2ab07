"""The files of a candidate: a folder and the preview of one of its files, downloads, and uploads.

The files of a logged model are shown as a folder with the model's name; its address is where they lie in the package.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.packages.contents import FolderEntry, StoredFile
from modelyard.domains.packages.repetitions import settle_repetition
from modelyard.domains.tracking.artifacts import (
    MODELS,
    ArtifactPath,
    ModelFolder,
    check_artifact_upload,
    get_artifact,
    list_artifacts,
    model_folders,
    put_artifact,
)
from modelyard.domains.tracking.numbered import read_numbered_candidate
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.transfer import Room, receiving_file
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
from modelyard.platform.storage.blobs import StoredBlob

_ICONS = {
    "image": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg"),
    "json": (".json",),
    "spreadsheet": (".csv", ".tsv", ".parquet", ".xlsx"),
    "code": (".py", ".yaml", ".yml", ".toml", ".sh", ".html", ".js", ".r", ".sql"),
    "archive": (".zip", ".gz", ".tar", ".tgz", ".zst", ".bz2", ".xz"),
    "text": (".txt", ".md", ".log", ".rst"),
}
# Marks a folder as a model of MLflow.
MODEL_FILE = "MLmodel"
_OF_MODEL = re.compile(rf"{MODELS}/(?P<model_id>m-[0-9a-f]{{32}})(?:/(?P<path>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder in the list on the left."""

    name: str
    url: str
    icon: str
    size_bytes: int
    is_open: bool = False


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
    pages.get(ROUTE + "/pictures/{path:path}", read, show_picture, is_heavy=True)
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
    wanted = _artifact(path, opened.row.run_id, opened.models)
    file = None
    if wanted.path:
        try:
            file = get_artifact(session, actor, opened.project, wanted)
        except (Invalid, NotFound):
            file = None
    folder = replace(wanted, path=wanted.path.rpartition("/")[0]) if file is not None else wanted
    entries = list_artifacts(session, actor, opened.project, folder).entries
    if path and file is None and not entries:
        raise NotFound(f"This candidate has no file {path}.")
    return file, entries


def _artifact(path: str, run_id: str, models: Sequence[ModelFolder]) -> ArtifactPath:
    """What the address of a file or folder means: one of the candidate's own, or of a logged model of it."""
    found = _OF_MODEL.fullmatch(path)
    if found is None:
        return ArtifactPath(path, run_id)
    if found["model_id"] not in {model.model_id for model in models}:
        raise NotFound(f"This candidate has no logged model {found['model_id']}.")
    return ArtifactPath(found["path"] or "", model_id=found["model_id"])


def _browser(
    visit: Visit, opened: OpenedCandidate, folder: str, entries: list[FolderEntry], file: StoredFile | None
) -> dict[str, object]:
    root = f"{opened.url}/artifacts"
    steps = _way(folder, opened.models)
    crumbs = [Crumb("artifacts", root), *(Crumb(label, f"{root}/{_quoted(path)}") for label, path in steps)]
    above = crumbs[-2] if steps else Crumb("", "")
    if file is None:
        crumbs[-1] = replace(crumbs[-1], url="")
    below = f"{_quoted(folder)}/" if folder else ""
    models = [] if folder else [_model_entry(model, root, opened.models) for model in opened.models]
    return {
        "is_empty": not opened.file_count and not folder,
        "crumbs": crumbs,
        "up_url": above.url,
        "up_label": above.label,
        "entries": [*models, *(_entry(entry, root, below, file) for entry in entries)],
        "file": _shown(visit, opened, file) if file is not None else None,
        "summary": f"{quantity(opened.file_count, 'file')}, {size(opened.size_bytes)}.",
        "upload_url": "" if _OF_MODEL.fullmatch(folder) else f"{opened.url}/files/{below}",
        "load_code": _load_code(folder, opened.row.run_id, entries),
        "place_label": steps[-1][0] if steps else f"candidate {opened.row.iid}",
    }


def _load_code(folder: str, run_id: str, entries: Sequence[FolderEntry]) -> str:
    """How Python loads the model that a folder is; empty if it is none. Below a logged model MLflow loads nothing."""
    if not folder or not any(entry.name == MODEL_FILE and not entry.is_folder for entry in entries):
        return ""
    found = _OF_MODEL.fullmatch(folder)
    if found is None:
        return snippets.load_model(run_id, folder)
    return "" if found["path"] else snippets.load_logged_model(found["model_id"])


def _way(folder: str, models: Sequence[ModelFolder]) -> list[tuple[str, str]]:
    """The folders on the way to one, which is the last: what each is called, and its path."""
    found = _OF_MODEL.fullmatch(folder)
    steps: list[tuple[str, str]] = []
    rest = folder
    if found is not None:
        model = next(model for model in models if model.model_id == found["model_id"])
        steps.append((_label(model, models), f"{MODELS}/{model.model_id}"))
        rest = found["path"] or ""
    for part in rest.split("/") if rest else ():
        steps.append((part, f"{steps[-1][1]}/{part}" if steps else part))
    return steps


def _label(model: ModelFolder, models: Sequence[ModelFolder]) -> str:
    """The name of a logged model, with its id where another one has the same."""
    is_unique = sum(other.name == model.name for other in models) == 1
    return model.name if is_unique else f"{model.name} ({model.model_id[:10]}…)"


def _model_entry(model: ModelFolder, root: str, models: Sequence[ModelFolder]) -> Entry:
    return Entry(_label(model, models), f"{root}/{MODELS}/{model.model_id}", "box", model.size_bytes)


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
        "path": "/".join(label for label, _ in _way(file.path, opened.models)),
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
    path = visit.variable("path")
    models = model_folders(session, actor, project, row.run_id) if _OF_MODEL.fullmatch(path) else []
    return get_artifact(session, actor, project, _artifact(path, row.run_id, models))


async def upload(visit: Visit) -> Response:
    """Store one file under its name; it is there, durably, when the answer comes."""
    installation, scope = visit.installation, visit.request.scope
    loop = asyncio.get_running_loop()
    artifact, room = await loop.run_in_executor(installation.pool, _expect, visit)

    def keep(blob: StoredBlob) -> None:
        with visit.write(changes_access=False) as (session, actor):
            project = get_project(session, actor, visit.variable("project"))
            file = put_artifact(session, actor, project, artifact, blob)
        settle_repetition(installation.database, installation.store, blob, file)

    most_bytes = installation.settings.max_upload_bytes
    async with receiving_file(installation.store, scope, visit.request.receive, room, most_bytes=most_bytes) as blob:
        await loop.run_in_executor(installation.pool, keep, blob)
    return Response(status_code=201, headers=data_headers())


def _expect(visit: Visit) -> tuple[ArtifactPath, Room]:
    """Everything that can be said against an upload before its bytes arrive, and the room for them."""
    with visit.read() as (session, actor):
        project = get_project(session, actor, visit.variable("project"))
        row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=HEADING)
        artifact = ArtifactPath(visit.variable("path"), row.run_id)
        room = Room(
            visit.installation.reservations, project.id, check_artifact_upload(session, actor, project, artifact)
        )
    return artifact, room

"""Files of candidates and logged models.

A candidate's files are the generic package `ml_candidate_<iid>`, version `-`. What a logged model of it holds lies
there too, under `models/<model_id>`, and is not shown among the candidate's own files. A logged model that no candidate
made has a package of its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.packages.contents import (
    GENERIC,
    FolderEntry,
    PackageName,
    StoredFile,
    ensure_package,
    find_file,
    find_package,
    folder_entries,
    has_files,
    put_file,
    remove_files,
    room_at,
)
from modelyard.domains.packages.paths import file_path, folder_path
from modelyard.domains.packages.tables import Package, Upload
from modelyard.domains.packages.uploads import (
    JoinTurn,
    Target,
    abort_upload,
    begin_upload,
    end_upload,
    get_upload,
    take_join_turn,
)
from modelyard.domains.tracking.locations import candidate_location, logged_model_location
from modelyard.domains.tracking.places import find_candidate_place, find_logged_model_place
from modelyard.domains.tracking.tables import LoggedModel
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.storage.blobs import StoredBlob

VERSION = "-"
MODELS = "models"
MODEL_ID = re.compile(r"m-[0-9a-f]{32}")


@dataclass(frozen=True)
class ArtifactPath:
    """A path among the files of a candidate (`run_id`) or of a logged model (`model_id`); empty for all of them.

    `experiment_iid` is the experiment that they are said to be in, if one was named.
    """

    path: str = ""
    run_id: str = ""
    model_id: str = ""
    experiment_iid: int | None = None

    @property
    def owner(self) -> str:
        return f"The run {self.run_id}" if self.run_id else f"The logged model {self.model_id}"


@dataclass(frozen=True)
class ArtifactFolder:
    """Where in which package the files of a candidate or logged model lie, and what clients call that."""

    package: PackageName
    path: str
    location: str
    is_deleted: bool

    def inside(self, path: str) -> str:
        """A path of the owner's as a path in the package."""
        return "/".join(part for part in (self.path, path) if part)


@dataclass(frozen=True)
class Listing:
    """One level of the files of a candidate or logged model, and where all of them are, as clients are told."""

    path: str
    location: str
    entries: list[FolderEntry]


@dataclass(frozen=True)
class ModelFolder:
    """A logged model that a candidate made, with how many files and bytes it has."""

    model_id: str
    name: str
    size_bytes: int
    files: int


def candidate_package(iid: int) -> PackageName:
    """The package of a candidate's files."""
    return PackageName(GENERIC, f"ml_candidate_{iid}", VERSION)


def logged_model_folder(model_id: str, candidate_iid: int | None) -> tuple[PackageName, str]:
    """The package and folder of a logged model's files."""
    if candidate_iid is None:
        return PackageName(GENERIC, f"ml_logged_model_{model_id}", VERSION), ""
    return candidate_package(candidate_iid), f"{MODELS}/{model_id}"


def check_artifact_upload(session: Session, actor: Actor, project: Project, artifact: ArtifactPath) -> int | None:
    """All that can be said against an upload before its bytes arrive; how many there may be, None for any number.

    Raises:
        NotFound, Forbidden
        Invalid: the path; the owner is deleted.
    """
    target = _target(session, actor, project, artifact)
    return room_at(session, project.id, target.package, target.path)


def put_artifact(
    session: Session, actor: Actor, project: Project, artifact: ArtifactPath, blob: StoredBlob
) -> StoredFile:
    """Put a file among those of its owner; an earlier one at that path is replaced.

    Raises:
        NotFound, Forbidden
        Invalid: the path; the owner is deleted.
        Conflict: the path is a folder, or lies below a file.
    """
    target = _target(session, actor, project, artifact)
    package = ensure_package(session, project.id, target.package, creator_id=actor.user_id)
    return put_file(session, package, target.path, blob)


def list_artifacts(session: Session, actor: Actor, project: Project, artifact: ArtifactPath) -> Listing:
    """One level of the owner's files; no entries where there is no such folder.

    Raises:
        NotFound, Forbidden
        Invalid: the path.
    """
    folder = _folder(session, actor, project, artifact, Ability.READ_TRACKING)
    wanted = folder_path(artifact.path)
    listing = Listing(wanted, folder.location, [])
    package = find_package(session, project.id, folder.package)
    if package is None or (artifact.run_id and _is_models_own(wanted)):
        return listing
    entries = folder_entries(session, package.id, folder.inside(wanted))
    if artifact.run_id and wanted in {"", MODELS}:
        entries = _own_entries(session, package, wanted, entries)
    return replace(listing, entries=entries)


def _own_entries(session: Session, package: Package, path: str, entries: Sequence[FolderEntry]) -> list[FolderEntry]:
    """`entries` without what belongs to logged models."""
    if path == MODELS:
        return [entry for entry in entries if not MODEL_ID.fullmatch(entry.name)]
    shown: list[FolderEntry] = []
    for entry in entries:
        if entry.name != MODELS or not entry.is_folder:
            shown.append(entry)
            continue
        own = _own_entries(session, package, MODELS, folder_entries(session, package.id, MODELS))
        if own:
            size_bytes, files = sum(one.size_bytes for one in own), sum(one.files for one in own)
            shown.append(FolderEntry(MODELS, True, size_bytes, files, max(one.changed_at for one in own)))
    return shown


def model_folders(session: Session, actor: Actor, project: Project, run_id: str) -> list[ModelFolder]:
    """The logged models of a candidate that have files, by name; deleted ones are left out.

    Raises:
        NotFound, Forbidden
    """
    folder = _folder(session, actor, project, ArtifactPath(run_id=run_id), Ability.READ_TRACKING)
    package = find_package(session, project.id, folder.package)
    if package is None:
        return []
    entries = {
        entry.name: entry
        for entry in folder_entries(session, package.id, MODELS)
        if entry.is_folder and MODEL_ID.fullmatch(entry.name)
    }
    if not entries:
        return []
    chosen = select(LoggedModel.model_id, LoggedModel.name).where(
        LoggedModel.project_id == project.id, LoggedModel.model_id.in_(entries), LoggedModel.deleted_ms.is_(None)
    )
    return [
        ModelFolder(model_id, name, entries[model_id].size_bytes, entries[model_id].files)
        for model_id, name in session.execute(chosen.order_by(LoggedModel.name, LoggedModel.id))
    ]


def get_artifact(session: Session, actor: Actor, project: Project, artifact: ArtifactPath) -> StoredFile:
    """One of the owner's files.

    Raises:
        NotFound, Forbidden
        Invalid: the path, or it is a folder.
    """
    folder = _folder(session, actor, project, artifact, Ability.READ_TRACKING)
    wanted = file_path(artifact.path)
    package = find_package(session, project.id, folder.package)
    if package is not None and not (artifact.run_id and _is_models_own(wanted)):
        found = find_file(session, package.id, folder.inside(wanted))
        if found is not None:
            return found
        if has_files(session, package.id, folder.inside(wanted)):
            raise Invalid(f"Artifact path refers to a directory, not a file: '{wanted}'")
    raise NotFound(f"No such artifact: '{wanted}'")


def delete_artifacts(session: Session, actor: Actor, project: Project, artifact: ArtifactPath) -> int:
    """Delete one of the owner's files, a folder with all below it, or all files; answers how many.

    Raises:
        NotFound, Forbidden
        Invalid: the path; the owner is deleted.
    """
    folder = _writable(session, actor, project, artifact)
    wanted = folder_path(artifact.path)
    if artifact.run_id and _is_models_own(wanted):
        raise Invalid(f"{wanted} belongs to a logged model. Delete it there.")
    package = find_package(session, project.id, folder.package)
    if package is None:
        return 0
    keep = _model_folders(session, package) if artifact.run_id and wanted in {"", MODELS} else []
    return remove_files(session, package, folder.inside(wanted), actor_id=actor.user_id, keep=keep)


def _model_folders(session: Session, package: Package) -> list[str]:
    entries = folder_entries(session, package.id, MODELS)
    return [f"{MODELS}/{entry.name}" for entry in entries if entry.is_folder and MODEL_ID.fullmatch(entry.name)]


# In parts


def begin_artifact_upload(
    session: Session, actor: Actor, project: Project, artifact: ArtifactPath, *, parts: int
) -> Upload:
    """Begin to upload one of the owner's files in parts.

    Raises:
        NotFound, Forbidden
        Invalid: the path or the number of parts; the owner is deleted.
    """
    target = _target(session, actor, project, artifact)
    return begin_upload(session, actor, project.id, target, parts=parts)


def begin_joining_artifact(
    session: Session,
    actor: Actor,
    project: Project,
    artifact: ArtifactPath,
    upload_id: str,
    *,
    claimed: Sequence[tuple[int, str]],
) -> JoinTurn:
    """Take the turn to join the parts of an upload, unless somebody else has it or it was done already.

    Raises:
        NotFound, Forbidden
        Invalid: parts are missing, or are others than the client says; the owner is deleted.
    """
    upload = get_upload(session, project.id, upload_id, _target(session, actor, project, artifact))
    return take_join_turn(session, upload, claimed)


def complete_artifact_upload(
    session: Session, actor: Actor, project: Project, artifact: ArtifactPath, upload_id: str, *, blob: StoredBlob
) -> StoredFile | None:
    """Put the file that the parts became among those of its owner; None, and nothing, if that was done already.

    Raises:
        NotFound, Forbidden
        Invalid: the owner is deleted.
        Conflict: the path is a folder, or lies below a file.
    """
    target = _target(session, actor, project, artifact)
    upload = get_upload(session, project.id, upload_id, target)
    if not end_upload(session, upload, blob.digests.sha256):
        return None
    package = ensure_package(session, project.id, target.package, creator_id=actor.user_id)
    return put_file(session, package, target.path, blob)


def abort_artifact_upload(
    session: Session, actor: Actor, project: Project, artifact: ArtifactPath, upload_id: str
) -> None:
    """Forget an upload.

    Raises:
        NotFound, Forbidden
        Invalid: the owner is deleted.
    """
    target = _target(session, actor, project, artifact)
    abort_upload(session, get_upload(session, project.id, upload_id, target))


# Steps


def _target(session: Session, actor: Actor, project: Project, artifact: ArtifactPath) -> Target:
    folder = _writable(session, actor, project, artifact)
    wanted = file_path(artifact.path)
    if artifact.run_id and _is_models_own(wanted):
        raise Invalid(f"Logged models lie in {MODELS}/m-…. Choose another path.")
    return Target(folder.package, file_path(folder.inside(wanted)))


def _is_models_own(path: str) -> bool:
    parts = path.split("/")
    return len(parts) > 1 and parts[0] == MODELS and MODEL_ID.fullmatch(parts[1]) is not None


def _writable(session: Session, actor: Actor, project: Project, artifact: ArtifactPath) -> ArtifactFolder:
    folder = _folder(session, actor, project, artifact, Ability.WRITE_TRACKING)
    if folder.is_deleted:
        raise Invalid(f"{artifact.owner} must be in the 'active' state. Current state is deleted.")
    return folder


def _folder(
    session: Session, actor: Actor, project: Project, artifact: ArtifactPath, ability: Ability
) -> ArtifactFolder:
    require(session, actor, ability, project)
    found = find_candidate_place(session, artifact.run_id) if artifact.run_id else None
    model = find_logged_model_place(session, artifact.model_id) if artifact.model_id else None
    place = found or model
    if place is None or place.project_id != project.id or artifact.experiment_iid not in {None, place.experiment_iid}:
        raise NotFound(
            f"Run with id={artifact.run_id} not found"
            if artifact.run_id
            else f"Logged model with ID '{artifact.model_id}' not found."
        )
    if found is not None:
        location = candidate_location(found.experiment_iid, artifact.run_id)
        return ArtifactFolder(candidate_package(found.candidate_iid), "", location, found.is_deleted)
    package, path = logged_model_folder(artifact.model_id, place.candidate_iid)
    location = logged_model_location(place.experiment_iid, artifact.model_id)
    return ArtifactFolder(package, path, location, place.is_deleted)

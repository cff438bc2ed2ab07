"""What is done to candidates outside the hot lane: renamed, deleted, restored, a tag removed, models noted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidate_rows import INPUT, OUTPUT
from modelyard.domains.tracking.defaults import NAME_TAG
from modelyard.domains.tracking.events import CandidateDeleted, CandidateRestored
from modelyard.domains.tracking.experiments import refuse_deleted
from modelyard.domains.tracking.hot.keys import ensure_key
from modelyard.domains.tracking.states import GOING_MS
from modelyard.domains.tracking.tables import (
    Candidate,
    CandidateModel,
    CandidateTag,
    Experiment,
    LoggedModel,
    TrackingKey,
)
from modelyard.domains.tracking.texts import checked_text
from modelyard.domains.tracking.upserts import insert_missing, insert_or_replace
from modelyard.platform.clock import now_ms
from modelyard.platform.database import execute_counting
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.events import publish

# Where MLflow's client looks for the models that a run has logged.
MODELS_TAG = "mlflow.log-model.history"
MOST_MODELS_TAG = 1_000_000
MOST_NAME = 250

_REQUIRED = ("artifact_path", "flavors", "run_id", "utc_time_created")
_KEPT = ("run_id", "utc_time_created", "artifact_path", "model_uuid")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


@dataclass(frozen=True)
class LoggedOutput:
    """A logged model that came out of a candidate, at a step."""

    model_id: str
    step: int = 0


def get_candidate(session: Session, actor: Actor, project: Project, run_id: str) -> Candidate:
    """One candidate, deleted or not.

    Raises:
        Forbidden, NotFound: of the project; there is no such candidate.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    chosen = select(Candidate).where(Candidate.run_id == run_id, Candidate.project_id == project.id)
    found = None if "\0" in run_id else session.scalar(chosen)
    if found is None or found.deleted_ms == GOING_MS:
        raise NotFound(f"Run with id={run_id[:64]} not found")
    return found


def rename_candidate(session: Session, actor: Actor, candidate: Candidate, name: str) -> None:
    """Give a candidate another name, also in the tag where MLflow's client looks for it.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the candidate is deleted, or the name is empty or cannot be kept.
    """
    require_active(session, actor, candidate)
    trimmed = checked_text(name.strip(), "name", MOST_NAME)
    if not trimmed:
        raise Invalid("A candidate needs a name.")
    row = {
        "candidate_id": candidate.id,
        "key_id": ensure_key(session, candidate.project_id, NAME_TAG),
        "value": trimmed,
    }
    insert_or_replace(session.connection(), CandidateTag, [row], "value")
    candidate.name, candidate.updated_ms = trimmed, now_ms()


def delete_candidate(session: Session, actor: Actor, candidate: Candidate) -> None:
    """Delete a candidate, so that it can be restored; one that is deleted stays so.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require_write(session, actor, candidate)
    mark_deleted(session, actor, [candidate])


def restore_candidate(session: Session, actor: Actor, candidate: Candidate) -> None:
    """Bring back a deleted candidate; one that is not deleted stays as it is.

    Raises:
        Forbidden, NotFound: of the project; the candidate is being removed for good.
        Invalid: its experiment is deleted.
    """
    require_write(session, actor, candidate)
    refuse_deleted(session.get_one(Experiment, candidate.experiment_id))
    mark_restored(session, actor, [candidate])


def mark_deleted(session: Session, actor: Actor, candidates: Collection[Candidate]) -> list[Candidate]:
    """Mark candidates as deleted for an actor who may; those that were not deleted before."""
    moment = now_ms()
    found = [candidate for candidate in candidates if candidate.deleted_ms is None]
    for candidate in found:
        candidate.deleted_ms = candidate.updated_ms = moment
        publish(session, CandidateDeleted(actor.user_id, candidate.project_id, candidate.id))
    return found


def mark_restored(session: Session, actor: Actor, candidates: Collection[Candidate]) -> list[Candidate]:
    """Take the mark of deletion from candidates for an actor who may; those that were deleted.

    Raises:
        NotFound: one is being removed for good.
    """
    found = [candidate for candidate in candidates if candidate.deleted_ms is not None]
    if not found:
        return []
    # Asked again by the statement: one may have been marked as going since it was read.
    numbers = [candidate.id for candidate in found]
    stay = (Candidate.id.in_(numbers), Candidate.deleted_ms.is_distinct_from(GOING_MS))
    values = {"deleted_ms": None, "updated_ms": now_ms()}
    if execute_counting(session, update(Candidate).where(*stay).values(values)) < len(found):
        raise NotFound(
            f"Run with id={found[0].run_id} not found"
            if len(found) == 1
            else "One of these candidates has just been removed for good. Look at the list again."
        )
    for candidate in found:
        session.expire(candidate, values)
        publish(session, CandidateRestored(actor.user_id, candidate.project_id, candidate.id))
    return found


def delete_candidate_tag(session: Session, actor: Actor, candidate: Candidate, key: str) -> None:
    """Remove a tag.

    Raises:
        Forbidden, NotFound: of the project; there is no such tag.
        Invalid: the candidate is deleted.
    """
    require_active(session, actor, candidate)
    key_id = _key_id(session, candidate.project_id, key)
    gone = delete(CandidateTag).where(CandidateTag.candidate_id == candidate.id, CandidateTag.key_id == key_id)
    if key_id is None or session.execute(gone.returning(CandidateTag.key_id)).first() is None:
        raise NotFound(f"No tag with name: {key} in run with id {candidate.run_id}")
    candidate.updated_ms = now_ms()


def note_model(session: Session, actor: Actor, candidate: Candidate, model_json: str) -> None:
    """Add a model, described as in its MLmodel file, to the tag in which MLflow's client finds them.

    When the history grows past a megabyte its oldest entries are forgotten; the logged models themselves are not.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the candidate is deleted, or the description is not one.
    """
    require_active(session, actor, candidate)
    entry = _history_entry(model_json)
    # PostgreSQL: whoever adds the next entry waits here, so that none is lost.
    session.scalar(select(Candidate.id).where(Candidate.id == candidate.id).with_for_update())
    tag_id = ensure_key(session, candidate.project_id, MODELS_TAG)
    tag = session.get(CandidateTag, (candidate.id, tag_id), populate_existing=True)
    history = [*_history(tag.value if tag else "[]"), entry]
    while len(value := _encode(history)) > MOST_MODELS_TAG and len(history) > 1:
        del history[0]
    row = {"candidate_id": candidate.id, "key_id": tag_id, "value": value.decode()}
    insert_or_replace(session.connection(), CandidateTag, [row], "value")
    candidate.updated_ms = now_ms()


def log_model_inputs(session: Session, actor: Actor, candidate: Candidate, model_ids: Sequence[str]) -> None:
    """Note logged models that went into a candidate; once more is no more.

    Raises:
        Forbidden, NotFound: of the project; there is no such model.
        Invalid: the candidate is deleted.
    """
    require_active(session, actor, candidate)
    numbers = _numbers_of_models(session, candidate.project_id, model_ids)
    rows = [
        {"candidate_id": candidate.id, "logged_model_id": numbers[model_id], "direction": INPUT, "step": 0}
        for model_id in model_ids
    ]
    insert_missing(session.connection(), CandidateModel, rows)
    candidate.updated_ms = now_ms()


def log_model_outputs(session: Session, actor: Actor, candidate: Candidate, outputs: Sequence[LoggedOutput]) -> None:
    """Note logged models that came out of a candidate; logged again, the last step counts.

    Raises:
        Forbidden, NotFound: of the project; there is no such model.
        Invalid: the candidate is deleted.
    """
    require_active(session, actor, candidate)
    numbers = _numbers_of_models(session, candidate.project_id, [output.model_id for output in outputs])
    rows = [
        {
            "candidate_id": candidate.id,
            "logged_model_id": numbers[output.model_id],
            "direction": OUTPUT,
            "step": output.step,
        }
        for output in outputs
    ]
    insert_or_replace(session.connection(), CandidateModel, rows, "step")
    candidate.updated_ms = now_ms()


def require_write(session: Session, actor: Actor, candidate: Candidate) -> None:
    """Go on only if the actor may write to the candidate's project.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.WRITE_TRACKING, session.get_one(Project, candidate.project_id))


def require_active(session: Session, actor: Actor, candidate: Candidate) -> None:
    """Go on only if the actor may write and the candidate is not deleted.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the candidate is deleted.
    """
    require_write(session, actor, candidate)
    if candidate.deleted_ms is not None:
        raise Invalid(
            f"The run {candidate.run_id} must be in the 'active' state. Current state is deleted. Restore it first."
        )


def _key_id(session: Session, project_id: int, name: str) -> int | None:
    if "\0" in name:
        return None
    return session.scalar(select(TrackingKey.id).where(TrackingKey.project_id == project_id, TrackingKey.name == name))


def _numbers_of_models(session: Session, project_id: int, model_ids: Sequence[str]) -> dict[str, int]:
    chosen = select(LoggedModel.model_id, LoggedModel.id).where(
        LoggedModel.project_id == project_id,
        LoggedModel.model_id.in_([model_id for model_id in model_ids if "\0" not in model_id]),
        LoggedModel.deleted_ms.is_(None),
    )
    numbers = {row.model_id: row.id for row in session.execute(chosen)}
    missing = [model_id for model_id in model_ids if model_id not in numbers]
    if missing:
        raise NotFound(f"Logged model with ID '{missing[0][:64]}' not found.")
    return numbers


def _history(value: str) -> list[object]:
    """The entries so far; a tag that a user has overwritten with something else begins anew."""
    try:
        found = _decode(value)
    except msgspec.DecodeError:
        return []
    return found if isinstance(found, list) else []


def _history_entry(model_json: str) -> dict[str, object]:
    try:
        model = _decode(model_json)
    except msgspec.DecodeError:
        raise Invalid(f"Malformed model info. \n {model_json[:200]} \n is not a valid JSON.") from None
    missing = [name for name in _REQUIRED if not isinstance(model, dict) or name not in model]
    if missing:
        raise Invalid(f"Model json is missing mandatory fields: {missing}")
    flavors = model["flavors"]
    if not isinstance(flavors, dict):
        raise Invalid("Model json is missing mandatory fields: 'flavors' is not an object")
    kept = {name: model[name] for name in _KEPT if name in model}
    return {**kept, "flavors": {flavor: _without_config(settings) for flavor, settings in flavors.items()}}


def _without_config(settings: object) -> object:
    """A flavor without what MLflow leaves out of the tag."""
    if not isinstance(settings, dict):
        return settings
    return {name: value for name, value in settings.items() if name != "config"}

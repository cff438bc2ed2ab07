"""Logged models: what MLflow 3 logs for every trained model, made by a candidate or on their own."""

from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidates import get_candidate
from modelyard.domains.tracking.events import LoggedModelCreated, LoggedModelDeleted
from modelyard.domains.tracking.experiments import refuse_deleted
from modelyard.domains.tracking.names import candidate_name
from modelyard.domains.tracking.states import GOING_MS, LoggedModelStatus
from modelyard.domains.tracking.tables import Experiment, LoggedModel, LoggedModelParameter, LoggedModelTag
from modelyard.domains.tracking.texts import MOST_PARAMETER, MOST_TAG, checked_pairs, checked_text
from modelyard.domains.tracking.upserts import insert_missing, insert_or_replace
from modelyard.platform.clock import now_ms
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.events import publish
from modelyard.platform.ids import hex_id

MOST_NAME = 500
_BAD_IN_NAMES = ("/", ":", ".", "%", '"', "'")


def get_logged_model(
    session: Session, actor: Actor, project: Project, model_id: str, *, with_deleted: bool = False
) -> LoggedModel:
    """One logged model.

    Raises:
        Forbidden, NotFound: of the project; there is no such model.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    chosen = select(LoggedModel).where(LoggedModel.model_id == model_id, LoggedModel.project_id == project.id)
    found = None if "\0" in model_id else session.scalar(chosen)
    if found is None or found.deleted_ms == GOING_MS or (found.deleted_ms is not None and not with_deleted):
        raise NotFound(f"Logged model with ID '{model_id[:64]}' not found.")
    return found


def create_logged_model(
    session: Session,
    actor: Actor,
    project: Project,
    experiment: Experiment,
    *,
    name: str | None = None,
    model_type: str = "",
    run_id: str | None = None,
    parameters: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> LoggedModel:
    """Make a logged model, pending until its files are there; `run_id` is the candidate that trains it.

    Raises:
        Forbidden, NotFound: of the project; there is no such candidate.
        Invalid: the experiment is deleted, or a text cannot be kept.
    """
    require(session, actor, Ability.WRITE_TRACKING, project)
    refuse_deleted(experiment)
    moment = now_ms()
    model = LoggedModel(
        model_id=f"m-{hex_id()}",
        project_id=project.id,
        experiment_id=experiment.id,
        candidate_id=get_candidate(session, actor, project, run_id).id if run_id else None,
        creator_id=actor.user_id,
        name=candidate_name() if name is None else _checked_name(name),
        model_type=checked_text(model_type, "model_type", MOST_NAME),
        status=LoggedModelStatus.PENDING,
        status_message="",
        created_ms=moment,
        updated_ms=moment,
    )
    session.add(model)
    session.flush()  # its parameters, its tags, the event and the caller need the new id
    log_model_parameters(session, actor, model, parameters or {})
    set_logged_model_tags(session, actor, model, tags or {})
    publish(session, LoggedModelCreated(actor.user_id, project.id, model.id))
    return model


def log_model_parameters(session: Session, actor: Actor, model: LoggedModel, parameters: Mapping[str, str]) -> None:
    """Add parameters. Each is written once; the same value again is no change.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: another value was logged before, or a text cannot be kept.
    """
    _require_write(session, actor, model)
    if not parameters:
        return
    rows = [
        {"logged_model_id": model.id, "key": key, "value": value}
        for key, value in checked_pairs(parameters, MOST_PARAMETER).items()
    ]
    insert_missing(session.connection(), LoggedModelParameter, rows)
    chosen = select(LoggedModelParameter.key, LoggedModelParameter.value).where(
        LoggedModelParameter.logged_model_id == model.id, LoggedModelParameter.key.in_(list(parameters))
    )
    for key, kept in session.execute(chosen):
        if kept != parameters[key]:
            raise Invalid(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{kept}'"
                f" for model ID='{model.model_id}'. Attempted logging new value '{parameters[key]}'."
            )
    model.updated_ms = now_ms()


def finalize_logged_model(
    session: Session, actor: Actor, model: LoggedModel, status: LoggedModelStatus, *, message: str = ""
) -> LoggedModel:
    """Say that the files of a model are there (READY), or will not come (FAILED).

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: another status.
    """
    _require_write(session, actor, model)
    if status not in {LoggedModelStatus.READY, LoggedModelStatus.FAILED}:
        raise Invalid("A logged model is finalized as READY or FAILED.")
    model.status, model.status_message = status, checked_text(message, "status_message", MOST_TAG)
    model.updated_ms = now_ms()
    return model


def delete_logged_model(session: Session, actor: Actor, model: LoggedModel) -> None:
    """Delete a logged model; one that is deleted stays so.

    Raises:
        Forbidden, NotFound: of the project.
    """
    _require_write(session, actor, model)
    if model.deleted_ms is None:
        model.deleted_ms = model.updated_ms = now_ms()
        publish(session, LoggedModelDeleted(actor.user_id, model.project_id, model.id))


def set_logged_model_tags(session: Session, actor: Actor, model: LoggedModel, tags: Mapping[str, str]) -> None:
    """Set tags, whether they were there or not.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: a text cannot be kept.
    """
    _require_write(session, actor, model)
    rows = [
        {"logged_model_id": model.id, "key": key, "value": value}
        for key, value in checked_pairs(tags, MOST_TAG).items()
    ]
    if rows:
        insert_or_replace(session.connection(), LoggedModelTag, rows, "value")
        model.updated_ms = now_ms()


def delete_logged_model_tag(session: Session, actor: Actor, model: LoggedModel, key: str) -> None:
    """Remove a tag.

    Raises:
        Forbidden, NotFound: of the project; there is no such tag.
    """
    _require_write(session, actor, model)
    gone = delete(LoggedModelTag).where(LoggedModelTag.logged_model_id == model.id, LoggedModelTag.key == key)
    if "\0" in key or session.execute(gone.returning(LoggedModelTag.key)).first() is None:
        raise NotFound(f"No tag with key {key!r} found for model with ID {model.model_id!r}.")
    model.updated_ms = now_ms()


def _require_write(session: Session, actor: Actor, model: LoggedModel) -> None:
    require(session, actor, Ability.WRITE_TRACKING, session.get_one(Project, model.project_id))


def _checked_name(name: str) -> str:
    if not name or any(character in name for character in _BAD_IN_NAMES):
        raise Invalid(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string "
            f"and cannot contain the following characters: {_BAD_IN_NAMES}"
        )
    return checked_text(name, "name", MOST_NAME)

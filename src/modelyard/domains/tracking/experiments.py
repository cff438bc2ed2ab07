"""Experiments: made, renamed, archived, deleted with their candidates, and restored."""

from collections.abc import Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.numbers import next_number
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.defaults import DEFAULT_IID, DEFAULT_NAME
from modelyard.domains.tracking.events import (
    ExperimentChanged,
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRestored,
)
from modelyard.domains.tracking.states import GOING_AT, GOING_MS
from modelyard.domains.tracking.tables import Candidate, Experiment, ExperimentTag
from modelyard.domains.tracking.texts import (
    MOST_EXPERIMENT_NAME,
    MOST_EXPERIMENT_TAG,
    MOST_KEY,
    checked_pairs,
    checked_text,
)
from modelyard.domains.tracking.upserts import insert_missing, insert_or_replace
from modelyard.platform.clock import now, to_ms
from modelyard.platform.database import execute_counting
from modelyard.platform.errors import Conflict, Invalid, NotFound
from modelyard.platform.events import publish

COUNTER = "experiment"

# MLflow keeps an experiment's description in this tag; the two say the same.
DESCRIPTION_TAG = "mlflow.note.content"


def get_experiment(session: Session, actor: Actor, project: Project, iid: int) -> Experiment:
    """One experiment, deleted or not.

    Raises:
        Forbidden, NotFound: of the project; there is no such experiment.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    found = session.scalar(select(Experiment).where(Experiment.project_id == project.id, Experiment.iid == iid))
    if found is None or found.deleted_at == GOING_AT:
        raise NotFound(f"No Experiment with id={iid} exists")
    return found


def default_experiment(session: Session, actor: Actor, project: Project) -> Experiment:
    """The experiment 0 of a project, which is made when somebody who may write first asks for it.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.WRITE_TRACKING, project)
    moment = now()
    row = {
        "project_id": project.id,
        "iid": DEFAULT_IID,
        "name": DEFAULT_NAME,
        "description": "",
        "creator_id": actor.user_id,
        "created_at": moment,
        "updated_at": moment,
    }
    insert_missing(session.connection(), Experiment, [row])
    return get_experiment(session, actor, project, DEFAULT_IID)


def create_experiment(
    session: Session,
    actor: Actor,
    project: Project,
    *,
    name: str,
    tags: Mapping[str, str] | None = None,
    artifact_location: str | None = None,
) -> Experiment:
    """Make an experiment. Its files lie where every experiment's lie; nobody can choose another place.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the name, a tag, or any location.
        Conflict: an experiment has the name, possibly a deleted one.
    """
    require(session, actor, Ability.WRITE_TRACKING, project)
    if artifact_location:
        raise Invalid("Invalid artifact_location: this server keeps the files of all experiments itself. Leave it out.")
    tags = checked_pairs(tags or {}, MOST_EXPERIMENT_TAG)
    _refuse_taken_name(session, project.id, _checked_name(name))
    moment = now()
    experiment = Experiment(
        project_id=project.id,
        iid=next_number(session, project.id, COUNTER),
        name=name,
        description=tags.get(DESCRIPTION_TAG, ""),
        creator_id=actor.user_id,
        created_at=moment,
        updated_at=moment,
    )
    session.add(experiment)
    session.flush()  # the tags, the event and the caller need its id
    session.add_all(ExperimentTag(experiment_id=experiment.id, key=key, value=value) for key, value in tags.items())
    publish(session, ExperimentCreated(actor.user_id, project.id, experiment.id))
    return experiment


def update_experiment(
    session: Session,
    actor: Actor,
    experiment: Experiment,
    *,
    name: str | None = None,
    description: str | None = None,
) -> Experiment:
    """Rename an experiment or describe it anew; what is None stays.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the experiment is deleted, or the text cannot be kept.
        Conflict: another one has the name.
    """
    _require_active(session, actor, experiment)
    if name is not None and name != experiment.name:
        _refuse_taken_name(session, experiment.project_id, _checked_name(name))
        experiment.name = name
    if description is not None:
        _describe(session, experiment, description)
    _note_change(session, actor, experiment)
    return experiment


def choose_primary_metric(
    session: Session, actor: Actor, experiment: Experiment, metric: str | None, *, is_lower_better: bool | None = None
) -> Experiment:
    """Say which metric the candidates are compared by, and which way is better; None for none.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the experiment is deleted, or the name cannot be one.
    """
    _require_active(session, actor, experiment)
    experiment.primary_metric = checked_text(metric, "metric", MOST_KEY) if metric else None
    experiment.primary_metric_is_lower_better = is_lower_better if metric else None
    _note_change(session, actor, experiment)
    return experiment


def archive_experiment(session: Session, actor: Actor, experiment: Experiment) -> Experiment:
    """Put an experiment away from lists; it can still be read and written to.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the experiment is deleted.
    """
    _require_active(session, actor, experiment)
    experiment.archived_at = experiment.archived_at or now()
    _note_change(session, actor, experiment)
    return experiment


def unarchive_experiment(session: Session, actor: Actor, experiment: Experiment) -> Experiment:
    """Bring an archived experiment back to lists.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the experiment is deleted.
    """
    _require_active(session, actor, experiment)
    experiment.archived_at = None
    _note_change(session, actor, experiment)
    return experiment


def delete_experiment(session: Session, actor: Actor, experiment: Experiment) -> None:
    """Delete an experiment and its candidates, so that both can be restored. It keeps its name.

    Raises:
        Forbidden, NotFound: of the project; it is deleted already.
    """
    _require_write(session, actor, experiment)
    if experiment.deleted_at is not None:
        raise NotFound(f"No Experiment with id={experiment.iid} exists that is not deleted")
    moment = now()
    experiment.deleted_at = experiment.updated_at = moment
    session.execute(
        update(Candidate)
        .where(Candidate.experiment_id == experiment.id, Candidate.deleted_ms.is_(None))
        .values(deleted_ms=to_ms(moment), updated_ms=to_ms(moment))
        .execution_options(synchronize_session=False)
    )
    publish(session, ExperimentDeleted(actor.user_id, experiment.project_id, experiment.id))


def restore_experiment(session: Session, actor: Actor, experiment: Experiment) -> None:
    """Bring back a deleted experiment with all its candidates, also those that were deleted before it.

    Raises:
        Forbidden, NotFound: of the project; it is not deleted, or is being removed for good.
    """
    _require_write(session, actor, experiment)
    if experiment.deleted_at is None:
        raise NotFound(f"No Experiment with id={experiment.iid} exists that is deleted")
    moment = now()
    # Asked again by the statements: it, or something in it, may have been marked as going since it was read.
    stays = (Experiment.id == experiment.id, Experiment.deleted_at.is_distinct_from(GOING_AT))
    if not execute_counting(session, update(Experiment).where(*stays).values(deleted_at=None, updated_at=moment)):
        raise NotFound(f"No Experiment with id={experiment.iid} exists that is deleted")
    session.refresh(experiment)
    execute_counting(
        session,
        update(Candidate)
        .where(Candidate.experiment_id == experiment.id, Candidate.deleted_ms != GOING_MS)
        .values(deleted_ms=None, updated_ms=to_ms(moment)),
    )
    publish(session, ExperimentRestored(actor.user_id, experiment.project_id, experiment.id))


def set_experiment_tag(session: Session, actor: Actor, experiment: Experiment, key: str, value: str) -> None:
    """Set a tag, whether it was there or not.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the experiment is deleted, or the text cannot be kept.
    """
    _require_active(session, actor, experiment)
    checked_pairs({key: value}, MOST_EXPERIMENT_TAG)
    if key == DESCRIPTION_TAG:
        _describe(session, experiment, value)
    else:
        _put_tag(session, experiment, key, value)
    publish(session, ExperimentChanged(actor.user_id, experiment.project_id, experiment.id))


def delete_experiment_tag(session: Session, actor: Actor, experiment: Experiment, key: str) -> None:
    """Remove a tag.

    Raises:
        Forbidden, NotFound: of the project; there is no such tag.
        Invalid: the experiment is deleted.
    """
    _require_active(session, actor, experiment)
    gone = delete(ExperimentTag).where(ExperimentTag.experiment_id == experiment.id, ExperimentTag.key == key)
    if "\0" in key or session.execute(gone.returning(ExperimentTag.key)).first() is None:
        raise NotFound(f"No tag with name: {key} in experiment with id {experiment.iid}")
    if key == DESCRIPTION_TAG:
        experiment.description = ""
    publish(session, ExperimentChanged(actor.user_id, experiment.project_id, experiment.id))


def _require_write(session: Session, actor: Actor, experiment: Experiment) -> None:
    require(session, actor, Ability.WRITE_TRACKING, session.get_one(Project, experiment.project_id))


def _require_active(session: Session, actor: Actor, experiment: Experiment) -> None:
    _require_write(session, actor, experiment)
    refuse_deleted(experiment)


def refuse_deleted(experiment: Experiment) -> None:
    """Let nothing be written to a deleted experiment.

    Raises:
        Invalid: it is deleted.
    """
    if experiment.deleted_at is not None:
        raise Invalid(
            f"The experiment {experiment.iid} must be in the 'active' state. Current state is deleted."
            " Restore it first."
        )


def _checked_name(name: str) -> str:
    if not name.strip():
        raise Invalid(f"Invalid experiment name: '{name}'. It cannot be empty.")
    return checked_text(name, "name", MOST_EXPERIMENT_NAME)


def _refuse_taken_name(session: Session, project_id: int, name: str) -> None:
    """The default experiment's name is taken before it is made, else it could not be made."""
    taken = select(Experiment.deleted_at).where(Experiment.project_id == project_id, Experiment.name == name)
    found = session.execute(taken).one_or_none()
    if found is None and name == DEFAULT_NAME:
        is_default = (Experiment.project_id == project_id, Experiment.iid == DEFAULT_IID)
        if session.scalar(select(Experiment.id).where(*is_default)) is None:
            raise Conflict(f"Experiment(name={name}) already exists.")
    if found is not None:
        state = " It is deleted: restore it, or choose another name." if found.deleted_at is not None else ""
        raise Conflict(f"Experiment(name={name}) already exists.{state}")


def _describe(session: Session, experiment: Experiment, description: str) -> None:
    experiment.description = checked_text(description, "description", MOST_EXPERIMENT_TAG)
    if description:
        _put_tag(session, experiment, DESCRIPTION_TAG, description)
    else:
        session.execute(
            delete(ExperimentTag).where(
                ExperimentTag.experiment_id == experiment.id, ExperimentTag.key == DESCRIPTION_TAG
            )
        )


def _put_tag(session: Session, experiment: Experiment, key: str, value: str) -> None:
    row = {"experiment_id": experiment.id, "key": key, "value": value}
    insert_or_replace(session.connection(), ExperimentTag, [row], "value")


def _note_change(session: Session, actor: Actor, experiment: Experiment) -> None:
    experiment.updated_at = now()
    publish(session, ExperimentChanged(actor.user_id, experiment.project_id, experiment.id))

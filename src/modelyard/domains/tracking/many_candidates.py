"""What is done to many candidates of a project at once: to all of them or to none."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidates import mark_deleted, mark_restored
from modelyard.domains.tracking.experiments import refuse_deleted
from modelyard.domains.tracking.hot.keys import ensure_key
from modelyard.domains.tracking.states import GOING_MS
from modelyard.domains.tracking.tables import Candidate, CandidateTag, Experiment
from modelyard.domains.tracking.texts import MOST_TAG, checked_pairs
from modelyard.domains.tracking.upserts import insert_or_replace
from modelyard.platform.clock import now_ms
from modelyard.platform.errors import Invalid, NotFound, TooLarge

MOST_AT_ONCE = 1_000
OF_MLFLOW = "mlflow."


def delete_candidates(session: Session, actor: Actor, project: Project, iids: Collection[int]) -> list[int]:
    """Delete candidates, so that they can be restored; the numbers of those that were not deleted before.

    Raises:
        Forbidden, NotFound: of the project; one of them is not there.
        TooLarge, Invalid: too many, or none.
    """
    return [candidate.iid for candidate in mark_deleted(session, actor, _chosen(session, actor, project, iids))]


def restore_candidates(session: Session, actor: Actor, project: Project, iids: Collection[int]) -> list[int]:
    """Bring deleted candidates back; the numbers of those that were deleted.

    Raises:
        Forbidden, NotFound: of the project; one of them is not there.
        TooLarge, Invalid: too many, or none; the experiment of one is deleted.
    """
    found = _chosen(session, actor, project, iids)
    for experiment_id in {candidate.experiment_id for candidate in found}:
        refuse_deleted(session.get_one(Experiment, experiment_id))
    return [candidate.iid for candidate in mark_restored(session, actor, found)]


def tag_candidates(
    session: Session, actor: Actor, project: Project, iids: Collection[int], *, key: str, value: str
) -> None:
    """Give candidates a tag; one that is there takes the new value.

    Raises:
        Forbidden, NotFound: of the project; one of them is not there.
        TooLarge, Invalid: too many, or none; one is deleted; the tag cannot be kept, or is MLflow's own; the
            project would have too many names.
    """
    found = _chosen(session, actor, project, iids)
    if key.startswith(OF_MLFLOW):
        raise Invalid(f"Tags that begin with {OF_MLFLOW} are set by MLflow's client. Choose another name.")
    checked_pairs({key: value}, MOST_TAG)
    deleted = next((candidate for candidate in found if candidate.deleted_ms is not None), None)
    if deleted is not None:
        raise Invalid(f"Candidate {deleted.iid} is deleted. Restore it first, or leave it out.")
    tag_id = ensure_key(session, project.id, key)
    rows = [{"candidate_id": candidate.id, "key_id": tag_id, "value": value} for candidate in found]
    insert_or_replace(session.connection(), CandidateTag, rows, "value")
    moment = now_ms()
    for candidate in found:
        candidate.updated_ms = moment


def _chosen(session: Session, actor: Actor, project: Project, iids: Collection[int]) -> list[Candidate]:
    """The candidates with these numbers, for somebody who may write."""
    require(session, actor, Ability.WRITE_TRACKING, project)
    wanted = set(iids)
    if not wanted:
        raise Invalid("Choose at least one candidate.")
    if len(wanted) > MOST_AT_ONCE:
        raise TooLarge(f"At most {MOST_AT_ONCE:,} candidates are changed at once, not {len(wanted):,}.")
    there = (Candidate.project_id == project.id, Candidate.deleted_ms.is_distinct_from(GOING_MS))
    found = list(session.scalars(select(Candidate).where(*there, Candidate.iid.in_(wanted)).order_by(Candidate.iid)))
    missing = sorted(wanted - {candidate.iid for candidate in found})
    if missing:
        raise NotFound(f"There is no candidate {missing[0]} in this project.")
    return found

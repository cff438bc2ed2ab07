"""Datasets that go into candidates: each once per experiment, name and digest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidates import require_active
from modelyard.domains.tracking.tables import Candidate, CandidateDataset, Dataset, Experiment
from modelyard.domains.tracking.texts import checked_text
from modelyard.domains.tracking.upserts import insert_missing
from modelyard.platform.clock import now_ms
from modelyard.platform.errors import Invalid

MOST_DATASETS = 1_000
CONTEXT_TAG = "mlflow.data.context"

_LIMITS = {
    "name": 500,
    "digest": 36,
    "source_type": 36,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 16_777_215,
}
_MOST_TAG_KEY = 255
_MOST_TAG_VALUE = 500
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class DatasetUse:
    """A dataset as a client describes it, and the tags of its use, such as its context."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset that some candidate of an experiment used, in one context."""

    experiment_iid: int
    name: str
    digest: str
    context: str | None


def log_datasets(session: Session, actor: Actor, candidate: Candidate, uses: Sequence[DatasetUse]) -> None:
    """Note datasets that went into a candidate. One that is there already keeps its description and its tags.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the candidate is deleted, or something is too long.
    """
    require_active(session, actor, candidate)
    if len(uses) > MOST_DATASETS:
        raise Invalid(f"{len(uses)} datasets were sent; at most {MOST_DATASETS} are taken at once.")
    distinct: dict[tuple[str, str], DatasetUse] = {}
    for use in uses:
        _check(use)
        distinct.setdefault((use.name, use.digest), use)
    connection = session.connection()
    insert_missing(connection, Dataset, [_described(candidate, use) for use in distinct.values()])
    numbers = _numbers(session, candidate.experiment_id, list(distinct))
    rows = [
        {
            "candidate_id": candidate.id,
            "dataset_id": numbers[identity],
            "context": use.tags.get(CONTEXT_TAG),
            "tags": _encode(dict(use.tags)).decode(),
        }
        for identity, use in distinct.items()
    ]
    insert_missing(connection, CandidateDataset, rows)
    candidate.updated_ms = now_ms()


def datasets_of(
    session: Session, actor: Actor, project: Project, experiment_iids: Sequence[int], *, limit: int
) -> list[DatasetSummary]:
    """The datasets that candidates of some experiments used, each with each of its contexts.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    chosen = (
        select(Experiment.iid, Dataset.name, Dataset.digest, CandidateDataset.context)
        .join(CandidateDataset, CandidateDataset.dataset_id == Dataset.id)
        .join(Experiment, Experiment.id == Dataset.experiment_id)
        .where(Dataset.project_id == project.id, Experiment.iid.in_(experiment_iids))
        .distinct()
        .order_by(Experiment.iid, Dataset.name, Dataset.digest, CandidateDataset.context)
        .limit(limit)
    )
    return [DatasetSummary(*row) for row in session.execute(chosen)]


def _check(use: DatasetUse) -> None:
    for name, most in _LIMITS.items():
        value = getattr(use, name)
        if value is not None:
            checked_text(value, name, most)
    if not use.name or not use.digest:
        raise Invalid("A dataset needs a name and a digest.")
    for key, value in use.tags.items():
        checked_text(key, "key", _MOST_TAG_KEY)
        checked_text(value, "value", _MOST_TAG_VALUE)


def _described(candidate: Candidate, use: DatasetUse) -> dict[str, object]:
    described = {name: getattr(use, name) for name in _LIMITS}
    return {**described, "project_id": candidate.project_id, "experiment_id": candidate.experiment_id}


def _numbers(session: Session, experiment_id: int, identities: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    chosen = select(Dataset.name, Dataset.digest, Dataset.id).where(
        Dataset.experiment_id == experiment_id,
        Dataset.name.in_({name for name, _ in identities}),
        Dataset.digest.in_({digest for _, digest in identities}),
    )
    return {(name, digest): number for name, digest, number in session.execute(chosen)}

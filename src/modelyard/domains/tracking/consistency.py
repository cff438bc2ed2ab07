"""Whether what is stored of candidates agrees with itself."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from modelyard.domains.namespaces.tables import Counter, Project
from modelyard.domains.tracking.hot.history import series_by_key
from modelyard.domains.tracking.hot.points import Points
from modelyard.domains.tracking.states import GOING_MS
from modelyard.domains.tracking.tables import Candidate, Experiment, LatestMetric, MetricChunk, MetricSegment

NUMBERED = "candidate"
# Each series reads all segments of its candidate.
MOST_SERIES = 20

Latest = tuple[int, int, float]


@dataclass(frozen=True)
class TrackingCheck:
    """What was looked at, and the candidates (by run id) with which something is wrong."""

    candidates: int
    sampled: int
    misplaced: list[str]
    misnumbered: list[int]
    disagreeing: list[str]


def check_tracking(session: Session, *, sample: int = 200) -> TrackingCheck:
    """Look at all candidates' places and numbers, and at the metrics of a sample spread over all of them."""
    sampled = _sample(session, sample)
    return TrackingCheck(
        candidates=session.scalar(select(func.count()).select_from(Candidate)) or 0,
        sampled=len(sampled),
        misplaced=_misplaced(session),
        misnumbered=_misnumbered(session),
        disagreeing=[run_id for candidate_id, run_id in sampled if not _metrics_agree(session, candidate_id)],
    )


def _misplaced(session: Session) -> list[str]:
    """Candidates without an experiment, or in one of another project."""
    rows = session.scalars(
        select(Candidate.run_id)
        .outerjoin(Experiment, Experiment.id == Candidate.experiment_id)
        .where(Experiment.project_id.is_distinct_from(Candidate.project_id))
    )
    return list(rows)


def _misnumbered(session: Session) -> list[int]:
    """Projects that would give a new candidate a number which is taken."""
    greatest = (
        select(Candidate.project_id, func.max(Candidate.iid).label("iid"))
        .where(_stays())
        .group_by(Candidate.project_id)
    )
    used = greatest.subquery()
    rows = session.scalars(
        select(used.c.project_id)
        .outerjoin(Counter, (Counter.project_id == used.c.project_id) & (Counter.kind == NUMBERED))
        .where(func.coalesce(Counter.last, 0) < used.c.iid)
    )
    return list(rows)


def _stays() -> ColumnElement[bool]:
    """A condition on `Candidate`: it is not being removed for good, with half of it gone already."""
    is_there = Candidate.project_id.in_(select(Project.id).where(Project.deleted_at.is_(None)))
    return is_there & Candidate.deleted_ms.is_distinct_from(GOING_MS)


def _sample(session: Session, most: int) -> list[tuple[int, str]]:
    """Candidates at equal distances, the newest among them."""
    last = session.scalar(select(func.max(Candidate.id))) or 0
    step = max(1, last // most)
    rows = session.execute(
        select(Candidate.id, Candidate.run_id)
        .where(Candidate.id % step == last % step, _stays())
        .order_by(Candidate.id.desc())
        .limit(most)
    )
    return [(number, run_id) for number, run_id in rows]


def _metrics_agree(session: Session, candidate_id: int) -> bool:
    """Whether the kept latest values are those of the histories, series by series."""
    chosen = (
        select(LatestMetric.key_id, LatestMetric.step, LatestMetric.timestamp_ms, LatestMetric.value)
        .where(LatestMetric.candidate_id == candidate_id)
        .order_by(LatestMetric.key_id)
        .limit(MOST_SERIES)
    )
    kept = {key_id: (step, ms, value or 0.0) for key_id, step, ms, value in session.execute(chosen)}
    if not kept:
        return _has_no_points(session, candidate_id)
    return all(_latest(series_by_key(session, candidate_id, key_id)) == latest for key_id, latest in kept.items())


def _has_no_points(session: Session, candidate_id: int) -> bool:
    tables = (MetricSegment, MetricChunk)
    return not any(session.scalar(select(exists().where(it.candidate_id == candidate_id))) for it in tables)


def _latest(points: Points) -> Latest | None:
    """The greatest (step, timestamp, value) of a series, in which a NaN counts as 0."""
    if not len(points):
        return None
    last = points.steps == points.steps.max()
    step, timestamps, values = points.steps[last][0], points.timestamps_ms[last], points.values[last]
    latest = timestamps == timestamps.max()
    return int(step), int(timestamps.max()), float(np.where(np.isnan(values), 0.0, values)[latest].max())

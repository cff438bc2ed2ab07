"""Reads metric histories: chunks and the segments that are not folded yet, merged, sorted, each point once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.tracking.hot.points import Points, in_order, joined, points_of_key, unpack_chunk
from modelyard.domains.tracking.tables import TrackingKey
from modelyard.platform.raw import marks, read_rows


@dataclass(frozen=True)
class Bucket:
    """Some neighbouring points of a series: where they begin and end, and their last, least and greatest value."""

    first_step: int
    last_step: int
    last: float
    least: float
    greatest: float


def series_of(session: Session, project_id: int, candidate_id: int, key: str) -> Points:
    """The whole history of one metric, ordered by (timestamp, step, value); empty when it was never logged."""
    key_id = _key_id(session, project_id, key)
    return joined([]) if key_id is None else series_by_key(session, candidate_id, key_id)


def series_by_key(session: Session, candidate_id: int, key_id: int) -> Points:
    """The same by the key's number."""
    chunks = read_rows(
        session,
        "SELECT points, payload FROM metric_chunks WHERE candidate_id = ? AND key_id = ? ORDER BY seq",
        (candidate_id, key_id),
    )
    parts = [unpack_chunk(bytes(payload), int(count)) for count, payload in chunks]  # type: ignore[arg-type]  # blob, integer
    segments = read_rows(
        session, "SELECT payload FROM metric_segments WHERE candidate_id = ? ORDER BY id", (candidate_id,)
    )
    fresh = points_of_key(key_id, [bytes(payload) for (payload,) in segments])  # type: ignore[arg-type]  # blobs
    # Folded chunks are in order and distinct among themselves; only fresh points ask for a sort.
    return joined(parts) if not len(fresh) else in_order(joined([*parts, fresh]))


def metric_keys_of(session: Session, candidate_id: int) -> dict[str, int]:
    """The metrics of a candidate, name to number of the key."""
    rows = read_rows(
        session,
        "SELECT k.name, k.id FROM latest_metrics m JOIN tracking_keys k ON k.id = m.key_id WHERE m.candidate_id = ?",
        (candidate_id,),
    )
    return {str(name): int(number) for name, number in sorted(rows)}  # type: ignore[arg-type]  # an integer column


def keys_named(session: Session, project_id: int, names: Sequence[str]) -> dict[str, int]:
    """Numbers of those keys of a project that exist."""
    if not names:
        return {}
    sql = f"SELECT name, id FROM tracking_keys WHERE project_id = ? AND name IN {marks(len(names))}"  # noqa: S608  # marks only
    return {str(name): int(number) for name, number in read_rows(session, sql, (project_id, *names))}  # type: ignore[arg-type]  # an integer column


def thinned(points: Points, most: int) -> Points:
    """At most `most` points, evenly by position, the first and the last always kept; one means the last."""
    count = len(points)
    if count <= most:
        return points
    chosen = np.array([count - 1]) if most == 1 else np.unique(np.linspace(0, count - 1, most).astype(np.int64))
    return Points(points.steps[chosen], points.timestamps_ms[chosen], points.values[chosen])


def between_steps(points: Points, first: int, last: int) -> Points:
    """The points whose step lies in [first, last]."""
    chosen = (points.steps >= first) & (points.steps <= last)
    return Points(points.steps[chosen], points.timestamps_ms[chosen], points.values[chosen])


def buckets(points: Points, most: int) -> list[Bucket]:
    """The series by step in at most `most` groups of equal size, for a curve with its band.

    NaN and infinities are left out of least and greatest; a group of nothing else shows its last value.
    """
    count = len(points)
    if count == 0:
        return []
    order = np.lexsort((points.timestamps_ms, points.steps))
    steps, values = points.steps[order], points.values[order]
    edges = np.unique(np.linspace(0, count, min(most, count) + 1).astype(np.int64))
    starts, ends = edges[:-1], edges[1:] - 1
    finite = np.isfinite(values)
    least = np.minimum.reduceat(np.where(finite, values, np.inf), starts)
    greatest = np.maximum.reduceat(np.where(finite, values, -np.inf), starts)
    last = values[ends]
    empty = least > greatest
    least, greatest = np.where(empty, last, least), np.where(empty, last, greatest)
    columns = (steps[starts], steps[ends], last, least, greatest)
    return [Bucket(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _key_id(session: Session, project_id: int, key: str) -> int | None:
    return session.scalar(select(TrackingKey.id).where(TrackingKey.project_id == project_id, TrackingKey.name == key))

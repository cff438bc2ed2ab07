"""Folds the segments of a candidate to chunks: 28 bytes a point become about 8, and a series is found by its key.

A fold is one transaction: it reads the candidate's segments, merges each key's points with that key's chunks from the
first one they reach into, writes those chunks again and deletes the segments it read. A reader sees either form.
"""

import math

import numpy as np
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from modelyard.domains.tracking.hot.points import (
    CHUNK_POINTS,
    Points,
    in_order,
    joined,
    pack_chunk,
    unpack_chunk,
    unpack_segment,
)
from modelyard.domains.tracking.tables import Candidate, MetricChunk, MetricSegment
from modelyard.platform.raw import read_rows

# A running candidate is folded once it has this many segments or points; an ended one always.
MANY_SEGMENTS = 256
MANY_POINTS = 4096
MOST_SEGMENTS_AT_ONCE = 2000


def candidates_to_fold(session: Session, *, most: int = 20, everything: bool = False) -> list[int]:
    """Candidates whose segments are worth folding: many of them, or of a candidate that has ended."""
    having = (
        ""
        if everything
        else f" HAVING count(*) >= {MANY_SEGMENTS} OR sum(s.points) >= {MANY_POINTS} OR min(c.status) NOT IN (0, 1)"
    )
    rows = read_rows(
        session,
        "SELECT s.candidate_id FROM metric_segments s JOIN candidates c ON c.id = s.candidate_id"  # noqa: S608  # constants
        f" GROUP BY s.candidate_id{having} ORDER BY sum(s.points) DESC LIMIT ?",
        (most,),
    )
    return [int(row[0]) for row in rows]  # type: ignore[arg-type]  # an integer column


def fold(session: Session, candidate_id: int) -> int:
    """Fold the candidate's segments; how many there were. 0 when somebody else is folding it."""
    lock = select(Candidate.id).where(Candidate.id == candidate_id).with_for_update(skip_locked=True, key_share=True)
    if session.scalar(lock) is None:
        return 0
    rows = list(
        session.execute(
            select(MetricSegment.id, MetricSegment.payload)
            .where(MetricSegment.candidate_id == candidate_id)
            .order_by(MetricSegment.id)
            .limit(MOST_SEGMENTS_AT_ONCE)
        )
    )
    for key_id, points in _by_key([payload for _, payload in rows]).items():
        _fold_series(session, candidate_id, key_id, points)
    ids = [number for number, _ in rows]
    for start in range(0, len(ids), 500):
        session.execute(delete(MetricSegment).where(MetricSegment.id.in_(ids[start : start + 500])))
    return len(rows)


def _by_key(payloads: list[bytes]) -> dict[int, Points]:
    """The points of all segments by key, in the order of arrival."""
    unpacked = [unpack_segment(payload) for payload in payloads]
    if not unpacked:
        return {}
    keys = np.concatenate([part for part, _ in unpacked])
    points = joined([part for _, part in unpacked])
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    ends = [*starts[1:], len(order)]
    split: dict[int, Points] = {}
    for key, start, end in zip(found, starts, ends, strict=True):
        chosen = order[start:end]
        split[int(key)] = Points(points.steps[chosen], points.timestamps_ms[chosen], points.values[chosen])
    return split


def _fold_series(session: Session, candidate_id: int, key_id: int, fresh: Points) -> None:
    chunks = list(
        session.execute(
            select(MetricChunk.seq, MetricChunk.points, MetricChunk.payload)
            .where(MetricChunk.candidate_id == candidate_id, MetricChunk.key_id == key_id)
            .order_by(MetricChunk.seq.desc())
        )
    )
    first = 0
    reached: list[Points] = []
    earliest = int(fresh.timestamps_ms.min())
    for seq, count, payload in chunks:
        old = unpack_chunk(payload, count)
        # A full chunk that ends before the fresh points begin stays as it is, and so do all before it.
        if count >= CHUNK_POINTS and int(old.timestamps_ms[-1]) < earliest:
            first = seq + 1
            break
        reached.append(old)
    merged = in_order(joined([*reversed(reached), fresh]))
    session.execute(
        delete(MetricChunk).where(
            MetricChunk.candidate_id == candidate_id, MetricChunk.key_id == key_id, MetricChunk.seq >= first
        )
    )
    for offset in range(0, len(merged), CHUNK_POINTS):
        part = slice(offset, offset + CHUNK_POINTS)
        piece = Points(merged.steps[part], merged.timestamps_ms[part], merged.values[part])
        session.add(_chunk(candidate_id, key_id, first + offset // CHUNK_POINTS, piece))


def _chunk(candidate_id: int, key_id: int, seq: int, points: Points) -> MetricChunk:
    finite = points.values[np.isfinite(points.values)]
    return MetricChunk(
        candidate_id=candidate_id,
        key_id=key_id,
        seq=seq,
        points=len(points),
        first_step=int(points.steps[0]),
        last_step=int(points.steps[-1]),
        first_value=_kept(float(points.values[0])),
        last_value=_kept(float(points.values[-1])),
        least_value=float(finite.min()) if len(finite) else None,
        greatest_value=float(finite.max()) if len(finite) else None,
        payload=pack_chunk(points),
    )


def _kept(value: float) -> float | None:
    return None if math.isnan(value) else value

"""Folds the segments of a candidate to chunks: 28 bytes a point become about 8, and a series is found by its key.

A fold is prepared from what a reader sees: each key's points are merged with that key's chunks from the first one they
reach into. Then, in one short transaction, the new chunks are written and the segments deleted. Segments never change
and only folds delete them, so a fold that finds all of its segments is still right. A reader sees either form.
"""

import math
from dataclasses import dataclass

import numpy as np
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from modelyard.domains.tracking.hot.points import (
    CHUNK_POINTS,
    Points,
    in_order,
    joined,
    pack_chunk,
    unpack_chunk,
    unpack_segments,
)
from modelyard.domains.tracking.hot.segments import POINT_BYTES
from modelyard.domains.tracking.tables import Candidate, MetricChunk
from modelyard.platform.errors import Conflict
from modelyard.platform.raw import Value, read_rows

# What one fold takes at most, so that its transaction stays short and its memory small.
MOST_SEGMENTS_AT_ONCE = 2000
MOST_POINTS_AT_ONCE = 100_000
CHUNKS_AT_ONCE = 4

ChunkRow = dict[str, Value]


@dataclass(frozen=True)
class Fold:
    """A fold that is ready to be written, of so many new points.

    `replaced` are the series with the first chunk that is written again; `has_more`, whether segments were left.
    """

    candidate_id: int
    segment_ids: list[int]
    replaced: list[tuple[int, int]]
    chunks: list[ChunkRow]
    points: int
    has_more: bool


def prepare_fold(session: Session, candidate_id: int) -> Fold | None:
    """Read and merge the candidate's oldest segments; None when it has none. A session that only reads will do."""
    segment_ids, payloads, has_more = _oldest_segments(session, candidate_id)
    if not segment_ids:
        return None
    replaced: list[tuple[int, int]] = []
    chunks: list[ChunkRow] = []
    for key_id, points in _by_key(payloads).items():
        first, merged = _merged(session, candidate_id, key_id, points)
        replaced.append((key_id, first))
        for offset in range(0, len(merged), CHUNK_POINTS):
            part = slice(offset, offset + CHUNK_POINTS)
            piece = Points(merged.steps[part], merged.timestamps_ms[part], merged.values[part])
            chunks.append(_chunk(candidate_id, key_id, first + offset // CHUNK_POINTS, piece))
    count = sum(len(payload) for payload in payloads) // POINT_BYTES
    return Fold(candidate_id, segment_ids, replaced, chunks, count, has_more)


def write_fold(session: Session, fold: Fold) -> bool:
    """Put a prepared fold in the place of its segments; False when somebody else is folding, or the candidate is gone.

    Raises:
        Conflict: somebody else has folded these segments, or committed an earlier one late.
    """
    candidate_id = fold.candidate_id
    lock = select(Candidate.id).where(Candidate.id == candidate_id).with_for_update(skip_locked=True, key_share=True)
    if session.scalar(lock) is None:
        return False
    first, last = fold.segment_ids[0], fold.segment_ids[-1]
    folded = read_rows(
        session,
        "DELETE FROM metric_segments WHERE candidate_id = ? AND id >= ? AND id <= ? RETURNING id",
        (candidate_id, first, last),
    )
    if {number for (number,) in folded} != set(fold.segment_ids):
        raise Conflict("Somebody else has folded this candidate's metrics meanwhile, or written between them.")
    connection = session.connection()
    for key_id, first in fold.replaced:
        connection.execute(
            delete(MetricChunk).where(
                MetricChunk.candidate_id == candidate_id, MetricChunk.key_id == key_id, MetricChunk.seq >= first
            )
        )
    if fold.chunks:
        connection.execute(insert(MetricChunk), fold.chunks)
    return True


def _oldest_segments(session: Session, candidate_id: int) -> tuple[list[int], list[bytes], bool]:
    """The numbers and payloads of as many segments as one fold may take, and whether there are more."""
    sizes = read_rows(
        session,
        "SELECT id, points FROM metric_segments WHERE candidate_id = ? ORDER BY id LIMIT ?",
        (candidate_id, MOST_SEGMENTS_AT_ONCE + 1),
    )
    total = 0
    last = None
    for number, points in sizes[:MOST_SEGMENTS_AT_ONCE]:
        total += int(points)  # type: ignore[arg-type]  # an integer column
        if last is not None and total > MOST_POINTS_AT_ONCE:
            break
        last = number
    rows = read_rows(
        session,
        "SELECT id, payload FROM metric_segments WHERE candidate_id = ? AND id <= ? ORDER BY id",
        (candidate_id, last),
    )
    has_more = bool(sizes) and sizes[-1][0] != last
    return [number for number, _ in rows], [payload for _, payload in rows], has_more  # type: ignore[misc]  # integer, blob


def _by_key(payloads: list[bytes]) -> dict[int, Points]:
    """The points of all segments by key, in the order of arrival."""
    keys, points = unpack_segments(payloads)
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    ends = [*starts[1:], len(order)]
    split: dict[int, Points] = {}
    for key, start, end in zip(found, starts, ends, strict=True):
        chosen = order[start:end]
        split[int(key)] = Points(points.steps[chosen], points.timestamps_ms[chosen], points.values[chosen])
    return split


def _merged(session: Session, candidate_id: int, key_id: int, fresh: Points) -> tuple[int, Points]:
    """The first chunk of a series that changes, and all its points from there on with the fresh ones among them."""
    earliest = _first_moment(fresh)
    reached: list[Points] = []
    below = None
    while chunks := _last_chunks(session, candidate_id, key_id, below):
        for seq, count, payload in chunks:
            old = unpack_chunk(payload, count)
            # A full chunk that ends before the fresh points begin stays as it is, and so do all before it.
            if count >= CHUNK_POINTS and (int(old.timestamps_ms[-1]), int(old.steps[-1])) < earliest:
                return seq + 1, in_order(joined([*reversed(reached), fresh]))
            reached.append(old)
        below = chunks[-1][0]
    return 0, in_order(joined([*reversed(reached), fresh]))


def _first_moment(points: Points) -> tuple[int, int]:
    """The least timestamp, and the least step at it: many loops log all their points with one timestamp."""
    timestamp_ms = points.timestamps_ms.min()
    return int(timestamp_ms), int(points.steps[points.timestamps_ms == timestamp_ms].min())


def _last_chunks(session: Session, candidate_id: int, key_id: int, below: int | None) -> list[tuple[int, int, bytes]]:
    """The last few chunks of a series before `below`, last first."""
    earlier = "" if below is None else f" AND seq < {below}"
    rows = read_rows(
        session,
        "SELECT seq, points, payload FROM metric_chunks"  # noqa: S608  # a number of ours
        f" WHERE candidate_id = ? AND key_id = ?{earlier} ORDER BY seq DESC LIMIT ?",
        (candidate_id, key_id, CHUNKS_AT_ONCE),
    )
    return [(int(seq), int(count), bytes(payload)) for seq, count, payload in rows]  # type: ignore[arg-type]  # integers, blob


def _chunk(candidate_id: int, key_id: int, seq: int, points: Points) -> ChunkRow:
    finite = points.values[np.isfinite(points.values)]
    return {
        "candidate_id": candidate_id,
        "key_id": key_id,
        "seq": seq,
        "points": len(points),
        "first_step": int(points.steps[0]),
        "last_step": int(points.steps[-1]),
        "first_value": _kept(float(points.values[0])),
        "last_value": _kept(float(points.values[-1])),
        "least_value": float(finite.min()) if len(finite) else None,
        "greatest_value": float(finite.max()) if len(finite) else None,
        "payload": pack_chunk(points),
    }


def _kept(value: float) -> float | None:
    return None if math.isnan(value) else value

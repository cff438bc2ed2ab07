"""Finds the candidates whose segments are worth folding, reading of segments only those that came since the last look.

The key of segments is their candidate and a number that grows with the time, so which candidates have any, and since
when and until when, is a few steps in that index for each; nothing is left there of those that are done.
"""

import time
from dataclasses import dataclass

from sqlalchemy.orm import Session

from modelyard.domains.tracking.hot.operations import Status
from modelyard.platform.raw import Value, read_rows

# A running candidate is folded once it has this many segments or points, or logs no more; an ended one always.
MANY_SEGMENTS = 256
MANY_POINTS = 4096
SILENT_S = 3600

_HOLDERS = """
WITH RECURSIVE holders (candidate_id) AS (
    SELECT min(candidate_id) FROM metric_segments
    UNION ALL
    SELECT (SELECT min(s.candidate_id) FROM metric_segments s WHERE s.candidate_id > h.candidate_id)
    FROM holders h WHERE h.candidate_id IS NOT NULL
)
SELECT h.candidate_id, c.status,
    (SELECT min(s.id) FROM metric_segments s WHERE s.candidate_id = h.candidate_id),
    (SELECT max(s.id) FROM metric_segments s WHERE s.candidate_id = h.candidate_id)
FROM holders h JOIN candidates c ON c.id = h.candidate_id
"""
_NEW = "SELECT count(*), sum(points) FROM metric_segments WHERE candidate_id = ? AND id > ? AND id <= ?"


@dataclass
class _Count:
    """What was counted of one candidate's segments: those from `oldest` to `newest`."""

    oldest: int
    newest: int
    segments: int = 0
    points: int = 0

    @property
    def is_much(self) -> bool:
        return self.segments >= MANY_SEGMENTS or self.points >= MANY_POINTS


class Gathered:
    """What this process has counted so far. A fold takes the oldest segments away, and the counting begins anew."""

    def __init__(self) -> None:
        self._counts: dict[int, _Count] = {}

    def worth_folding(self, session: Session, *, everything: bool = False) -> list[int]:
        """Candidates to fold: those with many segments or points, ended or silent ones; with `everything` all."""
        silent_since = time.time_ns() - SILENT_S * 1_000_000_000
        chosen: list[int] = []
        counts: dict[int, _Count] = {}
        for candidate_id, status, oldest, newest in map(_numbers, read_rows(session, _HOLDERS)):
            is_running = status in {Status.RUNNING, Status.SCHEDULED}
            if everything or not is_running or newest < silent_since:
                chosen.append(candidate_id)
                continue
            counts[candidate_id] = count = self._counted(session, candidate_id, oldest, newest)
            if count.is_much:
                chosen.append(candidate_id)
        self._counts = counts
        return chosen

    def _counted(self, session: Session, candidate_id: int, oldest: int, newest: int) -> _Count:
        count = self._counts.get(candidate_id)
        if count is None or count.oldest != oldest:
            count = _Count(oldest, oldest - 1)
        if newest > count.newest:
            segments, points = _numbers(read_rows(session, _NEW, (candidate_id, count.newest, newest))[0])
            count = _Count(oldest, newest, count.segments + segments, count.points + points)
        return count


def _numbers(row: tuple[Value, ...]) -> tuple[int, ...]:
    return tuple(int(value or 0) for value in row)

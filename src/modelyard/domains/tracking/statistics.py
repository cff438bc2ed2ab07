"""How metrics lie in the database."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.domains.tracking.tables import MetricChunk, MetricSegment


@dataclass(frozen=True)
class MetricStorage:
    """Segments (as they arrived) and chunks (folded), with their points and the bytes of their payloads."""

    segments: int
    segment_points: int
    segment_bytes: int
    chunks: int
    chunk_points: int
    chunk_bytes: int

    @property
    def bytes_per_point(self) -> float:
        points = self.segment_points + self.chunk_points
        return (self.segment_bytes + self.chunk_bytes) / points if points else 0.0


def metric_storage(session: Session) -> MetricStorage:
    """Counted over all projects; it reads both tables whole."""
    counted = [
        session.execute(select(func.count(), func.sum(table.points), func.sum(func.length(table.payload)))).one()
        for table in (MetricSegment, MetricChunk)
    ]
    return MetricStorage(*(int(value or 0) for row in counted for value in row))

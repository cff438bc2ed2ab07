"""Counts and durations of what the server does, cheap enough for the hot path.

The event loop alone writes the meters of requests, so they need no lock; a reader may see a number one request old.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(slots=True)
class Durations:
    """A histogram of seconds; `buckets` has one more place than there are bounds."""

    count: int = 0
    total_s: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total_s += seconds
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1

    def cumulated(self) -> list[tuple[str, int]]:
        """Upper bounds and how many were at or below them, as Prometheus wants them."""
        running = 0
        found: list[tuple[str, int]] = []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.buckets, strict=True):
            running += count
            found.append((bound, running))
        return found


class RequestMeter:
    """Requests by route and status."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, int], int] = {}
        self.durations: dict[str, Durations] = {}

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count one request that was answered."""
        key = (route, status)
        self.counts[key] = self.counts.get(key, 0) + 1
        durations = self.durations.get(route)
        if durations is None:
            durations = self.durations[route] = Durations()
        durations.add(seconds)


@dataclass(slots=True)
class CommitMeter:
    """Groups that the hot lane committed, and the operations in them. Its one writing thread counts."""

    operations: int = 0
    undone: int = 0
    durations: Durations = field(default_factory=Durations)

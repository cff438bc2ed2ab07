"""What has been measured: one list of samples for each measure and contender."""

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median


class Unmeasurable(Exception):
    """A workload cannot go on, because a server does not do what it needs; the message says which and what."""


@dataclass(frozen=True)
class Measure:
    """One figure that contenders are compared by."""

    key: str  # as targets name it: "W2.16.rate"
    title: str
    unit: str
    is_better_higher: bool = False


@dataclass(frozen=True)
class Gauge:
    """How quiet the machine is: the times of a fixed spin loop and of flushing one page to disk (a median)."""

    spin_ms: float
    flush_ms: float


@dataclass(frozen=True)
class Turn:
    """The gauge before and after one contender's turn."""

    workload: str
    contender: str
    before: Gauge
    after: Gauge


@dataclass
class Samples:
    """All samples of a run, in the order their measures first appeared."""

    measures: dict[str, Measure] = field(default_factory=dict)
    values: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    turns: list[Turn] = field(default_factory=list)
    abandoned: dict[str, str] = field(default_factory=dict)  # workloads that could not be measured, and why
    driver_shares: dict[str, float] = field(default_factory=dict)  # of one core, that driving took in the last round

    def add(self, measure: Measure, contender: str, value: float) -> None:
        """Keep one sample."""
        self.measures.setdefault(measure.key, measure)
        self.values[measure.key, contender].append(value)

    def add_failure(self, measure: Measure, contender: str, what: str) -> None:
        """Keep that a sample could not be taken, and why."""
        self.measures.setdefault(measure.key, measure)
        self.failures[measure.key, contender].append(what)

    def median(self, key: str, contender: str) -> float | None:
        """The middle of the samples that succeeded, if any did."""
        values = self.values.get((key, contender))
        return median(values) if values else None

    def ratio(self, key: str, ours: str, peer: str) -> float | None:
        """How many times better than the peer we are."""
        own, other = self.median(key, ours), self.median(key, peer)
        if own is None or other is None or not own or not other:
            return None
        return own / other if self.measures[key].is_better_higher else other / own

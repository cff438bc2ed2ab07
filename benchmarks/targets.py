"""What we promise, as ratios to a peer in the same run and as limits of our own."""

from dataclasses import dataclass

from benchmarks.samples import Samples

MLFLOW = ("mlflow-4w", "mlflow-1w")
MLFLOW_ON_POSTGRES = ("mlflow-pg-4w", "mlflow-pg-1w")
FASTTRACKML = ("fasttrackml",)


@dataclass(frozen=True)
class Promise:
    """So many times better than the best of these peers."""

    key: str
    ours: str
    peers: tuple[str, ...]
    factor: float
    peer_key: str | None = None  # when the peer's figure has another name


@dataclass(frozen=True)
class Limit:
    """A figure of ours that may not be larger."""

    key: str
    ours: str
    most: float


@dataclass(frozen=True)
class Verdict:
    """What came of a promise or a limit; `is_met` is None when it could not be judged."""

    key: str
    title: str
    ours: str
    own: float | None
    against: str
    other: float | None
    ratio: float | None
    asked: str
    is_met: bool | None


def _against_mlflow(factors: dict[str, float]) -> list[Promise]:
    return [Promise(key, "modelyard-full", MLFLOW, factor) for key, factor in factors.items()]


def _against_fasttrackml(factors: dict[str, float]) -> list[Promise]:
    return [Promise(key, "modelyard-normal", FASTTRACKML, factor) for key, factor in factors.items()]


def _on_postgres(factors: dict[str, float]) -> list[Promise]:
    return [Promise(key, "modelyard-pg", MLFLOW_ON_POSTGRES, factor) for key, factor in factors.items()]


PROMISES = (
    *_against_mlflow({
        "W1.1.rate": 12, "W1.16.rate": 30,
        "W2.1.rate": 15, "W2.16.rate": 60, "W2.64.rate": 90,
        "W3.1.rate": 30, "W3.8.rate": 80,
        "W4.16.rate": 60,
        "W5.filtered.p50": 100,
        "W6.p50": 60,
        "W9.first": 8, "W9.again": 8,
    }),
    Promise("W5.page.p50", "modelyard-full", MLFLOW, 10, peer_key="W5.first.p50"),
    *_against_fasttrackml({
        "W1.1.rate": 1.8, "W1.16.rate": 2.5,
        "W2.1.rate": 8, "W2.16.rate": 10, "W2.64.rate": 12,
        "W3.1.rate": 18, "W3.8.rate": 25,
        "W4.16.rate": 12,
        "W5.filtered.p50": 6,
        "W6.p50": 12,
    }),
    *_on_postgres({"W2.16.rate": 15, "W3.1.rate": 15, "W3.8.rate": 15, "W4.16.rate": 15}),
)  # fmt: skip

LIMITS = (
    Limit("W9.first", "modelyard-full", 1),
    Limit("W9.idle", "modelyard-full", 130),
    Limit("disk.compacted", "modelyard-full", 12),
)


def verdicts(samples: Samples) -> list[Verdict]:
    """One for each promise and limit whose measure and contenders took part."""
    took_part = {name for _, name in [*samples.values, *samples.failures]}
    judged = [_judge(samples, promise) for promise in PROMISES if _took_part(samples, took_part, promise)]
    return judged + [_judge_limit(samples, limit) for limit in LIMITS if _has_figure(samples, limit.key, limit.ours)]


def _took_part(samples: Samples, names: set[str], promise: Promise) -> bool:
    return promise.key in samples.measures and promise.ours in names and bool(names.intersection(promise.peers))


def _has_figure(samples: Samples, key: str, name: str) -> bool:
    return (key, name) in samples.values or (key, name) in samples.failures


def best_of(samples: Samples, key: str, names: tuple[str, ...]) -> str | None:
    """The one of these contenders with the best median, None when none has any."""
    found = {name: value for name in names if (value := samples.median(key, name)) is not None}
    if not found:
        return None
    choose = max if samples.measures[key].is_better_higher else min
    return choose(found, key=lambda name: found[name])


def _judge(samples: Samples, promise: Promise) -> Verdict:
    measure = samples.measures[promise.key]
    peer_key = promise.peer_key or promise.key
    peer = best_of(samples, peer_key, promise.peers) if peer_key in samples.measures else None
    own = samples.median(promise.key, promise.ours)
    other = samples.median(peer_key, peer) if peer is not None else None
    ratio = None
    if own and other:
        ratio = own / other if measure.is_better_higher else other / own
    return Verdict(
        key=promise.key,
        title=f"{measure.title}, {measure.unit}",
        ours=promise.ours,
        own=own,
        against=peer or " and ".join(promise.peers) + ": failed",
        other=other,
        ratio=ratio,
        asked=f"{promise.factor:g}x",
        is_met=ratio >= promise.factor if ratio is not None else None,
    )


def _judge_limit(samples: Samples, limit: Limit) -> Verdict:
    measure = samples.measures[limit.key]
    own = samples.median(limit.key, limit.ours)
    return Verdict(
        key=limit.key,
        title=f"{measure.title}, {measure.unit}",
        ours=limit.ours,
        own=own,
        against="",
        other=None,
        ratio=None,
        asked=f"at most {limit.most:g}",
        is_met=own <= limit.most if own is not None else None,
    )

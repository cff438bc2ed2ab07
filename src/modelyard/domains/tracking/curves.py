"""Metrics as pages draw them: the extremes of each series, and one series reduced to buckets."""

from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.hot.history import between_steps, buckets, series_of
from modelyard.domains.tracking.hot.points import unpack_segments
from modelyard.domains.tracking.keys import names_of_keys
from modelyard.domains.tracking.search.fragments import Reader
from modelyard.platform.raw import read_rows

MOST_BUCKETS = 2_000
EARLIEST, LATEST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Extremes:
    """The least and greatest finite value of a series; None where it has none."""

    least: float | None
    greatest: float | None


@dataclass(frozen=True)
class Curve:
    """A series in columns, by step. `points` were reduced; `unplotted` of them are NaN or infinite.

    A bucket without a finite value has None.
    """

    x: list[int]
    last: list[float | None]
    min: list[float | None]
    max: list[float | None]
    points: int
    unplotted: int


def extremes_of(session: Session, actor: Actor, project: Project, candidate_id: int) -> dict[str, Extremes]:
    """The extremes of every metric of a candidate of the project, by name, without reading folded points.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    found: dict[int, tuple[float, float]] = {}
    folded = read_rows(
        session,
        "SELECT key_id, min(least_value), max(greatest_value) FROM metric_chunks"
        " WHERE candidate_id = ? GROUP BY key_id",
        (candidate_id,),
    )
    for key_id, least, greatest in folded:
        if least is not None and greatest is not None:
            _widen(found, int(key_id), float(least), float(greatest))  # type: ignore[arg-type]  # an integer column
    fresh = read_rows(session, "SELECT payload FROM metric_segments WHERE candidate_id = ?", (candidate_id,))
    _add_segments(found, [bytes(payload) for (payload,) in fresh])  # type: ignore[arg-type]  # blobs
    names = names_of_keys(Reader(session.connection()), list(found))
    return {names[key_id]: Extremes(*_finite(least, greatest)) for key_id, (least, greatest) in found.items()}


def _add_segments(found: dict[int, tuple[float, float]], payloads: list[bytes]) -> None:
    keys, points = unpack_segments(payloads)
    finite = np.flatnonzero(np.isfinite(points.values))
    if not len(finite):
        return
    order = finite[np.argsort(keys[finite], kind="stable")]
    values = points.values[order]
    key_ids, starts = np.unique(keys[order], return_index=True)
    least, greatest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    for extremes in zip(key_ids.tolist(), least.tolist(), greatest.tolist(), strict=True):
        _widen(found, *extremes)


def _widen(found: dict[int, tuple[float, float]], key_id: int, least: float, greatest: float) -> None:
    known = found.get(key_id, (inf, -inf))
    found[key_id] = (min(known[0], least), max(known[1], greatest))


def _finite(least: float, greatest: float) -> tuple[float | None, float | None]:
    return (least if isfinite(least) else None, greatest if isfinite(greatest) else None)


def curve_of(
    session: Session,
    actor: Actor,
    project: Project,
    candidate_id: int,
    metric: str,
    *,
    most_buckets: int,
    first_step: int = EARLIEST,
    last_step: int = LATEST,
) -> Curve:
    """One metric of a candidate of the project, between two steps, in at most `most_buckets` buckets.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    points = between_steps(series_of(session, project.id, candidate_id, metric), first_step, last_step)
    reduced = buckets(points, max(1, min(most_buckets, MOST_BUCKETS)))
    return Curve(
        x=[bucket.last_step for bucket in reduced],
        last=[_plotted(bucket.last) for bucket in reduced],
        min=[_plotted(bucket.least) for bucket in reduced],
        max=[_plotted(bucket.greatest) for bucket in reduced],
        points=len(points),
        unplotted=int(np.count_nonzero(~np.isfinite(points.values))),
    )


def _plotted(value: float) -> float | None:
    return value if isfinite(value) else None

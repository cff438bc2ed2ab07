"""Metrics as pages draw them say the same whether their points were folded or not."""

from collections.abc import Callable

import pytest

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.tracking.curves import Curve, Extremes, curve_of, extremes_of
from modelyard.domains.tracking.hot.compaction import prepare_fold, write_fold
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CandidatePlace,
    CreateCandidate,
    LogData,
    MetricColumns,
)
from modelyard.entrypoints.request import Installation
from modelyard.platform.errors import NotFound
from modelyard.platform.ids import hex_id
from tests.conftest import World

NAN, INF = float("nan"), float("inf")
Log = Callable[[str, list[float]], None]


@pytest.fixture
def place(installation: Installation, world: World) -> CandidatePlace:
    made = installation.lane.submit_and_wait(
        CreateCandidate(world.project_id, 0, hex_id(), "brave", "me", None, 1, 1, {})
    )
    assert isinstance(made, CandidateInfo)
    return made.place


@pytest.fixture
def log(installation: Installation, place: CandidatePlace) -> Log:
    """Logs values of one metric, one a step from 0."""

    def write(key: str, values: list[float]) -> None:
        steps = list(range(len(values)))
        columns = MetricColumns([key] * len(values), steps, steps, values)
        installation.lane.submit_and_wait(LogData(place, 1, metrics=columns))

    return write


def fold(installation: Installation, place: CandidatePlace) -> None:
    """Fold what there is to fold, if anything."""
    with installation.database.read() as session:
        prepared = prepare_fold(session, place.candidate_id)
    if prepared is not None:
        with installation.database.write() as session:
            assert write_fold(session, prepared)


def extremes(installation: Installation, world: World, place: CandidatePlace) -> dict[str, Extremes]:
    with installation.database.read() as session:
        return extremes_of(session, SYSTEM, world.project(session), place.candidate_id)


def curve(installation: Installation, world: World, place: CandidatePlace, most: int, *steps: int) -> Curve:
    with installation.database.read() as session:
        first, last = steps or (0, 10**9)
        return curve_of(
            session, SYSTEM, world.project(session), place.candidate_id, "loss",
            most_buckets=most, first_step=first, last_step=last,
        )  # fmt: skip


def test_extremes_are_of_every_finite_point(
    installation: Installation, world: World, place: CandidatePlace, log: Log
) -> None:
    log("loss", [3.0, NAN, -1.0, INF, 2.0])
    log("nothing", [NAN, -INF])
    expected = {"loss": Extremes(-1.0, 3.0)}
    assert extremes(installation, world, place) == expected
    fold(installation, place)
    assert extremes(installation, world, place)["loss"] == expected["loss"]
    log("loss", [9.0])
    assert extremes(installation, world, place)["loss"] == Extremes(-1.0, 9.0)


def test_a_curve_keeps_its_spikes_and_its_end(
    installation: Installation, world: World, place: CandidatePlace, log: Log
) -> None:
    values = [1.0] * 1000
    values[437], values[999] = 99.0, 0.5
    log("loss", values)
    for _ in range(2):
        drawn = curve(installation, world, place, 10)
        assert (len(drawn.x), drawn.points, drawn.unplotted) == (10, 1000, 0)
        assert drawn.x == sorted(drawn.x)
        assert (drawn.x[-1], drawn.last[-1], max(value or 0 for value in drawn.max)) == (999, 0.5, 99.0)
        fold(installation, place)


def test_a_part_of_a_curve_is_drawn_in_full(
    installation: Installation, world: World, place: CandidatePlace, log: Log
) -> None:
    log("loss", [float(step) for step in range(500)])
    drawn = curve(installation, world, place, 100, 40, 49)
    assert drawn.x == list(range(40, 50))
    assert drawn.last == drawn.min == drawn.max == [float(step) for step in range(40, 50)]


def test_what_cannot_be_drawn_is_counted(
    installation: Installation, world: World, place: CandidatePlace, log: Log
) -> None:
    log("loss", [1.0, NAN, INF])
    drawn = curve(installation, world, place, 100)
    assert (drawn.last, drawn.points, drawn.unplotted) == ([1.0, None, None], 3, 2)


def test_curves_are_for_those_who_may_see(
    installation: Installation, world: World, place: CandidatePlace, log: Log
) -> None:
    log("loss", [1.0])
    with installation.database.read() as session, pytest.raises(NotFound):
        extremes_of(session, world.stranger.actor, world.project(session), place.candidate_id)

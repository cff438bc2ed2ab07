"""The lane and the folding of its segments, on both engines."""

import math
import threading
from collections.abc import Callable

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.domains.tracking.hot.compaction import prepare_fold, write_fold
from modelyard.domains.tracking.hot.history import buckets, series_of, thinned
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CandidatePlace,
    CreateCandidate,
    LogData,
    MetricColumns,
)
from modelyard.domains.tracking.hot.points import Points
from modelyard.domains.tracking.tables import Candidate, LatestMetric, MetricChunk, MetricSegment, TrackingKey
from modelyard.entrypoints.request import Installation
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.ids import hex_id
from tests.conftest import World

Log = Callable[..., None]


def create(installation: Installation, world: World, *, name: str = "brave") -> CandidatePlace:
    """A new candidate in the default experiment."""
    made = installation.lane.submit_and_wait(
        CreateCandidate(world.project_id, 0, hex_id(), name, "me", None, 1, 1, {"mlflow.runName": name})
    )
    assert isinstance(made, CandidateInfo)
    return made.place


@pytest.fixture
def place(installation: Installation, world: World) -> CandidatePlace:
    return create(installation, world)


@pytest.fixture
def log(installation: Installation, place: CandidatePlace) -> Log:
    """Logs points (step, value) of one metric, the timestamp being ten times the step."""

    def write(key: str, *points: tuple[int, float]) -> None:
        columns = MetricColumns(
            [key] * len(points), [step for step, _ in points], [10 * step for step, _ in points], [v for _, v in points]
        )
        installation.lane.submit_and_wait(LogData(place, 1, metrics=columns))

    return write


def fold(session: Session, candidate_id: int) -> int:
    """Fold the candidate's segments; how many there were."""
    prepared = prepare_fold(session, candidate_id)
    return len(prepared.segment_ids) if prepared is not None and write_fold(session, prepared) else 0


def values_of(session: Session, world: World, place: CandidatePlace, key: str) -> list[float]:
    return [float(value) for value in series_of(session, world.project_id, place.candidate_id, key).values]


def test_candidates_are_numbered_in_their_project(installation: Installation, world: World) -> None:
    assert [create(installation, world).iid for _ in range(3)] == [1, 2, 3]


def test_candidates_created_at_once_get_different_numbers(installation: Installation, world: World) -> None:
    places: list[CandidatePlace] = []
    threads = [threading.Thread(target=lambda: places.append(create(installation, world))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(place.iid for place in places) == list(range(1, 17))


def test_the_latest_value_is_of_the_greatest_step(installation: Installation, place: CandidatePlace, log: Log) -> None:
    log("loss", (5, 0.5))
    log("loss", (9, 0.1), (3, 0.3))
    log("loss", (7, 0.7))
    with installation.database.read() as session:
        row = session.scalars(select(LatestMetric).where(LatestMetric.candidate_id == place.candidate_id)).one()
        assert (row.step, row.value) == (9, 0.1)


def test_a_latest_nan_is_null(installation: Installation, place: CandidatePlace, log: Log) -> None:
    log("loss", (1, 0.5))
    log("loss", (2, math.nan))
    with installation.database.read() as session:
        row = session.scalars(select(LatestMetric).where(LatestMetric.candidate_id == place.candidate_id)).one()
        assert (row.step, row.value) == (2, None)


def test_folding_changes_nothing_that_is_read(
    installation: Installation, world: World, place: CandidatePlace, log: Log
) -> None:
    log("loss", (1, 1.0), (2, 2.0))
    log("acc", (1, 0.1))
    log("loss", (2, 2.0), (3, math.inf))
    with installation.database.read() as session:
        before = values_of(session, world, place, "loss"), values_of(session, world, place, "acc")
    assert before == ([1.0, 2.0, math.inf], [0.1])
    with installation.database.write() as session:
        assert fold(session, place.candidate_id) == 3
    log("loss", (0, 0.0), (4, 4.0))
    with installation.database.read() as session:
        assert values_of(session, world, place, "loss") == [0.0, 1.0, 2.0, math.inf, 4.0]
    with installation.database.write() as session:
        fold(session, place.candidate_id)
    with installation.database.read() as session:
        assert values_of(session, world, place, "loss") == [0.0, 1.0, 2.0, math.inf, 4.0]
        assert session.scalar(select(func.count()).select_from(MetricSegment)) == 0


def test_a_long_series_is_folded_to_full_chunks(
    installation: Installation, world: World, place: CandidatePlace, log: Log
) -> None:
    for start in range(0, 20_000, 1000):
        log("loss", *((step, float(step)) for step in range(start, start + 1000)))
        if start % 5000 == 0:
            with installation.database.write() as session:
                fold(session, place.candidate_id)
    with installation.database.write() as session:
        fold(session, place.candidate_id)
    with installation.database.read() as session:
        counts = list(session.scalars(select(MetricChunk.points).order_by(MetricChunk.seq)))
        assert counts == [8192, 8192, 20_000 - 2 * 8192]
        assert values_of(session, world, place, "loss") == [float(step) for step in range(20_000)]


def test_a_deleted_candidate_takes_nothing(installation: Installation, place: CandidatePlace) -> None:
    with installation.database.write() as session:
        session.get_one(Candidate, place.candidate_id).deleted_ms = 1
    with pytest.raises(Invalid, match="deleted"):
        installation.lane.submit_and_wait(LogData(place, 1, tags={"a": "b"}))


def test_an_unknown_candidate_is_not_found(installation: Installation, place: CandidatePlace) -> None:
    gone = CandidatePlace(10**9, place.project_id, place.experiment_id, 0, 1, "f" * 32)
    with pytest.raises(NotFound):
        installation.lane.submit_and_wait(LogData(gone, 1, tags={"a": "b"}))


def test_of_two_values_for_one_parameter_one_wins(installation: Installation, place: CandidatePlace) -> None:
    outcomes: list[str] = []

    def write(value: str) -> None:
        try:
            installation.lane.submit_and_wait(LogData(place, 1, parameters={"depth": value}))
        except Invalid:
            outcomes.append("refused")
        else:
            outcomes.append(value)

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([outcome for outcome in outcomes if outcome != "refused"]) == 1


def test_a_project_that_is_deleted_takes_everything_with_it(
    installation: Installation, world: World, place: CandidatePlace, log: Log
) -> None:
    log("loss", (1, 1.0))
    installation.lane.submit_and_wait(LogData(place, 1, tags={"a": "b"}, parameters={"c": "d"}))
    with installation.database.write() as session:
        session.delete(world.project(session))
    with installation.database.read() as session:
        for table in (Candidate, LatestMetric, MetricSegment, TrackingKey):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_a_thinned_series_keeps_its_ends() -> None:
    points = Points(np.arange(1000), np.arange(1000), np.arange(1000, dtype=np.float64))
    few = thinned(points, 7)
    assert len(few) == 7
    assert (few.steps[0], few.steps[-1]) == (0, 999)
    assert thinned(points, 1).steps.tolist() == [999]


def test_buckets_keep_spikes() -> None:
    values = np.zeros(10_000)
    values[1234] = 50.0
    points = Points(np.arange(10_000), np.arange(10_000), values)
    groups = buckets(points, 100)
    assert len(groups) == 100
    assert max(group.greatest for group in groups) == 50.0
    assert groups[-1].last_step == 9999

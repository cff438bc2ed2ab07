"""Folding beside the lane: nothing is lost or doubled, whoever folds at the same time and whatever cannot be folded."""

import math
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from modelyard.domains.tracking.folding import Folder
from modelyard.domains.tracking.hot import compaction, gathered
from modelyard.domains.tracking.hot.compaction import prepare_fold, write_fold
from modelyard.domains.tracking.hot.history import series_of
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CandidatePlace,
    CreateCandidate,
    LogData,
    MetricColumns,
)
from modelyard.domains.tracking.tables import Candidate, MetricChunk, MetricSegment
from modelyard.entrypoints.request import Installation
from modelyard.platform.errors import Conflict
from modelyard.platform.ids import hex_id
from tests.conftest import World

Create = Callable[[], CandidatePlace]
Log = Callable[[CandidatePlace, int, int], None]


@pytest.fixture
def create(installation: Installation, world: World) -> Create:
    """Makes candidates in the default experiment."""

    def make() -> CandidatePlace:
        operation = CreateCandidate(world.project_id, 0, hex_id(), "brave", "me", None, 1, 1, {})
        made = installation.lane.submit_and_wait(operation)
        assert isinstance(made, CandidateInfo)
        return made.place

    return make


@pytest.fixture
def log(installation: Installation) -> Log:
    """Logs points of two metrics from one step to before another, in one batch."""

    def write(place: CandidatePlace, first: int, stop: int) -> None:
        steps = list(range(first, stop))
        names = ["loss" if step % 2 else "acc" for step in steps]
        columns = MetricColumns(names, steps, [10 * step for step in steps], [step / 8 for step in steps])
        installation.lane.submit_and_wait(LogData(place, 1, metrics=columns))

    return write


def steps_of(installation: Installation, place: CandidatePlace) -> list[int]:
    with installation.database.read() as session:
        both = [series_of(session, place.project_id, place.candidate_id, key).steps for key in ("acc", "loss")]
    return sorted(int(step) for steps in both for step in steps)


def segments(installation: Installation) -> int:
    with installation.database.read() as session:
        return session.scalar(select(func.count()).select_from(MetricSegment)) or 0


def test_everything_is_folded_when_asked(installation: Installation, create: Create, log: Log) -> None:
    places = [create() for _ in range(3)]
    for place in places:
        for first in range(0, 40, 10):
            log(place, first, first + 10)
    folder = Folder(installation.database)
    folder.fold_all()
    assert folder.segments == 0, "Too little of running candidates to be worth it."
    folder.fold_all(everything=True)
    assert (folder.segments, segments(installation)) == (12, 0)
    assert all(steps_of(installation, place) == list(range(40)) for place in places)


def test_a_fold_takes_no_more_than_its_share(
    installation: Installation, create: Create, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MOST_POINTS_AT_ONCE", 25)
    place = create()
    for first in range(0, 100, 10):
        log(place, first, first + 10)
    log(place, 100, 200)
    with installation.database.read() as session:
        fold = prepare_fold(session, place.candidate_id)
    assert fold is not None
    assert len(fold.segment_ids) == 2
    Folder(installation.database).fold_all(everything=True)
    assert segments(installation) == 0
    assert steps_of(installation, place) == list(range(200))


def test_of_two_that_fold_the_same_one_is_refused(installation: Installation, create: Create, log: Log) -> None:
    place = create()
    log(place, 0, 10)
    with installation.database.read() as session:
        first, second = (prepare_fold(session, place.candidate_id) for _ in range(2))
    assert first is not None
    assert second is not None
    with installation.database.write() as session:
        assert write_fold(session, first)
    log(place, 10, 20)
    with pytest.raises(Conflict), installation.database.write() as session:
        write_fold(session, second)
    assert steps_of(installation, place) == list(range(20))


def test_as_many_others_in_their_place_are_not_taken_for_them(
    installation: Installation, create: Create, log: Log
) -> None:
    place = create()
    for first in range(0, 30, 10):
        log(place, first, first + 10)
    with installation.database.read() as session:
        fold = prepare_fold(session, place.candidate_id)
    assert fold is not None
    with installation.database.write() as session:
        session.execute(
            update(MetricSegment).where(MetricSegment.id == fold.segment_ids[1]).values(id=MetricSegment.id + 1)
        )
    with pytest.raises(Conflict), installation.database.write() as session:
        write_fold(session, fold)
    assert steps_of(installation, place) == list(range(30))


def test_points_with_one_timestamp_are_not_folded_again_and_again(
    installation: Installation, create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "CHUNK_POINTS", 100)
    place = create()
    chunks = []
    for first in range(0, 2000, 500):
        steps = list(range(first, first + 500))
        columns = MetricColumns(["loss"] * 500, steps, [0] * 500, [1.0] * 500)
        installation.lane.submit_and_wait(LogData(place, 1, metrics=columns))
        with installation.database.read() as session:
            fold = prepare_fold(session, place.candidate_id)
        assert fold is not None
        chunks.append(len(fold.chunks))
        with installation.database.write() as session:
            assert write_fold(session, fold)
    assert chunks == [5, 5, 5, 5]


def test_a_candidate_that_vanishes_meanwhile_is_no_trouble(
    installation: Installation, create: Create, log: Log
) -> None:
    place = create()
    log(place, 0, 10)
    with installation.database.read() as session:
        fold = prepare_fold(session, place.candidate_id)
    with installation.database.write() as session:
        session.delete(session.get_one(Candidate, place.candidate_id))
    assert fold is not None
    with installation.database.write() as session:
        assert not write_fold(session, fold)
    with installation.database.read() as session:
        assert session.scalar(select(func.count()).select_from(MetricChunk)) == 0


def test_a_damaged_candidate_does_not_keep_the_others_waiting(
    installation: Installation, create: Create, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, sound = create(), create()
    log(damaged, 0, 50)
    log(sound, 0, 10)
    with installation.database.write() as session:
        session.execute(
            update(MetricSegment).where(MetricSegment.candidate_id == damaged.candidate_id).values(payload=b"")
        )
    folder = Folder(installation.database)
    folder.fold_all(everything=True)
    folder.fold_all(everything=True)
    assert folder.segments == 1
    assert steps_of(installation, sound) == list(range(10))
    assert caplog.text.count("cannot be folded") == 1


def test_folders_at_work_under_writers_lose_nothing(
    installation: Installation, create: Create, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "MANY_SEGMENTS", 2)
    place = create()
    done = threading.Event()
    folders = [Folder(installation.database) for _ in range(2)]

    def keep_folding(folder: Folder) -> None:
        while not done.is_set():
            folder.fold_all()

    def write(first: int) -> None:
        for start in range(first, first + 300, 10):
            log(place, start, start + 10)

    folding = [threading.Thread(target=keep_folding, args=(folder,)) for folder in folders]
    writing = [threading.Thread(target=write, args=(first,)) for first in range(0, 1200, 300)]
    for thread in [*folding, *writing]:
        thread.start()
    for thread in writing:
        thread.join()
    done.set()
    for thread in folding:
        thread.join()
    Folder(installation.database).fold_all(everything=True)
    assert segments(installation) == 0
    assert steps_of(installation, place) == list(range(1200))
    with installation.database.read() as session:
        points = session.scalar(select(func.sum(MetricChunk.points)))
    assert points == 1200


def test_points_that_are_not_numbers_are_folded(installation: Installation, create: Create) -> None:
    place = create()
    columns = MetricColumns(["loss"] * 3, [1, 2, 3], [1, 2, 3], [math.nan, math.inf, -math.inf])
    installation.lane.submit_and_wait(LogData(place, 1, metrics=columns))
    Folder(installation.database).fold_all(everything=True)
    with installation.database.read() as session:
        values = [float(value) for value in series_of(session, place.project_id, place.candidate_id, "loss").values]
        chunk = session.scalars(select(MetricChunk)).one()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]
    assert (chunk.first_value, chunk.least_value, chunk.greatest_value) == (None, None, None)

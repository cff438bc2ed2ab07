"""What is worth folding is found without reading again what was counted before."""

from collections.abc import Callable

import pytest

from modelyard.domains.tracking.folding import Folder
from modelyard.domains.tracking.hot import gathered
from modelyard.domains.tracking.hot.gathered import Gathered
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CandidatePlace,
    CreateCandidate,
    LogData,
    MetricColumns,
    Status,
    UpdateCandidate,
)
from modelyard.entrypoints.request import Installation
from modelyard.platform.ids import hex_id
from tests.conftest import World

Create = Callable[[], CandidatePlace]


@pytest.fixture
def create(installation: Installation, world: World) -> Create:
    """Makes candidates in the default experiment."""

    def make() -> CandidatePlace:
        made = installation.lane.submit_and_wait(
            CreateCandidate(world.project_id, 0, hex_id(), "brave", "me", None, 1, 1, {})
        )
        assert isinstance(made, CandidateInfo)
        return made.place

    return make


def log(installation: Installation, place: CandidatePlace, *, segments: int = 1, points: int = 1) -> None:
    for step in range(segments):
        columns = MetricColumns(["loss"] * points, [step] * points, list(range(points)), [0.5] * points)
        installation.lane.submit_and_wait(LogData(place, 1, metrics=columns))


def look(installation: Installation, found: Gathered) -> list[int]:
    with installation.database.read() as session:
        return found.worth_folding(session)


def test_many_segments_many_points_an_end_or_silence_are_worth_it(
    installation: Installation, create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "MANY_SEGMENTS", 5)
    monkeypatch.setattr(gathered, "MANY_POINTS", 20)
    few, many, fat, ended = create(), create(), create(), create()
    found = Gathered()
    assert look(installation, found) == []
    for place, points in ((few, 1), (many, 1), (fat, 10), (ended, 1)):
        log(installation, place, segments=2, points=points)
    installation.lane.submit_and_wait(UpdateCandidate(ended, 2, status=Status.FAILED))
    assert look(installation, found) == [fat.candidate_id, ended.candidate_id]
    log(installation, many, segments=3)
    worth = [many.candidate_id, fat.candidate_id, ended.candidate_id]
    assert look(installation, found) == worth
    assert look(installation, Gathered()) == worth, "Whoever begins now counts the same."
    Folder(installation.database).fold_all()
    assert look(installation, found) == []
    log(installation, many, segments=4)
    assert look(installation, found) == [], "After a fold the counting begins anew."
    monkeypatch.setattr(gathered, "SILENT_S", 0)
    assert look(installation, found) == [few.candidate_id, many.candidate_id]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_look_costs_nothing_for_what_was_counted(installation: Installation, create: Create) -> None:
    found = Gathered()
    idle = work_of(installation, found)
    place = create()
    log(installation, place)
    look(installation, found)
    one = work_of(installation, found)
    log(installation, place, segments=200)
    first = work_of(installation, found)
    assert first > 200, "They are counted once,"
    assert work_of(installation, found) == one, "and never again."
    Folder(installation.database).fold_all(everything=True)
    assert work_of(installation, found) == idle < one


def work_of(installation: Installation, found: Gathered) -> int:
    """How many steps SQLite's engine takes for one look."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    with installation.database.read() as session:
        driver = session.connection().connection.dbapi_connection
        assert driver is not None
        driver.set_progress_handler(count, 1)
        found.worth_folding(session)
        driver.set_progress_handler(None, 1)
    return steps[0]

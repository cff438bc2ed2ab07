"""What writers of several processes do to each other's rows, and how many names a project may have."""

import threading
import time
from typing import Any

import pytest
from sqlalchemy import func, select, text

from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.hot import keys
from modelyard.domains.tracking.hot.keys import KeyBook
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CandidatePlace,
    CreateCandidate,
    LogData,
    MetricColumns,
    Operation,
    Status,
    UpdateCandidate,
)
from modelyard.domains.tracking.hot.writing import GroupWriter
from modelyard.domains.tracking.many_candidates import tag_candidates
from modelyard.domains.tracking.tables import Candidate, MetricSegment, TrackingKey
from modelyard.entrypoints.request import Installation
from modelyard.platform.database import Database
from modelyard.platform.errors import Invalid
from modelyard.platform.ids import hex_id
from modelyard.platform.raw import open_writer
from tests.conftest import World


def create(installation: Installation, world: World) -> CandidateInfo:
    made = installation.lane.submit_and_wait(
        CreateCandidate(world.project_id, 0, hex_id(), "old", "me", None, 1, 1, {"mlflow.runName": "old"})
    )
    assert isinstance(made, CandidateInfo)
    return made


@pytest.mark.parametrize("engine", ["postgresql"])
@pytest.mark.parametrize("rename_first", [True, False])
def test_updates_of_two_processes_both_count(installation: Installation, world: World, *, rename_first: bool) -> None:
    place = create(installation, world).place
    changes = [
        UpdateCandidate(place, 2, name="new"),
        UpdateCandidate(place, 3, status=Status.FINISHED, end_ms=9),
    ]
    first, second = changes if rename_first else reversed(changes)
    ahead, behind = open_writer(installation.database), open_writer(installation.database)
    told: list[object] = []

    def follow(operation: Operation) -> None:
        behind.begin()
        told.extend(GroupWriter()(behind, [operation]))
        behind.commit()

    ahead.begin()
    GroupWriter()(ahead, [first])
    following = threading.Thread(target=follow, args=(second,))
    following.start()
    await_somebody_waiting(installation.database)
    ahead.commit()
    following.join()
    ahead.close()
    behind.close()
    with installation.database.read() as session:
        row = session.execute(select(Candidate.name, Candidate.status, Candidate.end_ms)).one()
    assert tuple(row) == ("new", Status.FINISHED, 9)
    assert told == [CandidateInfo(place, "new", Status.FINISHED, "me", 1, 9)], "The second is told of both."


def points(*names: str) -> MetricColumns:
    """One point of each of these metrics."""
    return MetricColumns(names, [1] * len(names), [1] * len(names), [0.5] * len(names))


def names_of(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(TrackingKey.name)))


def await_somebody_waiting(database: Database) -> None:
    """Go on once a transaction on PostgreSQL waits for another one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with database.read() as session:
            if session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
    pytest.fail("Nobody waits.")


@pytest.mark.parametrize("engine", ["postgresql"])
def test_groups_that_change_the_same_candidates_never_cross(
    installation: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [create(installation, world).place for _ in range(2)]
    installation.lane.submit_and_wait(LogData(places[0], 1, parameters={"depth": "6"}))
    arrived, may_go_on = threading.Event(), threading.Event()
    log = GroupWriter._log

    def log_later(writer: GroupWriter, *group: Any) -> None:  # noqa: ANN401  # as it is called
        if not arrived.is_set():
            arrived.set()
            may_go_on.wait(10)
        log(writer, *group)

    monkeypatch.setattr(GroupWriter, "_log", log_later)
    told: list[object] = []

    def write(ending: CandidatePlace, described: CandidatePlace) -> None:
        writer = open_writer(installation.database)
        writer.begin()
        end = UpdateCandidate(ending, 2, status=Status.FINISHED, end_ms=9)
        told.extend(GroupWriter()(writer, [end, LogData(described, 2, parameters={"depth": "6"})]))
        writer.commit()
        writer.close()

    threads = [threading.Thread(target=write, args=pair) for pair in (places, reversed(places))]
    threads[0].start()
    assert arrived.wait(10)
    threads[1].start()
    await_somebody_waiting(installation.database)
    may_go_on.set()
    for thread in threads:
        thread.join()
    assert [type(outcome) for outcome in told] == [CandidateInfo, type(None)] * 2
    with installation.database.read() as session:
        assert session.scalars(select(Candidate.status)).all() == [Status.FINISHED] * 2


def test_a_project_has_only_so_many_names(
    installation: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = create(installation, world).place
    monkeypatch.setattr(keys, "MOST_NAMES", 4)
    lane, database = installation.lane, installation.database
    lane.submit_and_wait(LogData(place, 1, metrics=points("loss", "acc"), parameters={"lr": "1"}))
    before = names_of(database)
    assert len(before) == 4
    for over in (
        LogData(place, 1, metrics=points("loss", "f1")),
        LogData(place, 1, metrics=points("loss"), parameters={"depth": "1"}),
        LogData(place, 1, tags={"team": "a"}, metrics=points("acc")),
        CreateCandidate(world.project_id, 0, hex_id(), "x", "me", None, 1, 1, {"team": "a"}),
    ):
        with pytest.raises(Invalid, match=r"has 4 different names of metrics, parameters and tags, and 4 is the most"):
            lane.submit_and_wait(over)
    assert names_of(database) == before
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(MetricSegment)) == 1, "A batch is refused whole."
        assert session.scalar(select(func.count()).select_from(Candidate)) == 1
    lane.submit_and_wait(LogData(place, 1, metrics=points("acc", "loss"), tags={"lr": "names are shared"}))
    lane.submit_and_wait(UpdateCandidate(place, 1, name="new"))


def test_names_of_a_group_that_is_undone_are_forgotten(installation: Installation, world: World) -> None:
    place = create(installation, world).place
    writer, group_writer = open_writer(installation.database), GroupWriter()
    batch = LogData(place, 1, metrics=points("loss", "acc"))
    with installation.database.pen_held():
        for undone in (True, False):
            writer.begin()
            assert group_writer(writer, [batch]) == [None]
            if undone:
                writer.rollback()
            else:
                writer.commit()
                group_writer.committed([batch], [None])
    writer.close()
    book = group_writer.keys.of_project(world.project_id)
    assert set(book) == {"loss", "acc"}
    with installation.database.read() as session:
        kept = session.execute(select(TrackingKey.name, TrackingKey.id)).all()
    assert {**book, "mlflow.runName": 1} == {name: number if name in book else 1 for name, number in kept}


def test_a_new_name_copies_nothing_that_is_known(installation: Installation, world: World) -> None:
    place = create(installation, world).place
    writer, group_writer = open_writer(installation.database), GroupWriter()
    known = group_writer.keys.of_project(world.project_id)
    with installation.database.pen_held():
        writer.begin()
        assert group_writer.keys.ids(writer, place.project_id, ["a", "b"]) is known
        assert group_writer.keys.ids(writer, place.project_id, ["b", "c"]) is known
        writer.rollback()
    writer.close()
    assert list(known) == ["a", "b", "c"]
    group_writer.keys.settle(committed=False)
    assert known == {}


def test_names_are_counted_together_whoever_makes_them(
    installation: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = create(installation, world).place
    monkeypatch.setattr(keys, "MOST_NAMES", 4)
    lane, database = installation.lane, installation.database

    def tag(key: str) -> None:
        with database.write() as session:
            project = session.get_one(Project, world.project_id)
            tag_candidates(session, world.developer.actor, project, [place.iid], key=key, value="v")

    lane.submit_and_wait(LogData(place, 1, metrics=points("loss")))
    tag("team")
    tag("state")
    # The lane has counted before, and not what was made since.
    with pytest.raises(Invalid, match="has 4 different names"):
        lane.submit_and_wait(LogData(place, 1, metrics=points("acc")))
    with pytest.raises(Invalid, match="has 4 different names"):
        tag("more")
    tag("loss")
    assert names_of(database) == {"mlflow.runName", "loss", "team", "state"}


@pytest.mark.parametrize("engine", ["postgresql"])
def test_two_processes_do_not_make_the_last_name_both(
    installation: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = create(installation, world).place
    monkeypatch.setattr(keys, "MOST_NAMES", 2)
    ahead, behind = open_writer(installation.database), open_writer(installation.database)
    told: list[object] = []

    def follow() -> None:
        behind.begin()
        told.extend(GroupWriter()(behind, [LogData(place, 1, tags={name: "v"}) for name in ("b", "a")]))
        behind.commit()

    ahead.begin()
    KeyBook().ids(ahead, world.project_id, ["a"])
    following = threading.Thread(target=follow)
    following.start()
    await_somebody_waiting(installation.database)
    ahead.commit()
    following.join()
    ahead.close()
    behind.close()
    assert isinstance(told[0], Invalid)
    assert told[1] is None, "The other one's name is found."
    assert names_of(installation.database) == {"mlflow.runName", "a"}


def test_the_project_that_was_used_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_PROJECTS", 2)
    book = KeyBook()
    for project_id in (1, 2):
        book.of_project(project_id)["loss"] = project_id
    for project_id in (1, 3):
        book.of_project(project_id)
    assert book.of_project(1) == {"loss": 1}
    assert book.of_project(2) == {}

"""A deleted place takes no writes at once, and what it held goes in bounded steps that may end anywhere."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm.attributes import set_committed_value

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.namespaces.deletion import DeletedPlace, purge_place
from modelyard.domains.namespaces.groups import create_group, delete_group, get_group, update_group
from modelyard.domains.namespaces.projects import create_project, delete_project, get_project
from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.domains.packages.tables import Blob, Package, PackageFile
from modelyard.domains.tracking.consistency import check_tracking
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CandidatePlace,
    CreateCandidate,
    LogData,
    MetricColumns,
    UpdateCandidate,
)
from modelyard.domains.tracking.tables import Candidate, CandidateParameter, LatestMetric, MetricChunk
from modelyard.entrypoints.request import Installation
from modelyard.platform.database import Database, Table
from modelyard.platform.errors import NotFound
from modelyard.platform.ids import hex_id
from modelyard.platform.purging import ROWS_AT_ONCE, purge_steps
from tests.conftest import World

Fill = Callable[[int, int], None]


def new_run(project_id: int) -> CreateCandidate:
    return CreateCandidate(project_id, 0, hex_id(), "brave", "me", None, 1, 1, {"a": "b"})


@pytest.fixture
def place(installation: Installation, world: World) -> CandidatePlace:
    """A candidate of the project."""
    made = installation.lane.submit_and_wait(new_run(world.project_id))
    assert isinstance(made, CandidateInfo)
    return made.place


@pytest.fixture
def fill(database: Database, place: CandidatePlace) -> Fill:
    """Puts so many more candidates beside `place`, and so many rows of each kind into `place` and its package."""

    def put(candidates: int, rows: int) -> None:
        common = {"project_id": place.project_id, "experiment_id": place.experiment_id, "name": "x", "status": 0}
        times = {"start_ms": 1, "created_ms": 1, "updated_ms": 1}
        row = {"candidate_id": place.candidate_id}
        chunk = {**row, "points": 1, "first_step": 1, "last_step": 1, "payload": b"x"}
        digest = hex_id()
        with database.write() as session:
            package = Package(project_id=place.project_id, kind="generic", name="p", version="-")
            package.created_at = package.updated_at = moment = get_project(session, SYSTEM, place.project_id).created_at
            blob = Blob(sha256=digest, md5="", sha1="", size_bytes=1, name=digest, created_at=moment)
            session.add_all([package, blob])
            session.flush()
            file = {"package_id": package.id, "project_id": place.project_id, "sha256": digest, "created_at": moment}
            for table, values in (
                (Candidate, [{**common, **times, "iid": 100 + i, "run_id": hex_id()} for i in range(candidates)]),
                (CandidateParameter, [{**row, "key_id": i, "value": "v"} for i in range(rows)]),
                (LatestMetric, [
                    {**row, "experiment_id": place.experiment_id, "key_id": i, "step": 1, "timestamp_ms": 1}
                    for i in range(rows)
                ]),
                (MetricChunk, [{**chunk, "key_id": i, "seq": 0} for i in range(rows)]),
                (PackageFile, [{**file, "path": f"{i}"} for i in range(rows)]),
            ):  # fmt: skip
                session.execute(insert(table), values)

    return put


@pytest.fixture
def sibling(database: Database, world: World) -> int:
    """Another project of the group."""
    with database.write() as session:
        group = get_group(session, SYSTEM, "acme")
        return create_project(session, world.owner.actor, name="kept", namespace=group).id


def delete(database: Database, project_id: int) -> DeletedPlace:
    with database.write() as session:
        delete_project(session, SYSTEM, get_project(session, SYSTEM, project_id))
    return DeletedPlace(is_project=True, id=project_id)


def count(database: Database, *tables: type[Table]) -> list[int]:
    with database.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_the_lane_refuses_what_was_admitted_before_the_deletion(
    installation: Installation, world: World, place: CandidatePlace
) -> None:
    delete(installation.database, world.project_id)
    columns = MetricColumns(["loss"], [1], [1], [0.5])
    for late in (LogData(place, 1, metrics=columns), UpdateCandidate(place, 1, name="x"), new_run(world.project_id)):
        with pytest.raises(NotFound):
            installation.lane.submit_and_wait(late)
    assert count(installation.database, Candidate, LatestMetric) == [1, 0]


@pytest.fixture
def largest(database: Database) -> Iterator[list[int]]:
    """How many rows each transaction on SQLite changed, with those that foreign keys took along."""
    seen, totals = [0], [0]

    def note(connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        seen.append(driver.total_changes - totals[0])
        totals[0] = driver.total_changes

    event.listen(database.engine, "commit", note)
    yield seen
    event.remove(database.engine, "commit", note)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_no_transaction_takes_many_rows(
    database: Database, world: World, fill: Fill, sibling: int, largest: list[int]
) -> None:
    fill(3 * ROWS_AT_ONCE, 3 * ROWS_AT_ONCE)
    del largest[1:]
    place = delete(database, world.project_id)
    assert max(largest) < 20, "However much there is, marking it takes a few rows."
    purge_place(database, place)
    assert sum(largest) > 15 * ROWS_AT_ONCE
    # With each file that goes, a trigger counts the bytes of its project anew.
    assert max(largest) <= 2 * ROWS_AT_ONCE
    assert count(database, Candidate, CandidateParameter, MetricChunk, Package, PackageFile) == [0] * 5
    with database.read() as session:
        assert session.scalars(select(Project.id)).all() == [sibling]


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_a_purge_that_was_ended_anywhere_is_done_again(
    database: Database, world: World, fill: Fill, sibling: int, steps: int
) -> None:
    fill(250, 30)
    place = delete(database, world.project_id)
    begun = purge_steps(database, Project, [place.id])
    for _ in range(steps):
        next(begun)
    with database.read() as session:
        found = check_tracking(session)
        assert (found.misplaced, found.misnumbered, found.disagreeing) == ([], [], [])
    purge_place(database, place)
    purge_place(database, place)
    assert count(database, Candidate, CandidateParameter, LatestMetric, MetricChunk, PackageFile) == [0] * 5
    with database.read() as session:
        assert session.scalars(select(Project.id)).all() == [sibling]


def test_a_purge_leaves_what_is_not_deleted(database: Database, world: World) -> None:
    purge_place(database, DeletedPlace(is_project=True, id=world.project_id))
    assert count(database, Project) == [1]


def test_what_is_deleted_has_no_effect_on_what_it_lay_in(database: Database, world: World) -> None:
    owner, guest = world.owner.actor, world.guest.actor
    with database.write() as session:
        acme = update_group(session, owner, get_group(session, owner, "acme"), visibility="public")
        lab = create_group(session, owner, name="lab", parent=acme, visibility="public")
        create_project(session, owner, name="deep", namespace=lab, visibility="public")
        assert get_group(session, guest, "acme").id == acme.id
    with database.write() as session:
        delete_group(session, owner, get_group(session, owner, "acme/lab"))
        delete_project(session, owner, world.project(session))
    with database.write() as session:
        # What is in there is more visible than that, and is not there any more.
        update_group(session, owner, get_group(session, owner, "acme"), visibility="private")
        update_group(session, owner, get_group(session, owner, "acme"), path="moved")
    with database.read() as session:
        assert session.scalars(select(Project.full_path).order_by(Project.id)).all() == ["acme/churn", "acme/lab/deep"]
        for person in (guest, world.maintainer.actor):
            with pytest.raises(NotFound):
                get_group(session, person, "moved")


@pytest.mark.parametrize("engine", ["postgresql"])
def test_what_is_made_while_its_group_is_deleted_goes_with_it(database: Database, world: World) -> None:
    owner = world.owner.actor

    def delete_it() -> None:
        with database.write() as session:
            delete_group(session, owner, get_group(session, owner, "acme"))

    deleting = threading.Thread(target=delete_it)
    with database.write() as session:
        group = get_group(session, owner, "acme")
        create_project(session, owner, name="late", namespace=create_group(session, owner, name="lab", parent=group))
        deleting.start()
        await_somebody_waiting(database)
    deleting.join()
    with database.write() as session:
        assert session.scalars(select(Project.id).where(Project.deleted_at.is_(None))).all() == []
        group = session.scalars(select(Namespace).where(Namespace.full_path == "acme")).one()
        set_committed_value(group, "deleted_at", None)
        with pytest.raises(NotFound):
            create_project(session, SYSTEM, name="later", namespace=group)


def await_somebody_waiting(database: Database) -> None:
    """Go on once a transaction on PostgreSQL waits for another one."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with database.read() as session:
            if session.scalar(waiting):
                return
    pytest.fail("Nobody waits.")

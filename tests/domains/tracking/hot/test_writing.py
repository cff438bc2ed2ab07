"""What writers of several processes do to each other's rows, and how many names a project may have."""

import threading
import time

import pytest
from sqlalchemy import select, text

from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate, Operation, Status, UpdateCandidate
from modelyard.domains.tracking.hot.writing import GroupWriter
from modelyard.domains.tracking.tables import Candidate
from modelyard.entrypoints.request import Installation
from modelyard.platform.database import Database
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


def await_somebody_waiting(database: Database) -> None:
    """Go on once a transaction on PostgreSQL waits for another one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with database.read() as session:
            if session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
    pytest.fail("Nobody waits.")

"""What was deleted goes when its time is over, and nothing that may still be wanted goes with it."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import event, insert, select, update

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.packages.tables import Package, PackageFile
from modelyard.domains.tracking.artifacts import ArtifactPath, put_artifact
from modelyard.domains.tracking.candidates import delete_candidate, get_candidate, restore_candidate
from modelyard.domains.tracking.experiments import (
    create_experiment,
    delete_experiment,
    get_experiment,
    restore_experiment,
)
from modelyard.domains.tracking.folding import Folder
from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate, LogData, MetricColumns
from modelyard.domains.tracking.logged_models import create_logged_model, delete_logged_model, get_logged_model
from modelyard.domains.tracking.many_candidates import delete_candidates, restore_candidates
from modelyard.domains.tracking.retention import Purged, purge_deleted
from modelyard.domains.tracking.states import GOING_AT, GOING_MS
from modelyard.domains.tracking.tables import (
    Candidate,
    CandidateTag,
    Experiment,
    LatestMetric,
    LoggedModel,
    MetricChunk,
    MetricSegment,
)
from modelyard.entrypoints.request import Installation
from modelyard.platform.clock import now, to_ms
from modelyard.platform.database import Table
from modelyard.platform.errors import NotFound
from modelyard.platform.events import EventRow
from modelyard.platform.ids import hex_id
from modelyard.platform.purging import ROWS_AT_ONCE
from modelyard.platform.storage.blobs import StoredBlob, new_name
from modelyard.platform.storage.digests import Digests
from tests.conftest import World

KEEP = timedelta(days=30)
LONG_AGO = now() - timedelta(days=31)
LATELY = now() - timedelta(days=29)

Create = Callable[[int], str]


@pytest.fixture
def create(installation: Installation, world: World) -> Create:
    """Makes a candidate with a tag, a metric and a file in an experiment; its run id."""

    def make(experiment_iid: int) -> str:
        run_id = hex_id()
        operation = CreateCandidate(world.project_id, experiment_iid, run_id, "brave", "me", None, 1, 1, {"a": "b"})
        made = installation.lane.submit_and_wait(operation)
        assert isinstance(made, CandidateInfo)
        columns = MetricColumns(["loss"], [1], [1], [0.5])
        installation.lane.submit_and_wait(LogData(made.place, 1, metrics=columns))
        put(installation, world, ArtifactPath("notes/one.txt", run_id=run_id))
        return run_id

    return make


def put(installation: Installation, world: World, artifact: ArtifactPath) -> None:
    digest = hashlib.sha256(repr(artifact).encode()).hexdigest()
    blob = StoredBlob(new_name(digest), Digests(digest, digest[:32], digest[:40], 1))
    with installation.database.write() as session:
        put_artifact(session, SYSTEM, world.project(session), artifact, blob)


@pytest.fixture
def experiment_iid(installation: Installation, world: World) -> int:
    with installation.database.write() as session:
        return create_experiment(session, SYSTEM, world.project(session), name="x").iid


def delete(installation: Installation, world: World, *run_ids: str) -> None:
    with installation.database.write() as session:
        for run_id in run_ids:
            delete_candidate(session, SYSTEM, get_candidate(session, SYSTEM, world.project(session), run_id))


def all_of(installation: Installation, *tables: type[Table]) -> list[int]:
    with installation.database.read() as session:
        return [len(session.scalars(select(table)).all()) for table in tables]


def test_a_candidate_goes_with_all_it_has(installation: Installation, world: World, create: Create) -> None:
    gone, folded, kept = create(0), create(0), create(0)
    Folder(installation.database).fold_all(everything=True)
    delete(installation, world, gone, folded)
    with installation.database.write() as session:
        session.execute(update(Candidate).where(Candidate.run_id != kept).values(deleted_ms=to_ms(LONG_AGO)))
    assert purge_deleted(installation.database, keep=KEEP) == Purged(0, 2, 0)
    with installation.database.read() as session:
        assert session.scalars(select(Candidate.run_id)).all() == [kept]
    tables = (CandidateTag, LatestMetric, MetricChunk, Package, PackageFile)
    assert all_of(installation, *tables) == [1, 1, 1, 1, 1]
    assert all_of(installation, MetricSegment) == [0]


def test_what_can_still_be_restored_stays(installation: Installation, world: World, create: Create) -> None:
    run_id = create(0)
    delete(installation, world, run_id)
    with installation.database.write() as session:
        session.execute(update(Candidate).values(deleted_ms=to_ms(LATELY)))
    assert purge_deleted(installation.database, keep=KEEP) == Purged(0, 0, 0)


def test_an_experiment_takes_everything_in_it_along(
    installation: Installation, world: World, create: Create, experiment_iid: int
) -> None:
    run_id = create(experiment_iid)
    elsewhere = create(0)
    with installation.database.write() as session:
        project = world.project(session)
        experiment = get_experiment(session, SYSTEM, project, experiment_iid)
        model = create_logged_model(session, SYSTEM, project, experiment, name="net", run_id=run_id)
        alone = create_logged_model(session, SYSTEM, project, experiment, name="alone")
    for made in (model, alone):
        put(installation, world, ArtifactPath("MLmodel", model_id=made.model_id))
    with installation.database.write() as session:
        delete_experiment(session, SYSTEM, get_experiment(session, SYSTEM, world.project(session), experiment_iid))
        session.execute(update(Experiment).where(Experiment.iid == experiment_iid).values(deleted_at=LONG_AGO))
    assert purge_deleted(installation.database, keep=KEEP) == Purged(2, 1, 1)
    with installation.database.read() as session:
        assert session.scalars(select(Candidate.run_id)).all() == [elsewhere]
        assert session.scalars(select(Experiment.iid)).all() == [0]
        assert session.scalars(select(Package.name)).all() == ["ml_candidate_2"]


def test_a_candidate_stays_while_a_model_of_it_may_be_wanted(
    installation: Installation, world: World, create: Create
) -> None:
    run_id = create(0)
    with installation.database.write() as session:
        project = world.project(session)
        experiment = get_experiment(session, SYSTEM, project, 0)
        model_id = create_logged_model(session, SYSTEM, project, experiment, name="net", run_id=run_id).model_id
    put(installation, world, ArtifactPath("MLmodel", model_id=model_id))
    delete(installation, world, run_id)
    with installation.database.write() as session:
        session.execute(update(Candidate).values(deleted_ms=to_ms(LONG_AGO)))
    assert purge_deleted(installation.database, keep=KEEP) == Purged(0, 0, 0)
    assert all_of(installation, PackageFile) == [2]

    with installation.database.write() as session:
        delete_logged_model(
            session, SYSTEM, get_logged_model(session, SYSTEM, world.project(session), model_id, with_deleted=True)
        )
        session.execute(update(LoggedModel).values(deleted_ms=to_ms(LONG_AGO)))
    assert purge_deleted(installation.database, keep=KEEP) == Purged(1, 1, 0)
    assert all_of(installation, Candidate, LoggedModel, Package, PackageFile) == [0, 0, 0, 0]


def test_a_model_goes_and_leaves_its_candidate_its_own_files(
    installation: Installation, world: World, create: Create
) -> None:
    run_id = create(0)
    with installation.database.write() as session:
        project = world.project(session)
        experiment = get_experiment(session, SYSTEM, project, 0)
        model_id = create_logged_model(session, SYSTEM, project, experiment, name="net", run_id=run_id).model_id
    put(installation, world, ArtifactPath("MLmodel", model_id=model_id))
    with installation.database.write() as session:
        session.execute(update(LoggedModel).values(deleted_ms=to_ms(LONG_AGO)))
    assert purge_deleted(installation.database, keep=KEEP) == Purged(1, 0, 0)
    with installation.database.read() as session:
        assert session.scalars(select(PackageFile.path)).all() == ["notes/one.txt"]


def test_many_are_purged_in_small_transactions(installation: Installation, world: World, create: Create) -> None:
    run_ids = [create(0) for _ in range(23)]
    delete(installation, world, *run_ids)
    with installation.database.write() as session:
        session.execute(update(Candidate).values(deleted_ms=to_ms(LONG_AGO)))
    assert purge_deleted(installation.database, keep=KEEP) == Purged(0, 23, 0)
    assert all_of(installation, Candidate, Package) == [0, 0]


def test_what_is_going_is_restored_by_nobody(
    installation: Installation, world: World, create: Create, experiment_iid: int
) -> None:
    going, in_experiment, deleted = create(0), create(experiment_iid), create(experiment_iid)
    delete(installation, world, going, deleted)
    with installation.database.write() as session:
        project = world.project(session)
        candidate = get_candidate(session, SYSTEM, project, going)
        experiment = get_experiment(session, SYSTEM, project, experiment_iid)
        delete_experiment(session, SYSTEM, experiment)
        session.execute(update(Candidate).where(Candidate.run_id.in_([going, deleted])).values(deleted_ms=GOING_MS))
        with pytest.raises(NotFound):
            get_candidate(session, SYSTEM, project, going)
        with pytest.raises(NotFound):
            restore_candidate(session, SYSTEM, candidate)
        for change in (restore_candidates, delete_candidates):
            with pytest.raises(NotFound, match=f"no candidate {candidate.iid} in this project"):
                change(session, SYSTEM, project, [candidate.iid])
        restore_experiment(session, SYSTEM, experiment)
    with installation.database.write() as session:
        kept = select(Candidate.run_id).where(Candidate.deleted_ms.is_(None))
        assert session.scalars(kept).all() == [in_experiment]
        experiment = get_experiment(session, SYSTEM, world.project(session), experiment_iid)
        delete_experiment(session, SYSTEM, experiment)
        session.execute(update(Experiment).where(Experiment.iid == experiment_iid).values(deleted_at=GOING_AT))
        with pytest.raises(NotFound):
            restore_experiment(session, SYSTEM, experiment)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_big_candidate_goes_a_few_rows_at_a_time(installation: Installation, world: World, create: Create) -> None:
    run_id = create(0)
    delete(installation, world, run_id)
    seen: list[int] = []
    with installation.database.write() as session:
        number = session.scalars(select(Candidate.id)).one()
        rows = [{"candidate_id": number, "key_id": 1000 + i, "value": "v"} for i in range(3 * ROWS_AT_ONCE)]
        session.execute(insert(CandidateTag), rows)
        file = session.scalars(select(PackageFile)).one()
        common = {name: getattr(file, name) for name in ("package_id", "project_id", "sha256", "created_at")}
        session.execute(insert(PackageFile), [{**common, "path": f"many/{i}"} for i in range(3 * ROWS_AT_ONCE)])
        session.execute(update(Candidate).values(deleted_ms=to_ms(LONG_AGO)))
        driver = session.connection().connection.dbapi_connection
    assert driver is not None
    event.listen(installation.database.engine, "commit", lambda _connection: seen.append(driver.total_changes))
    assert purge_deleted(installation.database, keep=KEEP) == Purged(0, 1, 0)
    # The row of each file is counted twice: with it, its bytes are taken off what its project has.
    assert max(after - before for before, after in pairwise(seen)) <= 2 * ROWS_AT_ONCE
    assert all_of(installation, Candidate, CandidateTag, Package, PackageFile) == [0, 0, 0, 0]
    with installation.database.read() as session:
        assert session.scalars(select(EventRow.kind).order_by(EventRow.id.desc())).first() == "PackageDeleted"

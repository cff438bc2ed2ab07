import json
from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import ANONYMOUS, SYSTEM, Actor
from modelyard.domains.tracking.candidate_rows import CandidateRow
from modelyard.domains.tracking.candidate_search import read_candidate
from modelyard.domains.tracking.candidates import (
    MODELS_TAG,
    MOST_MODELS_TAG,
    LoggedOutput,
    delete_candidate,
    delete_candidate_tag,
    get_candidate,
    log_model_inputs,
    log_model_outputs,
    note_model,
    restore_candidate,
)
from modelyard.domains.tracking.datasets import CONTEXT_TAG, DatasetSummary, DatasetUse, datasets_of, log_datasets
from modelyard.domains.tracking.experiments import create_experiment, delete_experiment
from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate, LogData
from modelyard.domains.tracking.logged_models import create_logged_model, delete_logged_model
from modelyard.domains.tracking.tables import Dataset, Experiment
from modelyard.entrypoints.request import Installation
from modelyard.platform.clock import now_ms
from modelyard.platform.errors import Forbidden, Invalid, NotFound
from modelyard.platform.ids import hex_id
from tests.conftest import World


@pytest.fixture
def run_id(installation: Installation, world: World) -> str:
    """A candidate of experiment 1, made and tagged on the hot lane."""
    with installation.database.write() as session:
        create_experiment(session, SYSTEM, world.project(session), name="x")
    creation = CreateCandidate(
        project_id=world.project_id,
        experiment_iid=1,
        run_id=hex_id(),
        name="brave",
        source_user="u",
        creator_id=None,
        start_ms=5,
        now_ms=now_ms(),
        tags={"mlflow.runName": "brave"},
    )
    made = installation.lane.submit_and_wait(creation)
    assert isinstance(made, CandidateInfo)
    installation.lane.submit_and_wait(LogData(made.place, now_ms(), tags={"colour": "red"}, parameters={"a": "1"}))
    return creation.run_id


def read(session: Session, world: World, run_id: str) -> CandidateRow:
    session.flush()
    return read_candidate(session, SYSTEM, world.project(session), run_id)


def test_a_deleted_candidate_can_be_read_and_restored(installation: Installation, world: World, run_id: str) -> None:
    with installation.database.write() as session:
        candidate = get_candidate(session, world.developer.actor, world.project(session), run_id)
        delete_candidate(session, world.developer.actor, candidate)
        deleted_ms = read(session, world, run_id).deleted_ms
        assert deleted_ms is not None
        delete_candidate(session, world.developer.actor, candidate)
        assert candidate.deleted_ms == deleted_ms
        changes: list[Callable[[], None]] = [
            lambda: delete_candidate_tag(session, SYSTEM, candidate, "colour"),
            lambda: note_model(session, SYSTEM, candidate, MODEL),
            lambda: log_datasets(session, SYSTEM, candidate, []),
            lambda: log_model_inputs(session, SYSTEM, candidate, []),
            lambda: log_model_outputs(session, SYSTEM, candidate, []),
        ]
        for change in changes:
            with pytest.raises(Invalid, match="must be in the 'active' state"):
                change()
        restore_candidate(session, world.developer.actor, candidate)
        restore_candidate(session, world.developer.actor, candidate)
        assert read(session, world, run_id).deleted_ms is None


def test_a_candidate_of_a_deleted_experiment_stays_deleted(
    installation: Installation, world: World, run_id: str
) -> None:
    with installation.database.write() as session:
        candidate = get_candidate(session, SYSTEM, world.project(session), run_id)
        delete_experiment(session, SYSTEM, session.get_one(Experiment, candidate.experiment_id))
        with pytest.raises(Invalid, match="experiment 1 must be in the 'active' state"):
            restore_candidate(session, SYSTEM, candidate)


def test_a_tag_is_removed_once(installation: Installation, world: World, run_id: str) -> None:
    with installation.database.write() as session:
        candidate = get_candidate(session, SYSTEM, world.project(session), run_id)
        delete_candidate_tag(session, SYSTEM, candidate, "colour")
        assert "colour" not in read(session, world, run_id).tags
        for key in ("colour", "a", "never", "\0"):
            with pytest.raises(NotFound, match=f"in run with id {run_id}"):
                delete_candidate_tag(session, SYSTEM, candidate, key)


def test_only_those_who_may_write_change_candidates(installation: Installation, world: World, run_id: str) -> None:
    with installation.database.write() as session:
        candidate = get_candidate(session, world.guest.actor, world.project(session), run_id)
        changes: list[Callable[[Actor], None]] = [
            lambda actor: delete_candidate(session, actor, candidate),
            lambda actor: restore_candidate(session, actor, candidate),
            lambda actor: delete_candidate_tag(session, actor, candidate, "colour"),
            lambda actor: note_model(session, actor, candidate, MODEL),
            lambda actor: log_datasets(session, actor, candidate, []),
            lambda actor: log_model_inputs(session, actor, candidate, []),
            lambda actor: log_model_outputs(session, actor, candidate, []),
        ]
        for actor, error in ((world.guest.actor, Forbidden), (world.stranger.actor, NotFound), (ANONYMOUS, NotFound)):
            for change in changes:
                with pytest.raises(error):
                    change(actor)
        with pytest.raises(NotFound):
            get_candidate(session, world.stranger.actor, world.project(session), run_id)
        with pytest.raises(NotFound, match="Run with id=nothing not found"):
            get_candidate(session, SYSTEM, world.project(session), "nothing")


MODEL = json.dumps(
    {
        "artifact_path": "model",
        "flavors": {"sklearn": {"code": None, "config": {"left": "out"}}, "python_function": {"env": "x"}},
        "run_id": "r",
        "utc_time_created": "2026-01-01",
        "model_uuid": "u",
        "signature": {"left": "out"},
    }
)


def test_models_are_noted_in_the_tag_where_the_client_looks(
    installation: Installation, world: World, run_id: str
) -> None:
    entry = {
        "run_id": "r",
        "utc_time_created": "2026-01-01",
        "artifact_path": "model",
        "model_uuid": "u",
        "flavors": {"sklearn": {"code": None}, "python_function": {"env": "x"}},
    }
    for _ in range(2):
        with installation.database.write() as session:
            note_model(session, SYSTEM, get_candidate(session, SYSTEM, world.project(session), run_id), MODEL)
    with installation.database.read() as session:
        assert json.loads(read(session, world, run_id).tags[MODELS_TAG]) == [entry, entry]


def test_a_history_of_models_does_not_grow_for_ever(installation: Installation, world: World, run_id: str) -> None:
    with installation.database.write() as session:
        candidate = get_candidate(session, SYSTEM, world.project(session), run_id)
        for number in range(4):
            big = {**json.loads(MODEL), "artifact_path": f"{number}" + "x" * (MOST_MODELS_TAG // 3)}
            note_model(session, SYSTEM, candidate, json.dumps(big))
        kept = json.loads(read(session, world, run_id).tags[MODELS_TAG])
        assert [entry["artifact_path"][0] for entry in kept] == ["2", "3"]


@pytest.mark.parametrize(
    ("model_json", "message"),
    [
        ("{", "is not a valid JSON"),
        ("[]", "missing mandatory fields"),
        ('{"run_id": "r", "flavors": {}}', r"\['artifact_path', 'utc_time_created'\]"),
        ('{"run_id": "r", "flavors": 1, "artifact_path": "", "utc_time_created": ""}', "'flavors' is not an object"),
    ],
)
def test_a_model_that_is_not_described(
    installation: Installation, world: World, run_id: str, model_json: str, message: str
) -> None:
    with installation.database.write() as session:
        candidate = get_candidate(session, SYSTEM, world.project(session), run_id)
        with pytest.raises(Invalid, match=message):
            note_model(session, SYSTEM, candidate, model_json)
        assert MODELS_TAG not in read(session, world, run_id).tags


def use(name: str = "iris", digest: str = "1", **more: str) -> DatasetUse:
    tags = {CONTEXT_TAG: more.pop("context")} if "context" in more else {}
    return DatasetUse(name=name, digest=digest, source_type="local", source="{}", tags=tags, **more)


def test_a_dataset_is_kept_once_and_its_first_tags_stay(installation: Installation, world: World, run_id: str) -> None:
    with installation.database.write() as session:
        candidate = get_candidate(session, SYSTEM, world.project(session), run_id)
        log_datasets(session, SYSTEM, candidate, [use(context="train", profile="{}"), use(context="again")])
        log_datasets(session, SYSTEM, candidate, [use(context="test"), use(digest="2"), use(name="wine")])
        found = [(it.name, it.digest, it.profile, it.tags) for it in read(session, world, run_id).dataset_inputs]
        assert found == [
            ("iris", "1", "{}", {CONTEXT_TAG: "train"}),
            ("iris", "2", None, {}),
            ("wine", "1", None, {}),
        ]
        assert session.scalar(select(func.count()).select_from(Dataset)) == 3
        summaries = datasets_of(session, world.guest.actor, world.project(session), [1, 7], limit=2)
        assert summaries == [DatasetSummary(1, "iris", "1", "train"), DatasetSummary(1, "iris", "2", None)]


@pytest.mark.parametrize(
    "wrong",
    [
        use(name=""),
        use(digest=""),
        use(name="x" * 501),
        use(digest="x" * 37),
        use(schema="x" * 1_048_576),
        use(name="\0"),
        use(context="x" * 501),
        DatasetUse("a", "b", "c", "d", tags={"k" * 256: "v"}),
        DatasetUse("a", "b", "c", "d" * 65_536),
    ],
)
def test_a_dataset_that_cannot_be_kept(
    installation: Installation, world: World, run_id: str, wrong: DatasetUse
) -> None:
    with installation.database.write() as session:
        candidate = get_candidate(session, SYSTEM, world.project(session), run_id)
        with pytest.raises(Invalid):
            log_datasets(session, SYSTEM, candidate, [use(), wrong])
        assert read(session, world, run_id).dataset_inputs == []


def test_models_go_in_and_come_out(installation: Installation, world: World, run_id: str) -> None:
    with installation.database.write() as session:
        project = world.project(session)
        candidate = get_candidate(session, SYSTEM, project, run_id)
        experiment = session.get_one(Experiment, candidate.experiment_id)
        one, two, gone = (create_logged_model(session, SYSTEM, project, experiment) for _ in range(3))
        delete_logged_model(session, SYSTEM, gone)
        log_model_inputs(session, SYSTEM, candidate, [one.model_id, one.model_id])
        log_model_inputs(session, SYSTEM, candidate, [one.model_id])
        log_model_outputs(session, SYSTEM, candidate, [LoggedOutput(one.model_id, 1), LoggedOutput(two.model_id)])
        log_model_outputs(session, SYSTEM, candidate, [LoggedOutput(one.model_id, 7)])
        row = read(session, world, run_id)
        assert row.model_inputs == [one.model_id]
        assert row.model_outputs == [(one.model_id, 7), (two.model_id, 0)]
        for missing in (gone.model_id, "m-nothing", "\0"):
            with pytest.raises(NotFound, match="Logged model with ID"):
                log_model_inputs(session, SYSTEM, candidate, [one.model_id, missing])

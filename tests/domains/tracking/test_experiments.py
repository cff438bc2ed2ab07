import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import ANONYMOUS, SYSTEM
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.defaults import DEFAULT_NAME
from modelyard.domains.tracking.experiment_search import (
    ExperimentQuery,
    ExperimentRow,
    activity_of,
    count_experiments,
    read_experiment,
    read_experiment_by_name,
    search_experiments,
)
from modelyard.domains.tracking.experiments import (
    DESCRIPTION_TAG,
    archive_experiment,
    choose_primary_metric,
    create_experiment,
    default_experiment,
    delete_experiment,
    delete_experiment_tag,
    get_experiment,
    restore_experiment,
    set_experiment_tag,
    unarchive_experiment,
    update_experiment,
)
from modelyard.domains.tracking.search.syntax import Condition, Field, OrderKey, printed, printed_order
from modelyard.domains.tracking.search.vocabulary import EXPERIMENTS
from modelyard.domains.tracking.states import View
from modelyard.domains.tracking.tables import Candidate, Experiment, ExperimentTag
from modelyard.platform.clock import from_ms
from modelyard.platform.database import Database
from modelyard.platform.errors import Conflict, Forbidden, Invalid, NotFound
from modelyard.platform.events import EventRow
from modelyard.platform.ids import hex_id
from tests.conftest import World
from tests.domains.tracking.evaluator import holds
from tests.domains.tracking.places import new_project
from tests.domains.tracking.search.language import comparisons, conditions

ALL = ExperimentQuery()


def names(session: Session, project: Project, query: ExperimentQuery = ALL) -> list[str]:
    return [row.name for row in search_experiments(session, SYSTEM, project, query, max_results=100).items]


def add_candidate(session: Session, experiment: Experiment, *, iid: int, is_deleted: bool = False) -> Candidate:
    candidate = Candidate(
        project_id=experiment.project_id,
        experiment_id=experiment.id,
        iid=iid,
        run_id=hex_id(),
        name="x",
        status=0,
        start_ms=1,
        created_ms=1,
        updated_ms=iid,
        deleted_ms=1 if is_deleted else None,
    )
    session.add(candidate)
    session.flush()
    return candidate


def test_experiments_count_from_one_and_are_found_again(database: Database, world: World) -> None:
    with database.write() as session:
        project, actor = world.project(session), world.developer.actor
        first = create_experiment(session, actor, project, name="first", tags={"a": "1", DESCRIPTION_TAG: "What it is"})
        second = create_experiment(session, actor, project, name="second")
        assert (first.iid, second.iid, first.description) == (1, 2, "What it is")
    with database.read() as session:
        project = world.project(session)
        found = read_experiment_by_name(session, world.guest.actor, project, "first")
        assert found == read_experiment(session, world.guest.actor, project, 1)
        assert (found.tags, found.creator_id) == (
            {"a": "1", DESCRIPTION_TAG: "What it is"},
            world.developer.actor.user_id,
        )
        assert names(session, project) == ["second", "first"]
        kinds = session.scalars(select(EventRow.kind).where(EventRow.kind.startswith("Experiment"))).all()
        assert kinds == ["ExperimentCreated", "ExperimentCreated"]


def test_the_default_experiment_is_made_once(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        with pytest.raises(Conflict, match=r"Experiment\(name=Default\) already exists"):
            create_experiment(session, SYSTEM, project, name=DEFAULT_NAME)
        made = default_experiment(session, world.developer.actor, project)
        assert (made.iid, made.name) == (0, DEFAULT_NAME)
        assert default_experiment(session, world.owner.actor, project) is made
        with pytest.raises(Conflict):
            create_experiment(session, SYSTEM, project, name=DEFAULT_NAME)
        update_experiment(session, SYSTEM, made, name="Scratch")
        assert default_experiment(session, SYSTEM, project).name == "Scratch"
        assert create_experiment(session, SYSTEM, project, name=DEFAULT_NAME).iid == 1


def test_only_those_who_may_write_make_experiments(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")
        for actor, error in (
            (world.guest.actor, Forbidden),
            (world.reporter.actor, Forbidden),
            (world.stranger.actor, NotFound),
            (ANONYMOUS, NotFound),
        ):
            for change in (
                lambda actor: create_experiment(session, actor, project, name="y"),
                lambda actor: default_experiment(session, actor, project),
                lambda actor: update_experiment(session, actor, experiment, name="y"),
                lambda actor: choose_primary_metric(session, actor, experiment, "loss"),
                lambda actor: archive_experiment(session, actor, experiment),
                lambda actor: unarchive_experiment(session, actor, experiment),
                lambda actor: delete_experiment(session, actor, experiment),
                lambda actor: restore_experiment(session, actor, experiment),
                lambda actor: set_experiment_tag(session, actor, experiment, "a", "b"),
                lambda actor: delete_experiment_tag(session, actor, experiment, "a"),
            ):
                with pytest.raises(error):
                    change(actor)
        assert names(session, project) == ["x"]


@pytest.mark.parametrize(
    ("name", "error"),
    [("", Invalid), ("  ", Invalid), ("x" * 501, Invalid), ("a\0b", Invalid), ("taken", Conflict), ("gone", Conflict)],
)
def test_a_name_that_cannot_be(database: Database, world: World, name: str, error: type[Exception]) -> None:
    with database.write() as session:
        project = world.project(session)
        create_experiment(session, SYSTEM, project, name="taken")
        delete_experiment(session, SYSTEM, create_experiment(session, SYSTEM, project, name="gone"))
        other = create_experiment(session, SYSTEM, project, name="x" * 500)
        with pytest.raises(error):
            create_experiment(session, SYSTEM, project, name=name)
        with pytest.raises(error):
            update_experiment(session, SYSTEM, other, name=name)
        assert update_experiment(session, SYSTEM, other, name="x" * 500).name == "x" * 500


def test_nobody_chooses_where_files_lie(database: Database, world: World) -> None:
    with database.write() as session:
        for location in ("s3://bucket", "file:///etc", "mlflow-artifacts:/9", "/tmp", "dbfs:/x"):  # noqa: S108  # refused
            with pytest.raises(Invalid, match="artifact_location"):
                create_experiment(session, SYSTEM, world.project(session), name="x", artifact_location=location)
        assert create_experiment(session, SYSTEM, world.project(session), name="x", artifact_location="").iid == 1


def test_deleting_takes_the_candidates_along_and_restoring_brings_all_back(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")
        other = create_experiment(session, SYSTEM, project, name="y")
        before = add_candidate(session, experiment, iid=1, is_deleted=True)
        alive = add_candidate(session, experiment, iid=2)
        elsewhere = add_candidate(session, other, iid=3)
        delete_experiment(session, SYSTEM, experiment)
    with database.write() as session:
        experiment = session.get_one(Experiment, experiment.id)
        states = [session.get_one(Candidate, it.id).deleted_ms is not None for it in (before, alive, elsewhere)]
        assert states == [True, True, False]
        with pytest.raises(NotFound):
            delete_experiment(session, SYSTEM, experiment)
        for change in (
            lambda: update_experiment(session, SYSTEM, experiment, name="z"),
            lambda: set_experiment_tag(session, SYSTEM, experiment, "a", "b"),
            lambda: archive_experiment(session, SYSTEM, experiment),
            lambda: choose_primary_metric(session, SYSTEM, experiment, "loss"),
        ):
            with pytest.raises(Invalid, match="must be in the 'active' state"):
                change()
        assert get_experiment(session, SYSTEM, world.project(session), experiment.iid) is experiment
        restore_experiment(session, SYSTEM, experiment)
        with pytest.raises(NotFound):
            restore_experiment(session, SYSTEM, experiment)
    with database.read() as session:
        assert [session.get_one(Candidate, it.id).deleted_ms for it in (before, alive)] == [None, None]


def test_the_description_and_its_tag_say_the_same(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")

        def read() -> tuple[str, str | None]:
            session.flush()
            row = read_experiment(session, SYSTEM, project, experiment.iid)
            return row.description, row.tags.get(DESCRIPTION_TAG)

        update_experiment(session, SYSTEM, experiment, description="one")
        assert read() == ("one", "one")
        set_experiment_tag(session, SYSTEM, experiment, DESCRIPTION_TAG, "two")
        assert read() == ("two", "two")
        delete_experiment_tag(session, SYSTEM, experiment, DESCRIPTION_TAG)
        assert read() == ("", None)
        update_experiment(session, SYSTEM, experiment, description="three")
        update_experiment(session, SYSTEM, experiment, description="")
        assert read() == ("", None)


def test_tags_are_set_replaced_and_removed(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")
        set_experiment_tag(session, SYSTEM, experiment, "k" * 250, "v" * 20_000)
        for key, value in (("k" * 251, "v"), ("k", "v" * 20_001), ("", "v"), ("k", "\0")):
            with pytest.raises(Invalid):
                set_experiment_tag(session, SYSTEM, experiment, key, value)
        set_experiment_tag(session, SYSTEM, experiment, "k" * 250, "again")
        assert read_experiment(session, SYSTEM, project, experiment.iid).tags == {"k" * 250: "again"}
        delete_experiment_tag(session, SYSTEM, experiment, "k" * 250)
        with pytest.raises(NotFound, match="No tag with name: "):
            delete_experiment_tag(session, SYSTEM, experiment, "k" * 250)


def test_what_is_archived_is_put_away_and_still_there(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="old")
        create_experiment(session, SYSTEM, project, name="new")
        archive_experiment(session, SYSTEM, experiment)
        set_experiment_tag(session, SYSTEM, experiment, "a", "b")
        choose_primary_metric(session, SYSTEM, experiment, "loss", is_lower_better=True)
        session.flush()
        assert names(session, project) == ["new", "old"]
        assert names(session, project, ExperimentQuery(is_archived=False)) == ["new"]
        assert names(session, project, ExperimentQuery(is_archived=True)) == ["old"]
        row = read_experiment(session, SYSTEM, project, experiment.iid)
        assert (row.primary_metric, row.primary_metric_is_lower_better) == ("loss", True)
        unarchive_experiment(session, SYSTEM, experiment)
        session.flush()
        assert names(session, project, ExperimentQuery(is_archived=True)) == []


def test_activity_counts_what_is_there(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")
        create_experiment(session, SYSTEM, project, name="empty")
        for iid, is_deleted in ((1, False), (2, False), (3, True)):
            add_candidate(session, experiment, iid=iid, is_deleted=is_deleted)
        found = activity_of(session, world.guest.actor, project, [1, 2])
        assert [(it.candidates, it.running, it.last_ms) for it in (found[1], found[2])] == [(2, 2, 2), (0, 0, None)]


# Search against the evaluator

TEXTS = ["", "a", "A", "ab", "a%", "B", "é"]


class Experiments:
    def __init__(self, database: Database, project: Project, rows: list[ExperimentRow]) -> None:
        self.database, self.project, self.rows = database, project, rows


@pytest.fixture(scope="module")
def experiments(shared_database: Database) -> Experiments:
    with shared_database.write() as session:
        project, neighbour = new_project(session), new_project(session)
        session.execute(
            insert(Experiment),
            [
                {
                    "project_id": place.id,
                    "iid": iid,
                    "name": f"{TEXTS[iid % len(TEXTS)]}{iid // len(TEXTS)}",
                    "created_at": from_ms(iid % 3),
                    "updated_at": from_ms(iid % 4),
                    "deleted_at": from_ms(1) if iid % 5 == 0 else None,
                }
                for place in (project, neighbour)
                for iid in range(20)
            ],
        )
        ids = session.scalars(select(Experiment.id).where(Experiment.project_id == project.id)).all()
        session.add_all(
            ExperimentTag(experiment_id=id_, key=key, value=TEXTS[(id_ * 7 + number) % len(TEXTS)])
            for id_ in ids
            for number, key in enumerate("ab")
            if (id_ + number) % 3
        )
    with shared_database.read() as session:
        rows = [read_experiment(session, SYSTEM, project, iid) for iid in range(20)]
    return Experiments(shared_database, project, rows)


def values_of(field: Field, row: ExperimentRow) -> list[str | int | None]:
    if field.entity == "tags":
        return [row.tags.get(field.key)]
    values: dict[str, str | int] = {
        "name": row.name,
        "experiment_id": str(row.iid),
        "creation_time": row.created_ms,
        "last_update_time": row.updated_ms,
    }
    return [values[field.key]]


def in_order(rows: list[ExperimentRow], order: list[OrderKey]) -> list[int]:
    rows = sorted(rows, key=lambda row: row.iid, reverse=bool(order))
    keys = order or [OrderKey(Field(EXPERIMENTS.entities["attribute"], "creation_time"), is_ascending=False)]
    sort_values = {
        "name": lambda row: row.name,
        "experiment_id": lambda row: row.iid,
        "creation_time": lambda row: row.created_ms,
        "last_update_time": lambda row: row.updated_ms,
    }
    for key in reversed(keys):
        rows = sorted(rows, key=sort_values[key.field.key], reverse=not key.is_ascending)
    return [row.iid for row in rows]


@settings(max_examples=100)
@given(
    st.none()
    | conditions(
        comparisons(EXPERIMENTS, st.sampled_from("abc"), st.sampled_from([*TEXTS, "a%"]), st.sampled_from([0, 1, 2.5]))
    ),
    st.lists(
        st.builds(
            OrderKey,
            st.sampled_from(sorted(EXPERIMENTS.attributes)).map(
                lambda key: Field(EXPERIMENTS.entities["attribute"], key)
            ),
            st.booleans(),
        ),
        max_size=3,
        unique_by=lambda key: key.field,
    ),
    st.sampled_from(View),
    st.sampled_from([1, 3, 20]),
)
def test_pages_of_experiments_are_what_the_evaluator_finds(
    experiments: Experiments, condition: Condition | None, order: list[OrderKey], view: View, page_size: int
) -> None:
    views = {View.ACTIVE: {False}, View.DELETED: {True}, View.ALL: {False, True}}[view]
    expected = in_order(
        [row for row in experiments.rows if (row.deleted_ms is not None) in views and holds(condition, row, values_of)],
        order,
    )
    query = ExperimentQuery(printed(condition), tuple(printed_order((key,)) for key in order), view)
    found: list[int] = []
    token = None
    with experiments.database.read() as session:
        while True:
            page = search_experiments(session, SYSTEM, experiments.project, query, max_results=page_size, token=token)
            found += [row.iid for row in page.items]
            token = page.next_cursor
            if token is None:
                break
        assert count_experiments(session, SYSTEM, experiments.project, query) == len(expected)
    assert found == expected


def test_a_page_of_experiments_has_a_size_and_its_own_token(experiments: Experiments) -> None:
    with experiments.database.read() as session:
        for max_results in (0, -1, 50_001):
            with pytest.raises(Invalid, match=f"Invalid value {max_results} for parameter 'max_results' supplied"):
                search_experiments(session, SYSTEM, experiments.project, max_results=max_results)
        token = search_experiments(session, SYSTEM, experiments.project, max_results=2).next_cursor
        for query, bad in ((ExperimentQuery("name != 'x'"), token), (ExperimentQuery(), "x")):
            with pytest.raises(Invalid, match="Invalid page token"):
                search_experiments(session, SYSTEM, experiments.project, query, max_results=2, token=bad)
        with pytest.raises(NotFound):
            search_experiments(session, ANONYMOUS, experiments.project, max_results=2)

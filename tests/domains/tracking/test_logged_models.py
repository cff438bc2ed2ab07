import math
import random
from collections.abc import Sequence
from functools import cmp_to_key

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from modelyard.domains.accounts.actor import ANONYMOUS, SYSTEM
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.experiments import create_experiment, delete_experiment
from modelyard.domains.tracking.logged_model_search import (
    LoggedModelQuery,
    LoggedModelRow,
    ModelOrder,
    OnDataset,
    read_logged_model,
    search_logged_models,
)
from modelyard.domains.tracking.logged_models import (
    create_logged_model,
    delete_logged_model,
    delete_logged_model_tag,
    finalize_logged_model,
    get_logged_model,
    log_model_parameters,
    set_logged_model_tags,
)
from modelyard.domains.tracking.search.syntax import Condition, Entity, Field, comparisons_of, printed
from modelyard.domains.tracking.search.vocabulary import LOGGED_MODELS
from modelyard.domains.tracking.states import LoggedModelStatus
from modelyard.domains.tracking.tables import (
    Candidate,
    Experiment,
    LoggedModel,
    LoggedModelMetric,
    LoggedModelParameter,
    LoggedModelTag,
)
from modelyard.domains.tracking.texts import MOST_PARAMETER
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.errors import Forbidden, Invalid, NotFound
from modelyard.platform.ids import hex_id
from tests.conftest import World
from tests.domains.tracking.evaluator import Found, holds
from tests.domains.tracking.places import new_project
from tests.domains.tracking.search.language import comparisons, conditions


def test_a_model_is_made_filled_and_finalized(database: Database, world: World) -> None:
    with database.write() as session:
        project, actor = world.project(session), world.developer.actor
        experiment = create_experiment(session, SYSTEM, project, name="x")
        model = create_logged_model(
            session, actor, project, experiment, name="net", model_type="agent", parameters={"a": "1"}, tags={"t": "v"}
        )
        log_model_parameters(session, actor, model, {"a": "1", "b": "2"})
        set_logged_model_tags(session, actor, model, {"t": "w", "u": "x"})
        finalize_logged_model(session, actor, model, LoggedModelStatus.READY)
        with pytest.raises(Invalid, match="key='a' was already logged with value='1' for model ID"):
            log_model_parameters(session, actor, model, {"a": "2"})
    with database.write() as session:
        project = world.project(session)
        row = read_logged_model(session, world.guest.actor, project, model.model_id)
        assert (row.name, row.model_type, row.status, row.run_id, row.experiment_iid) == ("net", "agent", 2, None, 1)
        assert (row.parameters, row.tags) == ({"a": "1", "b": "2"}, {"t": "w", "u": "x"})
        model = get_logged_model(session, SYSTEM, project, model.model_id)
        delete_logged_model_tag(session, SYSTEM, model, "t")
        for key in ("t", "\0"):
            with pytest.raises(NotFound, match="No tag with key"):
                delete_logged_model_tag(session, SYSTEM, model, key)
        assert read_logged_model(session, SYSTEM, project, model.model_id).tags == {"u": "x"}


def test_a_deleted_model_is_only_found_by_who_asks_for_deleted_ones(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")
        model = create_logged_model(session, SYSTEM, project, experiment)
        assert model.name.count("-") == 2
        delete_logged_model(session, SYSTEM, model)
        delete_logged_model(session, SYSTEM, model)
        session.flush()
        for missing in (model.model_id, "m-nothing", "\0"):
            with pytest.raises(NotFound, match=r"Logged model with ID '.*' not found"):
                read_logged_model(session, SYSTEM, project, missing)
        found = read_logged_model(session, SYSTEM, project, model.model_id, with_deleted=True)
        assert found.deleted_ms is not None
        assert search_logged_models(session, SYSTEM, project, LoggedModelQuery((1,))).items == []


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a.b", "a%", 'a"', "a'", "x" * 501, "a\0"])
def test_a_name_that_cannot_be(database: Database, world: World, name: str) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")
        with pytest.raises(Invalid):
            create_logged_model(session, SYSTEM, project, experiment, name=name)


def test_what_cannot_be_said_of_a_model(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")
        model = create_logged_model(session, SYSTEM, project, experiment)
        with pytest.raises(Invalid, match="READY or FAILED"):
            finalize_logged_model(session, SYSTEM, model, LoggedModelStatus.PENDING)
        with pytest.raises(Invalid, match="exceeds the maximum length"):
            log_model_parameters(session, SYSTEM, model, {"a": "x" * (MOST_PARAMETER + 1)})
        with pytest.raises(NotFound, match="Run with id=nothing not found"):
            create_logged_model(session, SYSTEM, project, experiment, run_id="nothing")
        delete_experiment(session, SYSTEM, experiment)
        with pytest.raises(Invalid, match="must be in the 'active' state"):
            create_logged_model(session, SYSTEM, project, experiment)


def test_only_those_who_may_write_change_models(database: Database, world: World) -> None:
    with database.write() as session:
        project = world.project(session)
        experiment = create_experiment(session, SYSTEM, project, name="x")
        model = create_logged_model(session, SYSTEM, project, experiment)
        for actor, error in ((world.guest.actor, Forbidden), (world.stranger.actor, NotFound), (ANONYMOUS, NotFound)):
            for change in (
                lambda actor: create_logged_model(session, actor, project, experiment),
                lambda actor: log_model_parameters(session, actor, model, {"a": "1"}),
                lambda actor: finalize_logged_model(session, actor, model, LoggedModelStatus.READY),
                lambda actor: delete_logged_model(session, actor, model),
                lambda actor: set_logged_model_tags(session, actor, model, {"a": "1"}),
                lambda actor: delete_logged_model_tag(session, actor, model, "a"),
            ):
                with pytest.raises(error):
                    change(actor)
        with pytest.raises(NotFound):
            read_logged_model(session, world.stranger.actor, project, model.model_id)
        with pytest.raises(NotFound):
            search_logged_models(session, world.stranger.actor, project, LoggedModelQuery((1,)))


# Search against the evaluator

TEXTS = ["", "a", "A", "ab", "B", "é"]
NUMBERS = [-math.inf, -1.5, 0.0, 0.5, 2.0, math.inf]
DATASETS = [("", ""), ("iris", "1"), ("iris", "2"), ("wine", "1")]


class Models:
    def __init__(self, database: Database, project: Project, rows: list[LoggedModelRow]) -> None:
        self.database, self.project, self.rows = database, project, rows


@pytest.fixture(scope="module")
def models(shared_database: Database) -> Models:
    chance = random.Random(3)  # noqa: S311  # data for tests, the same each time
    with shared_database.write() as session:
        project = new_project(session)
        moment = now()
        experiments = [
            Experiment(project_id=project.id, iid=iid, name=f"e{iid}", created_at=moment, updated_at=moment)
            for iid in (0, 1)
        ]
        session.add_all(experiments)
        session.flush()
        candidates = [
            Candidate(
                project_id=project.id,
                experiment_id=experiments[0].id,
                iid=iid,
                run_id=hex_id(),
                name="x",
                status=0,
                start_ms=1,
                created_ms=1,
                updated_ms=1,
            )
            for iid in (1, 2)
        ]
        session.add_all(candidates)
        session.flush()
        made = [
            LoggedModel(
                model_id=f"m-{hex_id()}",
                project_id=project.id,
                experiment_id=experiments[number % 2].id,
                candidate_id=chance.choice([None, candidates[0].id, candidates[1].id]),
                name=chance.choice(TEXTS),
                model_type=chance.choice(TEXTS),
                status=chance.choice(list(LoggedModelStatus)),
                created_ms=chance.choice([1, 2, 3]),
                updated_ms=chance.choice([1, 2, 3]),
            )
            for number in range(30)
        ]
        session.add_all(made)
        session.flush()
        for model in made:
            for table in (LoggedModelParameter, LoggedModelTag):
                session.add_all(
                    table(logged_model_id=model.id, key=key, value=chance.choice(TEXTS))
                    for key in "ab"
                    if chance.random() < 0.6
                )
            points = {
                (model.id, chance.choice(candidates).id, chance.choice("ab"), chance.choice([1, 2]), step, *dataset)
                for step in range(2)
                for dataset in chance.sample(DATASETS, 2)
                if chance.random() < 0.6
            }
            columns = (
                "logged_model_id",
                "candidate_id",
                "key",
                "timestamp_ms",
                "step",
                "dataset_name",
                "dataset_digest",
            )
            if points:
                session.execute(
                    insert(LoggedModelMetric),
                    [
                        {**dict(zip(columns, point, strict=True)), "value": chance.choice([None, *NUMBERS])}
                        for point in sorted(points)
                    ],
                )
    with shared_database.read() as session:
        rows = [read_logged_model(session, SYSTEM, project, model.model_id) for model in made]
    return Models(shared_database, project, rows)


def test_the_parts_of_a_model_are_read(models: Models) -> None:
    assert any(math.isnan(point.value) for row in models.rows for point in row.metrics)
    assert {row.experiment_iid for row in models.rows} == {0, 1}
    assert {row.run_id is None for row in models.rows} == {True, False}


def measured_on(row: LoggedModelRow, key: str, datasets: Sequence[OnDataset]) -> list[tuple[int, int, str, int, float]]:
    return [
        (-point.timestamp_ms, -point.step, point.run_id, -number, point.value)
        for number, point in enumerate(row.metrics)
        if point.key == key
        and (
            not datasets
            or any(it.name == point.dataset_name and it.digest in {"", point.dataset_digest} for it in datasets)
        )
    ]


def attribute_of(row: LoggedModelRow, key: str) -> str | int | None:
    values: dict[str, str | int | None] = {
        "name": row.name,
        "model_id": row.model_id,
        "model_type": row.model_type or None,
        "status": LoggedModelStatus(row.status).name,
        "source_run_id": row.run_id,
        "creation_timestamp": row.created_ms,
        "last_updated_timestamp": row.updated_ms,
    }
    return values[key]


def matches(row: LoggedModelRow, condition: Condition | None, datasets: Sequence[OnDataset]) -> bool:
    def values_of(field: Field, row: LoggedModelRow) -> Sequence[Found]:
        match field.entity:
            case Entity.METRIC:
                return [value for *_, value in measured_on(row, field.key, datasets)]
            case Entity.PARAMETER:
                return [row.parameters.get(field.key)]
            case Entity.TAG:
                return [row.tags.get(field.key)]
            case _:
                return [attribute_of(row, field.key)]

    if datasets and not any(it.field.entity is Entity.METRIC for it in comparisons_of(condition)):
        found = [measured_on(row, key, datasets) for key in "ab"]
        return any(found) and holds(condition, row, values_of)
    return holds(condition, row, values_of)


def in_order(rows: list[LoggedModelRow], order: Sequence[ModelOrder], runs: dict[str, int]) -> list[str]:
    def value(row: LoggedModelRow, key: ModelOrder) -> Found:
        entity, _, metric = key.field_name.partition(".")
        if not metric:
            return attribute_of(row, entity)
        points = measured_on(row, metric, (key.dataset,) if key.dataset else ())
        return (
            min((at, step, runs[run_id], number, value) for at, step, run_id, number, value in points)[-1]
            if points
            else None
        )

    def compared(left: LoggedModelRow, right: LoggedModelRow) -> int:
        for key in order:
            a, b = value(left, key), value(right, key)
            ranks = [2 if it is None else 1 if isinstance(it, float) and math.isnan(it) else 0 for it in (a, b)]
            if ranks[0] != ranks[1]:
                return ranks[0] - ranks[1]
            if ranks[0] == 0 and a != b:
                return (1 if key.is_ascending else -1) * (1 if a > b else -1)  # type: ignore[operator]  # of one kind
        return 0

    newest_first = sorted(rows, key=lambda row: (-row.created_ms, row.model_id))
    return [row.model_id for row in sorted(newest_first, key=cmp_to_key(compared))]


ON_DATASETS = st.sampled_from([OnDataset("iris"), OnDataset("iris", "2"), OnDataset("wine", "1"), OnDataset("none")])


@settings(max_examples=1000)
@given(
    st.none()
    | conditions(
        comparisons(
            LOGGED_MODELS, st.sampled_from("abc"), st.sampled_from([*TEXTS, "a%", "READY"]), st.sampled_from(NUMBERS)
        )
    ),
    st.lists(
        st.builds(
            ModelOrder,
            st.sampled_from([*LOGGED_MODELS.attributes, "metrics.a", "metrics.b", "metrics.none"]),
            st.booleans(),
            st.none() | ON_DATASETS,
        ),
        max_size=3,
        unique_by=lambda key: key.field_name,
    ),
    st.lists(ON_DATASETS, max_size=2),
    st.data(),
)
def test_pages_of_models_are_what_the_evaluator_finds(
    models: Models, condition: Condition | None, order: list[ModelOrder], datasets: list[OnDataset], data: st.DataObject
) -> None:
    experiments = data.draw(st.sampled_from([(0,), (0, 1), (7,)]), "experiments")
    page_size = data.draw(st.sampled_from([1, 4, 30]), "page size")
    runs = {run_id: 0 for row in models.rows for *_, run_id, _, _ in row.metrics}
    with models.database.read() as session:
        for candidate in session.query(Candidate).filter(Candidate.run_id.in_(runs)):
            runs[candidate.run_id] = candidate.id
        chosen = [row for row in models.rows if row.experiment_iid in experiments and matches(row, condition, datasets)]
        query = LoggedModelQuery(experiments, printed(condition), tuple(datasets), tuple(order))
        found: list[str] = []
        token = None
        while True:
            page = search_logged_models(session, SYSTEM, models.project, query, max_results=page_size, token=token)
            found += [row.model_id for row in page.items]
            token = page.next_cursor
            if token is None:
                break
    assert found == in_order(chosen, order, runs)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (LoggedModelQuery((0,), order_by=(ModelOrder("params.a"),)), "only `metrics.<name>` is allowed"),
        (LoggedModelQuery((0,), order_by=(ModelOrder("nothing"),)), "Invalid order by field name: nothing"),
        (LoggedModelQuery((0,), order_by=(ModelOrder("metrics.a"),) * 9), "at most 8"),
        (LoggedModelQuery((0,), "datasets.name = 'x'"), "Invalid entity type 'datasets'"),
        (LoggedModelQuery((0,), datasets=(OnDataset("\0"),)), "NUL"),
    ],
)
def test_what_is_wrong_is_said(models: Models, query: LoggedModelQuery, message: str) -> None:
    with models.database.read() as session, pytest.raises(Invalid, match=message):
        search_logged_models(session, SYSTEM, models.project, query)


def test_a_token_belongs_to_its_query(models: Models) -> None:
    with models.database.read() as session:
        query = LoggedModelQuery((0, 1))
        token = search_logged_models(session, SYSTEM, models.project, query, max_results=2).next_cursor
        assert token is not None
        for other in (
            LoggedModelQuery((0,)),
            LoggedModelQuery((0, 1), "name != 'x'"),
            LoggedModelQuery((0, 1), datasets=(OnDataset("iris"),)),
            LoggedModelQuery((0, 1), order_by=(ModelOrder("name"),)),
        ):
            with pytest.raises(Invalid, match="Invalid page token"):
                search_logged_models(session, SYSTEM, models.project, other, token=token)

"""Search against an evaluator of a few lines: every filter, every order, every page size, on both engines."""

import math
import random
import re
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cmp_to_key

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from modelyard.domains.accounts.actor import ANONYMOUS, SYSTEM
from modelyard.domains.accounts.tables import User
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidate_rows import LatestValue, Wanted
from modelyard.domains.tracking.candidate_search import (
    MOST_RESULTS,
    CandidateQuery,
    count_candidates,
    read_candidate,
    search_candidates,
)
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.locations import candidate_location
from modelyard.domains.tracking.search.fragments import Reader, Sql
from modelyard.domains.tracking.search.syntax import (
    Condition,
    Entity,
    Field,
    OrderKey,
    printed,
    printed_order,
)
from modelyard.domains.tracking.search.vocabulary import CANDIDATES
from modelyard.domains.tracking.states import View
from modelyard.domains.tracking.tables import (
    Candidate,
    CandidateDataset,
    CandidateParameter,
    CandidateTag,
    Dataset,
    Experiment,
    LatestMetric,
    TrackingKey,
)
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.ids import hex_id
from tests.domains.tracking.evaluator import holds
from tests.domains.tracking.places import new_project
from tests.domains.tracking.search.language import comparisons, conditions, fields

KEYS = ["a", "b", "c d"]
TEXTS = ["", "a", "A", "ab", "a%", "a_b", "B", "é", "É", "z" * 300 + "1", "z" * 300 + "2", "RUNNING", "FINISHED", "'"]
PATTERNS = ["%", "a%", "A%", "_", "%b", "a\\%", "RUN%", "", "é", "%NG"]
NUMBERS = [-math.inf, -1.5, -0.0, 0.0, 0.5, 1, 2**53, 1700000000000, 1e300, math.inf]
CANDIDATES_MADE = 60
AUTHORS = ["", "Ada", "ada_2", "bob"]


@dataclass
class Made:
    """A candidate as the evaluator sees it."""

    id: int
    experiment: int
    is_deleted: bool
    attributes: dict[str, str | int | None]
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]
    datasets: list[dict[str, str | None]] = dataclass_field(default_factory=list)


class World:
    def __init__(self, database: Database, project: Project, made: list[Made]) -> None:
        self.database, self.project, self.made = database, project, made


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    database = shared_database
    chance = random.Random(7)  # noqa: S311  # data for tests, the same each time
    with database.write() as session:
        project, neighbour = new_project(session), new_project(session)
        moment = now()
        for place, iids in ((project, (0, 1, 2)), (neighbour, (0, 1))):
            session.execute(
                insert(Experiment),
                [
                    {"project_id": place.id, "iid": iid, "name": f"e{iid}", "created_at": moment, "updated_at": moment}
                    for iid in iids
                ],
            )
            session.execute(insert(TrackingKey), [{"project_id": place.id, "name": key} for key in KEYS])
        experiments = {row.iid: row.id for row in session.query(Experiment).filter_by(project_id=project.id)}
        keys = {row.name: row.id for row in session.query(TrackingKey).filter_by(project_id=project.id)}
        other = session.query(Experiment).filter_by(project_id=neighbour.id, iid=0).one()
        session.add(_row(neighbour, other.id, 1, Made(0, 0, False, _attributes(chance, 0), {}, {}, {})))
        people = [User(username=name, name="Somebody", created_at=moment) for name in AUTHORS if name]
        session.add_all(people)
        session.flush()
        authors: dict[object, int] = {user.username: user.id for user in people}
        made = [_make(chance, number) for number in range(CANDIDATES_MADE)]
        rows = [_row(project, experiments[it.experiment], number, it) for number, it in enumerate(made, start=1)]
        for it, row in zip(made, rows, strict=True):
            row.creator_id = authors.get(it.attributes["author"])
        session.add_all(rows)
        session.flush()
        datasets = [
            Dataset(
                project_id=project.id,
                experiment_id=experiments[0],
                name=name,
                digest=digest,
                source_type="local",
                source="{}",
            )
            for name in ("a", "B")
            for digest in ("1", "2")
        ]
        session.add_all(datasets)
        session.flush()
        for it, row in zip(made, rows, strict=True):
            it.id = row.id
            for table, values in ((CandidateParameter, it.params), (CandidateTag, it.tags)):
                session.add_all(
                    table(candidate_id=row.id, key_id=keys[key], value=text) for key, text in values.items()
                )
            session.add_all(
                LatestMetric(
                    candidate_id=row.id,
                    key_id=keys[key],
                    experiment_id=row.experiment_id,
                    step=3,
                    timestamp_ms=4,
                    value=None if math.isnan(number) else number,
                )
                for key, number in it.metrics.items()
            )
            for dataset in chance.sample(datasets, chance.choice([0, 0, 1, 2])):
                context = chance.choice([None, "train", "a"])
                session.add(CandidateDataset(candidate_id=row.id, dataset_id=dataset.id, context=context, tags="{}"))
                it.datasets.append({"name": dataset.name, "digest": dataset.digest, "context": context})
    return World(database, project, made)


def _attributes(chance: random.Random, experiment: int) -> dict[str, str | int | None]:
    run_id = hex_id()
    return {
        "run_id": run_id,
        "run_name": chance.choice(TEXTS),
        "status": chance.choice(list(Status)).name,
        "user_id": chance.choice(TEXTS)[:200],
        "author": chance.choice(AUTHORS),
        "artifact_uri": candidate_location(experiment, run_id),
        "start_time": chance.choice([0, 5, 5, 1700000000000, 1700000000001]),
        "end_time": chance.choice([None, 0, 5, 1700000000000]),
    }


def _make(chance: random.Random, number: int) -> Made:
    experiment = number % 3
    some = [key for key in KEYS if chance.random() < 0.7]
    return Made(
        id=0,
        experiment=experiment,
        is_deleted=chance.random() < 0.2,
        attributes=_attributes(chance, experiment),
        metrics={key: float(chance.choice([*NUMBERS, math.nan, math.nan])) for key in some},
        params={key: chance.choice(TEXTS) for key in KEYS if chance.random() < 0.7},
        tags={key: chance.choice(TEXTS) for key in KEYS if chance.random() < 0.4},
    )


def _row(project: Project, experiment_id: int, iid: int, made: Made) -> Candidate:
    attributes = made.attributes
    return Candidate(
        project_id=project.id,
        experiment_id=experiment_id,
        iid=iid,
        run_id=attributes["run_id"],
        name=attributes["run_name"],
        status=Status[str(attributes["status"])].value,
        source_user=attributes["user_id"],
        start_ms=attributes["start_time"],
        end_ms=attributes["end_time"],
        created_ms=1,
        updated_ms=1,
        deleted_ms=1 if made.is_deleted else None,
    )


def values_of(field: Field, made: Made) -> list[str | int | float | None]:
    key = field.key
    match field.entity:
        case Entity.METRIC:
            return [made.metrics.get(key)]
        case Entity.PARAMETER:
            return [made.params.get(key)]
        case Entity.TAG:
            return [made.tags.get(key)]
        case Entity.ATTRIBUTE:
            return [made.attributes[key]]
        case Entity.DATASET:
            return [dataset[key] for dataset in made.datasets]


def in_order(made: list[Made], order: list[OrderKey]) -> list[str]:
    def compared(left: Made, right: Made) -> int:
        for key in order:
            (a,), (b,) = (values_of(key.field, it) for it in (left, right))
            ranks = [2 if it is None else 1 if isinstance(it, float) and math.isnan(it) else 0 for it in (a, b)]
            if ranks[0] != ranks[1]:
                return ranks[0] - ranks[1]
            if ranks[0] == 0:
                first, second = (it[:256] if isinstance(it, str) else it for it in (a, b))
                if first != second:
                    return (1 if key.is_ascending else -1) * (1 if first > second else -1)  # type: ignore[operator]
        return 0

    newest_first = sorted(made, key=lambda it: (-int(it.attributes["start_time"] or 0), str(it.attributes["run_id"])))
    return [str(it.attributes["run_id"]) for it in sorted(newest_first, key=cmp_to_key(compared))]


ORDERS = st.lists(
    st.tuples(fields(CANDIDATES, st.sampled_from([*KEYS, "none"])), st.booleans()).map(lambda it: OrderKey(*it)),
    max_size=3,
    unique_by=lambda key: key.field,
).map(lambda keys: [key for key in keys if key.field.entity in CANDIDATES.orderable])
LEAVES = comparisons(
    CANDIDATES, st.sampled_from([*KEYS, "none"]), st.sampled_from([*TEXTS, *PATTERNS]), st.sampled_from(NUMBERS)
)


@settings(max_examples=150)
@given(st.none() | conditions(LEAVES), ORDERS, st.data())
def test_pages_are_what_the_evaluator_finds(
    world: World, condition: Condition | None, order: list[OrderKey], data: st.DataObject
) -> None:
    view = data.draw(st.sampled_from(View), "view")
    experiments = data.draw(st.sampled_from([(0,), (0, 1, 2), (1, 2), (0, 99), ()]), "experiments")
    page_size = data.draw(st.sampled_from([1, 2, 3, 7, 60, 1000]), "page size")
    views = {View.ACTIVE: {False}, View.DELETED: {True}, View.ALL: {False, True}}[view]
    expected = in_order(
        [
            it
            for it in world.made
            if it.experiment in experiments and it.is_deleted in views and holds(condition, it, values_of)
        ],
        order,
    )
    query = CandidateQuery(experiments, printed(condition), tuple(printed_order((key,)) for key in order), view)
    found: list[str] = []
    token = None
    with world.database.read() as session:
        while True:
            page = search_candidates(
                session, SYSTEM, world.project, query, max_results=page_size, token=token, wanted=NOTHING
            )
            found += [row.run_id for row in page.items]
            token = page.next_cursor
            assert len(page.items) == page_size or token is None
            if token is None:
                break
        assert count_candidates(session, SYSTEM, world.project, query) == len(expected)
    assert found == expected


NOTHING = Wanted(frozenset(), frozenset(), frozenset(), inputs_and_outputs=False)


@given(condition=conditions(comparisons(CANDIDATES)), order=ORDERS)
def test_user_text_is_only_ever_a_bind(world: World, condition: Condition, order: list[OrderKey]) -> None:
    statements: list[str] = []

    class Tapped(Reader):
        def rows(self, statement: Sql) -> list[tuple[object, ...]]:
            statements.append(statement.text)
            return list(super().rows(statement))

    query = CandidateQuery((0, 1), printed(condition), tuple(printed_order((key,)) for key in order))
    with world.database.read() as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr("modelyard.domains.tracking.candidate_search.Reader", Tapped)
        search_candidates(session, SYSTEM, world.project, query, wanted=NOTHING)
    words = {word for text in statements for word in re.findall(r"[^\s(),.?]+", text)}
    assert words <= KNOWN_WORDS, words - KNOWN_WORDS


KNOWN_WORDS = set(
    """SELECT FROM WHERE AND OR NOT EXISTS IN ORDER BY LIMIT ASC DESC JOIN LEFT CROSS ON CASE WHEN THEN ELSE END IS NULL
    CAST AS TEXT LIKE ILIKE ESCAPE '' '\\' COLLATE "C" lowered substr value json_each ANY || '/' 'mlflow-artifacts:/'
    '/artifacts' = <> < <= > >= 0 1 2 3 4 256 c e f m v i d s0 s1 s2 id iid name project_id experiments experiment_id
    candidates candidate_id key_id run_id source_user status start_ms end_ms deleted_ms latest_metrics tracking_keys
    candidate_parameters candidate_tags candidate_datasets datasets dataset_id digest context created_ms updated_ms
    creator_id coalesce users u username""".split()  # noqa: SIM905  # sixty words are better read as words
)


def test_the_last_page_has_no_token_even_when_it_is_full(world: World) -> None:
    query = CandidateQuery((0, 1, 2), view=View.ALL)
    with world.database.read() as session:
        page = search_candidates(session, SYSTEM, world.project, query, max_results=CANDIDATES_MADE)
        assert (len(page.items), page.next_cursor) == (CANDIDATES_MADE, None)


def test_a_token_belongs_to_its_query(world: World) -> None:
    query = CandidateQuery((0, 1, 2), "metrics.a > -5", ("metrics.a",))
    with world.database.read() as session:

        def search(query: CandidateQuery, token: str) -> None:
            search_candidates(session, SYSTEM, world.project, query, token=token)

        token = search_candidates(session, SYSTEM, world.project, query, max_results=2).next_cursor
        assert token is not None
        search(query, token)
        search(CandidateQuery((2, 1, 0), "  metric.a>-5 ", ("metric.`a` ASC",)), token)
        for other in (
            CandidateQuery((0, 1), query.filter, query.order_by),
            CandidateQuery((0, 1, 2), "metrics.a > -6", query.order_by),
            CandidateQuery((0, 1, 2), query.filter, ("metrics.a DESC",)),
            CandidateQuery((0, 1, 2), query.filter, query.order_by, View.ALL),
        ):
            with pytest.raises(Invalid, match="Invalid page token"):
                search(other, token)
        for bad in ("x", "é", "eyJvZmZzZXQiOiA1fQ==", token[:-4], token + "AAAA", "W10", "\0"):
            with pytest.raises(Invalid, match="page token"):
                search(query, bad)


@given(st.binary(max_size=40), st.text(max_size=20))
def test_no_token_breaks_a_search(world: World, raw: bytes, text: str) -> None:
    with world.database.read() as session:
        for token in (text or "x", raw.hex() or "x"):
            with pytest.raises(Invalid, match="page token"):
                search_candidates(session, SYSTEM, world.project, CandidateQuery((0,)), token=token)


@pytest.mark.parametrize("max_results", [0, -1, MOST_RESULTS + 1])
def test_a_page_has_a_size(world: World, max_results: int) -> None:
    with world.database.read() as session, pytest.raises(Invalid, match=f"Invalid value {max_results} for parameter"):
        search_candidates(session, SYSTEM, world.project, CandidateQuery((0,)), max_results=max_results)


def test_a_row_has_everything_or_what_is_wanted(world: World) -> None:
    made = next(it for it in world.made if len(it.metrics) == 3 and it.params and it.tags and it.datasets)
    with world.database.read() as session:

        def read(wanted: Wanted) -> tuple[list[LatestValue], dict[str, str], dict[str, str], int]:
            row = read_candidate(session, SYSTEM, world.project, str(made.attributes["run_id"]), wanted=wanted)
            assert (row.id, row.experiment_iid, Status(row.status).name) == (
                made.id,
                made.experiment,
                made.attributes["status"],
            )
            return row.metrics, row.parameters, row.tags, len(row.dataset_inputs)

        metrics, parameters, tags, datasets = read(Wanted())
        # SQLite keeps no negative zero.
        assert {it.key: str(it.value + 0.0) for it in metrics} == {k: str(v + 0.0) for k, v in made.metrics.items()}
        assert {(point.step, point.timestamp_ms) for point in metrics} == {(3, 4)}
        assert (parameters, tags, datasets) == (made.params, made.tags, len(made.datasets))
        metrics, parameters, tags, datasets = read(
            Wanted(frozenset({"a", "none"}), frozenset(), frozenset(KEYS), inputs_and_outputs=False)
        )
        assert ([point.key for point in metrics], parameters, tags, datasets) == (["a"], {}, made.tags, 0)


def test_what_one_may_not_see_is_not_there(world: World) -> None:
    run_id = str(world.made[0].attributes["run_id"])
    with world.database.read() as session:
        with pytest.raises(NotFound):
            search_candidates(session, ANONYMOUS, world.project, CandidateQuery((0,)))
        with pytest.raises(NotFound):
            count_candidates(session, ANONYMOUS, world.project, CandidateQuery((0,)))
        with pytest.raises(NotFound):
            read_candidate(session, ANONYMOUS, world.project, run_id)
        neighbour = session.query(Project).filter(Project.id != world.project.id).first()
        assert neighbour is not None
        with pytest.raises(NotFound, match=f"Run with id={run_id} not found"):
            read_candidate(session, SYSTEM, neighbour, run_id)

"""Finding experiments: one by number or name, a page of many, and what goes on in each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidate_search import check_results
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.search.comparing import integer_matches, text_matches, written
from modelyard.domains.tracking.search.fragments import TRUE, Reader, Sql, all_of, joined, sql
from modelyard.domains.tracking.search.keyset import (
    Place,
    SortColumn,
    Sorts,
    after,
    fingerprint,
    order_by,
    page_token,
    place_of,
)
from modelyard.domains.tracking.search.parser import parse_filter, parse_order
from modelyard.domains.tracking.search.syntax import (
    Comparison,
    Condition,
    Entity,
    Operator,
    OrderKey,
    printed,
    printed_order,
)
from modelyard.domains.tracking.search.vocabulary import EXPERIMENTS
from modelyard.domains.tracking.states import View
from modelyard.platform.errors import NotFound
from modelyard.platform.pagination import Page

_COLUMNS = Sql(
    "x.id, x.iid, x.name, x.description, x.primary_metric, x.primary_metric_is_lower_better, x.creator_id,"
    " x.created_at, x.updated_at, x.archived_at, x.deleted_at"
)
_ATTRIBUTES = {
    "name": Sql("x.name"),
    "experiment_id": Sql("x.iid"),
    "creation_time": Sql("x.created_at"),
    "last_update_time": Sql("x.updated_at"),
}
_VIEWS = {View.ACTIVE: Sql("x.deleted_at IS NULL"), View.DELETED: Sql("x.deleted_at IS NOT NULL"), View.ALL: TRUE}


@dataclass(slots=True)
class ExperimentRow:
    """One experiment with its tags. Times are milliseconds."""

    id: int
    iid: int
    name: str
    description: str
    primary_metric: str | None
    primary_metric_is_lower_better: bool | None
    creator_id: int | None
    created_ms: int
    updated_ms: int
    archived_ms: int | None
    deleted_ms: int | None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Activity:
    """What goes on in an experiment, deleted candidates left out."""

    candidates: int = 0
    running: int = 0
    last_ms: int | None = None


@dataclass(frozen=True)
class ExperimentQuery:
    """Which experiments, in which order. `is_archived` None shows both; without an order the newest come first."""

    filter: str = ""
    order_by: tuple[str, ...] = ()
    view: View = View.ACTIVE
    is_archived: bool | None = None


def read_experiment(session: Session, actor: Actor, project: Project, iid: int) -> ExperimentRow:
    """One experiment by its number, deleted or not.

    Raises:
        Forbidden, NotFound: of the project; there is no such experiment.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    found = _rows(Reader(session.connection()), sql("x.project_id = ? AND x.iid = ?", project.id, iid))
    if not found:
        raise NotFound(f"No Experiment with id={iid} exists")
    return found[0]


def read_experiment_by_name(session: Session, actor: Actor, project: Project, name: str) -> ExperimentRow:
    """One experiment by its exact name, deleted or not.

    Raises:
        Forbidden, NotFound: of the project; there is no such experiment.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    found = _rows(Reader(session.connection()), sql("x.project_id = ? AND x.name = ?", project.id, name))
    if not found:
        raise NotFound(f"Could not find experiment with name '{name}'")
    return found[0]


def search_experiments(
    session: Session,
    actor: Actor,
    project: Project,
    query: ExperimentQuery = ExperimentQuery(),  # frozen
    *,
    max_results: int,
    token: str | None = None,
) -> Page[ExperimentRow]:
    """One page of a project's experiments; `next_cursor` is the token of the next page.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the filter, the order, the number of results or the token.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    check_results(max_results)
    reader = Reader(session.connection())
    condition, order = parse_filter(query.filter, EXPERIMENTS), parse_order(query.order_by, EXPERIMENTS)
    mark = fingerprint(project.id, printed(condition), printed_order(order), query.view, query.is_archived)
    columns = _columns_of(reader, order)
    conditions = [_matches(reader, project, query, condition)]
    if token:
        conditions.append(after(columns, place_of(token, mark, {0: columns}).values))
    page = sql("? ? LIMIT ?", all_of(conditions), order_by(columns), max_results + 1)
    values = joined(", ", (column.expression for column in columns))
    places = reader.rows(sql("SELECT x.id, ? FROM experiments x WHERE ?", values, page))
    rows = _rows(reader, reader.among(Sql("x.id"), [id_ for id_, *_ in places]))
    by_id = {row.id: row for row in rows}
    shown = [by_id[id_] for id_, *_ in places[:max_results]]
    if len(places) <= max_results:
        return Page(shown)
    _, *last = places[max_results - 1]
    return Page(shown, page_token(mark, Place(0, tuple(last))))


def count_experiments(session: Session, actor: Actor, project: Project, query: ExperimentQuery) -> int:
    """How many experiments match, exactly.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the filter.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    reader = Reader(session.connection())
    matches = _matches(reader, project, query, parse_filter(query.filter, EXPERIMENTS))
    return int(reader.rows(sql("SELECT count(*) FROM experiments x WHERE ?", matches))[0][0])


def activity_of(session: Session, actor: Actor, project: Project, iids: Sequence[int]) -> dict[int, Activity]:
    """What goes on in some experiments, by iid.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    reader = Reader(session.connection())
    found = reader.rows(
        sql(
            "SELECT x.iid, count(*), sum(CASE WHEN c.status = ? THEN 1 ELSE 0 END), max(c.updated_ms)"
            " FROM candidates c JOIN experiments x ON x.id = c.experiment_id"
            " WHERE x.project_id = ? AND c.deleted_ms IS NULL AND ? GROUP BY x.iid",
            Status.RUNNING.value,
            project.id,
            reader.among(Sql("x.iid"), list(iids)),
        )
    )
    activities = {iid: Activity(candidates, running, last_ms) for iid, candidates, running, last_ms in found}
    return {iid: activities.get(iid, Activity()) for iid in iids}


def _matches(reader: Reader, project: Project, query: ExperimentQuery, condition: Condition | None) -> Sql:
    parts = [sql("x.project_id = ?", project.id), _VIEWS[query.view]]
    if query.is_archived is not None:
        parts.append(Sql("x.archived_at IS NOT NULL" if query.is_archived else "x.archived_at IS NULL"))
    if condition is not None:
        parts.append(written(condition, lambda comparison: _compared(reader, comparison)))
    return all_of(parts)


def _compared(reader: Reader, comparison: Comparison) -> Sql:
    key = comparison.field.key
    if comparison.field.entity is Entity.TAG:
        return _tag_compared(reader, comparison)
    if key == "name":
        return text_matches(reader, _ATTRIBUTES[key], comparison)
    if key == "experiment_id":
        return _iid_matches(comparison)
    return integer_matches(_ATTRIBUTES[key], comparison)


def _tag_compared(reader: Reader, comparison: Comparison) -> Sql:
    is_absence = comparison.operator is Operator.IS_NULL
    matches = TRUE if is_absence else text_matches(reader, Sql("t.value"), comparison)
    found = sql(
        "EXISTS (SELECT 1 FROM experiment_tags t WHERE t.experiment_id = x.id AND t.key = ? AND ?)",
        comparison.field.key,
        matches,
    )
    return sql("NOT ?", found) if is_absence else found


def _iid_matches(comparison: Comparison) -> Sql:
    """The parser lets only texts of digits through."""
    value = comparison.value
    if value is None:
        return integer_matches(_ATTRIBUTES["experiment_id"], comparison)
    texts = value if isinstance(value, tuple) else (str(value),)
    found = sql("x.iid IN (?)", joined(", ", (sql("?", int(text)) for text in texts)))
    return sql("NOT (?)", found) if comparison.operator in {Operator.NOT_EQUAL, Operator.NOT_IN} else found


def _columns_of(reader: Reader, order: tuple[OrderKey, ...]) -> tuple[SortColumn, ...]:
    """The order, made total by the number: upward in the order nobody asked for, else downward, as in MLflow."""
    columns = [_column(reader, key.field.key, is_ascending=key.is_ascending) for key in order]
    if not order:
        columns = [_column(reader, "creation_time", is_ascending=False)]
    if all(key.field.key != "experiment_id" for key in order):
        columns.append(_column(reader, "experiment_id", is_ascending=not order))
    return tuple(columns)


def _column(reader: Reader, key: str, *, is_ascending: bool) -> SortColumn:
    if key == "name":
        return SortColumn(reader.bytewise(_ATTRIBUTES[key]), Sorts.TEXT, is_ascending)
    return SortColumn(_ATTRIBUTES[key], Sorts.INTEGER, is_ascending)


def _rows(reader: Reader, condition: Sql) -> list[ExperimentRow]:
    found = reader.rows(sql("SELECT ? FROM experiments x WHERE ?", _COLUMNS, condition))
    rows = {row[0]: ExperimentRow(*row) for row in found}
    for experiment in rows.values():
        if experiment.primary_metric_is_lower_better is not None:
            # SQLite has no truth values, only 0 and 1.
            experiment.primary_metric_is_lower_better = bool(experiment.primary_metric_is_lower_better)
    among = reader.among(Sql("experiment_id"), list(rows))
    for experiment_id, key, value in reader.rows(
        sql("SELECT experiment_id, key, value FROM experiment_tags WHERE ? ORDER BY key", among)
    ):
        rows[experiment_id].tags[key] = value
    return list(rows.values())

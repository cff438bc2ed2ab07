"""Finding logged models: one with everything, or a page of those that match."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidate_search import check_results
from modelyard.domains.tracking.logged_models import get_logged_model
from modelyard.domains.tracking.search.comparing import (
    integer_matches,
    number_matches,
    state_matches,
    text_matches,
    written,
)
from modelyard.domains.tracking.search.fragments import NOTHING, TRUE, Reader, Sql, all_of, joined, sql
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
from modelyard.domains.tracking.search.parser import parse_filter
from modelyard.domains.tracking.search.syntax import Comparison, Condition, Entity, Operator, comparisons_of, printed
from modelyard.domains.tracking.search.vocabulary import LOGGED_MODELS
from modelyard.domains.tracking.states import LoggedModelStatus
from modelyard.platform.errors import Invalid
from modelyard.platform.pagination import Page

DEFAULT_RESULTS = 100
MOST_ORDER_KEYS = 8

_STATUS_NAMES = {status.value: status.name for status in LoggedModelStatus}
_BY_NAME = enumerate(sorted(LoggedModelStatus, key=lambda status: status.name))
_STATUS_RANK = Sql(f"CASE l.status {' '.join(f'WHEN {status.value} THEN {rank}' for rank, status in _BY_NAME)} END")
_TEXTS = {
    "name": Sql("l.name"),
    "model_id": Sql("l.model_id"),
    "model_type": Sql("nullif(l.model_type, '')"),
    "source_run_id": Sql("(SELECT s.run_id FROM candidates s WHERE s.id = l.candidate_id)"),
}
_TIMES = {"creation_timestamp": Sql("l.created_ms"), "last_updated_timestamp": Sql("l.updated_ms")}


class ModelPoint(NamedTuple):
    """A metric of a model: measured by a candidate, possibly on a dataset."""

    key: str
    value: float
    timestamp_ms: int
    step: int
    run_id: str
    dataset_name: str
    dataset_digest: str


@dataclass(slots=True)
class LoggedModelRow:
    """One logged model. `status` is the number of a `LoggedModelStatus`, `run_id` the candidate that made it."""

    id: int
    model_id: str
    experiment_iid: int
    name: str
    model_type: str
    status: int
    status_message: str
    run_id: str | None
    created_ms: int
    updated_ms: int
    deleted_ms: int | None
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[ModelPoint] = field(default_factory=list)


@dataclass(frozen=True)
class OnDataset:
    """Metrics that were measured on a dataset; without a digest, on any of its states."""

    name: str
    digest: str = ""


@dataclass(frozen=True)
class ModelOrder:
    """Sort by an attribute, or by the latest value of `metrics.KEY`, if given on a dataset."""

    field_name: str
    is_ascending: bool = True
    dataset: OnDataset | None = None


@dataclass(frozen=True)
class LoggedModelQuery:
    """What to look for. Of metrics only those on `datasets` count, if any are named; without an order newest first."""

    experiments: tuple[int, ...]
    filter: str = ""
    datasets: tuple[OnDataset, ...] = ()
    order_by: tuple[ModelOrder, ...] = ()


def read_logged_model(
    session: Session, actor: Actor, project: Project, model_id: str, *, with_deleted: bool = False
) -> LoggedModelRow:
    """One logged model with everything.

    Raises:
        Forbidden, NotFound: of the project; there is no such model.
    """
    model = get_logged_model(session, actor, project, model_id, with_deleted=with_deleted)
    session.flush()  # what was just changed is read by hand
    return _rows(Reader(session.connection()), [model.id])[0]


def search_logged_models(
    session: Session,
    actor: Actor,
    project: Project,
    query: LoggedModelQuery,
    *,
    max_results: int = DEFAULT_RESULTS,
    token: str | None = None,
) -> Page[LoggedModelRow]:
    """One page of a project's logged models; `next_cursor` is the token of the next page.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the filter, the order, the number of results or the token.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    check_results(max_results)
    condition = parse_filter(query.filter, LOGGED_MODELS)
    reader = Reader(session.connection())
    columns, computed = _order(reader, query.order_by)
    mark = fingerprint(project.id, sorted(query.experiments), printed(condition), query.datasets, query.order_by)
    source = sql(
        "SELECT l.*? FROM logged_models l JOIN experiments e ON e.id = l.experiment_id"
        " WHERE l.project_id = ? AND l.deleted_ms IS NULL AND ? AND ?",
        computed,
        project.id,
        reader.among(Sql("e.iid"), sorted(set(query.experiments))),
        _matches(reader, query, condition),
    )
    behind = after(columns, place_of(token, mark, {0: columns}).values) if token else TRUE
    values = joined(", ", (column.expression for column in columns))
    page = sql("? ? LIMIT ?", behind, order_by(columns), max_results + 1)
    places = reader.rows(sql("SELECT l.id, ? FROM (?) l WHERE ?", values, source, page))
    rows = _rows(reader, [id_ for id_, *_ in places[:max_results]])
    if len(places) <= max_results:
        return Page(rows)
    _, *last = places[max_results - 1]
    return Page(rows, page_token(mark, Place(0, tuple(last))))


def _matches(reader: Reader, query: LoggedModelQuery, condition: Condition | None) -> Sql:
    parts: list[Sql] = []
    if condition is not None:
        parts.append(written(condition, lambda comparison: _compared(reader, query.datasets, comparison)))
    names_metrics = any(comparison.field.entity is Entity.METRIC for comparison in comparisons_of(condition))
    if query.datasets and not names_metrics:
        parts.append(sql("EXISTS (?)", _points(Sql("1"), _on_any(query.datasets))))
    return all_of(parts)


def _compared(reader: Reader, datasets: tuple[OnDataset, ...], comparison: Comparison) -> Sql:
    key = comparison.field.key
    is_absence = comparison.operator is Operator.IS_NULL
    match comparison.field.entity:
        case Entity.ATTRIBUTE:
            return _attribute_compared(reader, comparison)
        case Entity.METRIC:
            matches = TRUE if is_absence else number_matches(Sql("m.value"), comparison)
            found = sql("EXISTS (?)", _points(Sql("1"), sql("m.key = ? AND ? AND ?", key, matches, _on_any(datasets))))
        case entity:
            table = Sql("logged_model_tags" if entity is Entity.TAG else "logged_model_parameters")
            matches = TRUE if is_absence else text_matches(reader, Sql("t.value"), comparison)
            found = sql(
                "EXISTS (SELECT 1 FROM ? t WHERE t.logged_model_id = l.id AND t.key = ? AND ?)", table, key, matches
            )
    return sql("NOT ?", found) if is_absence else found


def _attribute_compared(reader: Reader, comparison: Comparison) -> Sql:
    key = comparison.field.key
    if key == "status":
        return state_matches(Sql("l.status"), _STATUS_NAMES, comparison)
    if key in _TIMES:
        return integer_matches(_TIMES[key], comparison)
    return text_matches(reader, _TEXTS[key], comparison)


def _points(column: Sql, condition: Sql) -> Sql:
    return sql("SELECT ? FROM logged_model_metrics m WHERE m.logged_model_id = l.id AND ?", column, condition)


def _on_any(datasets: Sequence[OnDataset]) -> Sql:
    """Whether a point was measured on one of these; any point when there are none."""
    if not datasets:
        return TRUE
    return sql("(?)", joined(" OR ", (_on(dataset) for dataset in datasets)))


def _on(dataset: OnDataset) -> Sql:
    if not dataset.digest:
        return sql("m.dataset_name = ?", dataset.name)
    return sql("(m.dataset_name = ? AND m.dataset_digest = ?)", dataset.name, dataset.digest)


def _order(reader: Reader, order: Sequence[ModelOrder]) -> tuple[tuple[SortColumn, ...], Sql]:
    """The columns of an order made total, and what the inner query computes for them."""
    if len(order) > MOST_ORDER_KEYS:
        raise Invalid(f"`order_by` has {len(order)} entries; at most {MOST_ORDER_KEYS} are read.")
    columns: list[SortColumn] = []
    computed: list[Sql] = []
    named: set[str] = set()
    for number, key in enumerate(order):
        entity, dot, metric = key.field_name.partition(".")
        if dot:
            if entity != "metrics" or not metric:
                raise Invalid(f"Invalid order by field name: {entity}, only `metrics.<name>` is allowed.")
            computed.append(_latest(metric.strip("`"), key.dataset, number))
            columns.append(SortColumn(Sql(f"l.rank{number}"), Sorts.INTEGER))
            columns.append(SortColumn(Sql(f"l.value{number}"), Sorts.NUMBER, key.is_ascending, is_nullable=True))
        else:
            name = LOGGED_MODELS.aliases.get(entity.strip(), entity.strip())
            named.add(name)
            columns.extend(_attribute_columns(reader, name, key))
    if "creation_timestamp" not in named:
        columns.append(SortColumn(_TIMES["creation_timestamp"], Sorts.INTEGER, is_ascending=False))
    if "model_id" not in named:
        columns.append(SortColumn(_TEXTS["model_id"], Sorts.TEXT))
    return tuple(columns), joined("", computed) if computed else NOTHING


def _attribute_columns(reader: Reader, name: str, key: ModelOrder) -> list[SortColumn]:
    if name == "status":
        return [SortColumn(_STATUS_RANK, Sorts.INTEGER, key.is_ascending)]
    if name in _TIMES:
        return [SortColumn(_TIMES[name], Sorts.INTEGER, key.is_ascending)]
    if name not in _TEXTS:
        raise Invalid(f"Invalid order by field name: {key.field_name}")
    text = reader.bytewise(_TEXTS[name])
    rank = SortColumn(sql("CASE WHEN ? IS NULL THEN 2 ELSE 0 END", _TEXTS[name]), Sorts.INTEGER)
    return [rank, SortColumn(text, Sorts.TEXT, key.is_ascending, is_nullable=True)]


def _latest(metric: str, dataset: OnDataset | None, number: int) -> Sql:
    """The latest value of a metric, and its rank: 0 there, 1 NaN, 2 missing."""
    on = _on_any((dataset,) if dataset else ())
    condition = sql("m.key = ? AND ?", metric, on)
    last = "? ORDER BY m.timestamp_ms DESC, m.step DESC, m.candidate_id, m.id DESC LIMIT 1"
    is_nan = Sql("CASE WHEN m.value IS NULL THEN 1 ELSE 0 END")
    return sql(
        ", (?) AS ?, coalesce((?), 2) AS ?",
        sql(last, _points(Sql("m.value"), condition)),
        Sql(f"value{number}"),
        sql(last, _points(is_nan, condition)),
        Sql(f"rank{number}"),
    )


def _rows(reader: Reader, ids: Sequence[int]) -> list[LoggedModelRow]:
    if not ids:
        return []
    found = reader.rows(
        sql(
            "SELECT l.id, l.model_id, e.iid, l.name, l.model_type, l.status, l.status_message, s.run_id,"
            " l.created_ms, l.updated_ms, l.deleted_ms FROM logged_models l"
            " JOIN experiments e ON e.id = l.experiment_id LEFT JOIN candidates s ON s.id = l.candidate_id WHERE ?",
            reader.among(Sql("l.id"), ids),
        )
    )
    by_id = {row[0]: LoggedModelRow(*row) for row in found}
    pairs = "SELECT logged_model_id, key, value FROM ? WHERE ? ORDER BY logged_model_id, key"
    among = reader.among(Sql("logged_model_id"), ids)
    for id_, key, value in reader.rows(sql(pairs, Sql("logged_model_parameters"), among)):
        by_id[id_].parameters[key] = value
    for id_, key, value in reader.rows(sql(pairs, Sql("logged_model_tags"), among)):
        by_id[id_].tags[key] = value
    _add_points(reader, by_id)
    return [by_id[id_] for id_ in ids]


def _add_points(reader: Reader, by_id: dict[int, LoggedModelRow]) -> None:
    points = reader.rows(
        sql(
            "SELECT m.logged_model_id, m.key, m.value, m.timestamp_ms, m.step, s.run_id, m.dataset_name,"
            " m.dataset_digest FROM logged_model_metrics m JOIN candidates s ON s.id = m.candidate_id"
            " WHERE ? ORDER BY m.id",
            reader.among(Sql("m.logged_model_id"), list(by_id)),
        )
    )
    for id_, key, value, *rest in points:
        by_id[id_].metrics.append(ModelPoint(key, float("nan") if value is None else value, *rest))

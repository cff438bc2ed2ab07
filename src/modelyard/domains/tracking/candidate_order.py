"""How candidates are sorted and walked. An order is a few phases, each a query that continues where a page ended.

An order by a metric walks the index of latest values: numbers, then NaN, then candidates without the metric, whichever
the direction, so that a page costs the same whatever the number of candidates. Other values that may be missing have
two phases. Candidates that are equal follow newest first, then by run id.
"""

from dataclasses import dataclass, replace

from modelyard.domains.tracking.candidate_conditions import TABLES, TEXTS, TIMES, Scope
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.search.comparing import number_matches
from modelyard.domains.tracking.search.fragments import Reader, Sql, joined, sql
from modelyard.domains.tracking.search.keyset import SortColumn, Sorts
from modelyard.domains.tracking.search.syntax import Comparison, Condition, Entity, Operator, OrderKey, conjuncts_of

NUMBERS, NAN, MISSING = 0, 1, 2

# Longer texts are sorted by their beginning, so that a page token stays short enough for a URL.
SORTED_CHARACTERS = 256

_BY_NAME = enumerate(sorted(Status, key=lambda status: status.name))
_STATUS_RANK = Sql(f"CASE c.status {' '.join(f'WHEN {status.value} THEN {rank}' for rank, status in _BY_NAME)} END")
_EXPERIMENT = Sql("c.experiment_id")


@dataclass(frozen=True)
class Phase:
    """A stretch of an order. Its rows are `source` under `conditions`, sorted by `columns`."""

    number: int
    source: Sql
    conditions: tuple[Sql, ...]
    columns: tuple[SortColumn, ...]


def phases_of(scope: Scope, condition: Condition | None, order: tuple[OrderKey, ...]) -> list[Phase]:
    """The stretches of an order, first to last, with the filter in each."""
    columns, joins = _following(scope, order[1:])
    conditions = (scope.within(_EXPERIMENT), scope.matches(*conjuncts_of(condition)))
    plain = Phase(NUMBERS, sql("candidates c?", joins), conditions, (*columns, *_tie_break(order)))
    if not order:
        return [plain]
    match order[0].field.entity:
        case Entity.METRIC:
            return _metric_phases(scope, condition, order[0], plain, joins)
        case Entity.ATTRIBUTE:
            return _attribute_phases(scope, order[0], plain)
        case _:
            return _text_phases(scope, order[0], plain, joins)


def _metric_phases(scope: Scope, condition: Condition | None, first: OrderKey, plain: Phase, joins: Sql) -> list[Phase]:
    """The index of the metric drives, and comparisons of the same metric bound its range."""
    key_id = scope.key_ids.get(first.field.key)
    conjuncts = conjuncts_of(condition)
    direct = [part for part in conjuncts if isinstance(part, Comparison) and part.field == first.field]
    indirect = [part for part in conjuncts if part not in direct]
    found: list[Phase] = []
    if key_id is not None:
        value = Sql("m.value")
        walked = (
            scope.within(Sql("m.experiment_id")),
            sql("m.key_id = ? AND c.id = m.candidate_id", key_id),
            *(number_matches(value, comparison) for comparison in direct),
            replace(scope, candidate_id=Sql("m.candidate_id")).matches(*indirect),
        )
        # CROSS JOIN keeps SQLite from beginning with the candidates.
        source = sql("latest_metrics m CROSS JOIN candidates c?", joins)
        columns = (SortColumn(value, Sorts.NUMBER, first.is_ascending), *plain.columns)
        found.append(Phase(NUMBERS, source, (*walked, Sql("m.value IS NOT NULL")), columns))
        found.append(Phase(NAN, source, (*walked, Sql("m.value IS NULL")), plain.columns))
    if all(comparison.operator is Operator.IS_NULL for comparison in direct):
        conditions = (scope.within(_EXPERIMENT), scope.absent(first.field), scope.matches(*indirect))
        found.append(replace(plain, number=MISSING, conditions=conditions))
    return found


def _attribute_phases(scope: Scope, first: OrderKey, plain: Phase) -> list[Phase]:
    column = _attribute_column(scope.reader, first)
    present = replace(plain, columns=(replace(column, is_nullable=False), *plain.columns))
    if not column.is_nullable:
        return [present]
    is_missing = sql("? IS NULL", column.expression)
    return [
        replace(present, conditions=(*plain.conditions, sql("NOT ?", is_missing))),
        replace(plain, number=MISSING, conditions=(*plain.conditions, is_missing)),
    ]


def _text_phases(scope: Scope, first: OrderKey, plain: Phase, joins: Sql) -> list[Phase]:
    absent = replace(plain, number=MISSING, conditions=(*plain.conditions, scope.absent(first.field)))
    key_id = scope.key_ids.get(first.field.key)
    if key_id is None:
        return [absent]
    table = TABLES[first.field.entity]
    source = sql("candidates c JOIN ? v ON v.candidate_id = c.id AND v.key_id = ??", table, key_id, joins)
    column = SortColumn(_sortable(scope.reader, Sql("v.value")), Sorts.TEXT, first.is_ascending)
    return [replace(plain, source=source, columns=(column, *plain.columns)), absent]


def _attribute_column(reader: Reader, key: OrderKey) -> SortColumn:
    name = key.field.key
    if name == "status":
        return SortColumn(_STATUS_RANK, Sorts.INTEGER, key.is_ascending)
    if name in TIMES:
        return SortColumn(TIMES[name], Sorts.INTEGER, key.is_ascending, is_nullable=name == "end_time")
    text = TEXTS[name] if name == "run_id" else _sortable(reader, TEXTS[name])
    return SortColumn(text, Sorts.TEXT, key.is_ascending)


def _sortable(reader: Reader, text: Sql) -> Sql:
    return reader.bytewise(sql("substr(?, 1, ?)", text, Sql(str(SORTED_CHARACTERS))))


def _following(scope: Scope, order: tuple[OrderKey, ...]) -> tuple[list[SortColumn], Sql]:
    """The columns of all keys but the first, each after its rank where it may be missing, and the joins they need."""
    columns: list[SortColumn] = []
    joins: list[Sql] = []
    for number, key in enumerate(order):
        if key.field.entity is Entity.ATTRIBUTE:
            column = _attribute_column(scope.reader, key)
            rank = sql("CASE WHEN ? IS NULL THEN 2 ELSE 0 END", column.expression)
        elif (key_id := scope.key_ids.get(key.field.key)) is not None:
            alias = Sql(f"s{number}")
            parts = (TABLES[key.field.entity], alias, alias, alias, key_id)
            joins.append(sql(" LEFT JOIN ? ? ON ?.candidate_id = c.id AND ?.key_id = ?", *parts))
            column, rank = _joined_column(scope.reader, key, alias)
        else:
            continue
        if column.is_nullable:
            columns.append(SortColumn(rank, Sorts.INTEGER))
        columns.append(column)
    return columns, joined("", joins)


def _joined_column(reader: Reader, key: OrderKey, alias: Sql) -> tuple[SortColumn, Sql]:
    value = sql("?.value", alias)
    if key.field.entity is Entity.METRIC:
        rank = sql("CASE WHEN ?.candidate_id IS NULL THEN 2 WHEN ? IS NULL THEN 1 ELSE 0 END", alias, value)
        return SortColumn(value, Sorts.NUMBER, key.is_ascending, is_nullable=True), rank
    rank = sql("CASE WHEN ?.candidate_id IS NULL THEN 2 ELSE 0 END", alias)
    return SortColumn(_sortable(reader, value), Sorts.TEXT, key.is_ascending, is_nullable=True), rank


def _tie_break(order: tuple[OrderKey, ...]) -> list[SortColumn]:
    named = {key.field.key for key in order if key.field.entity is Entity.ATTRIBUTE}
    ties = {
        "start_time": SortColumn(Sql("c.start_ms"), Sorts.INTEGER, is_ascending=False),
        "run_id": SortColumn(Sql("c.run_id"), Sorts.TEXT),
    }
    return [column for name, column in ties.items() if name not in named]

"""What a comparison of the search language is on the tables of candidates. The candidate is always `c`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.locations import SCHEME
from modelyard.domains.tracking.search.comparing import (
    integer_matches,
    number_matches,
    state_matches,
    text_matches,
    written,
)
from modelyard.domains.tracking.search.fragments import FALSE, TRUE, Reader, Sql, all_of, sql
from modelyard.domains.tracking.search.syntax import Comparison, Condition, Entity, Field, Operator
from modelyard.domains.tracking.states import View

AUTHOR = Field(Entity.ATTRIBUTE, "author")
CANDIDATE_ID = Sql("c.id")
# `locations.candidate_location` in SQL.
LOCATION = sql(
    "(? || (SELECT CAST(e.iid AS TEXT) FROM experiments e WHERE e.id = c.experiment_id) || '/' || c.run_id || ?)",
    Sql(f"'{SCHEME}/'"),
    Sql("'/artifacts'"),
)
TEXTS = {
    "run_id": Sql("c.run_id"),
    "run_name": Sql("c.name"),
    "user_id": Sql("c.source_user"),
    "author": Sql("coalesce((SELECT u.username FROM users u WHERE u.id = c.creator_id), '')"),
    "artifact_uri": LOCATION,
}
TIMES = {"start_time": Sql("c.start_ms"), "end_time": Sql("c.end_ms")}
TABLES = {
    Entity.METRIC: Sql("latest_metrics"),
    Entity.PARAMETER: Sql("candidate_parameters"),
    Entity.TAG: Sql("candidate_tags"),
}
_DATASETS = {"name": Sql("d.name"), "digest": Sql("d.digest"), "context": Sql("i.context")}
_STATUS_NAMES = {status.value: status.name for status in Status}
_VIEWS = {View.ACTIVE: Sql("c.deleted_ms IS NULL"), View.DELETED: Sql("c.deleted_ms IS NOT NULL"), View.ALL: TRUE}


@dataclass(frozen=True)
class Scope:
    """Where a search looks: rows of these experiments, and the ids of the keys that it names in their project.

    `candidate_id` is where a candidate's id is known first, so that SQLite can refuse a row before it looks `c` up.
    `status_words` are what people call a status.
    """

    reader: Reader
    experiment_ids: tuple[int, ...]
    view: View
    key_ids: Mapping[str, int]
    candidate_id: Sql = CANDIDATE_ID
    status_words: Mapping[str, str] = field(default_factory=dict)

    def within(self, column: Sql) -> Sql:
        """Whether a column with an experiment's id has one of these."""
        return self.reader.among(column, self.experiment_ids)

    def matches(self, *conditions: Condition) -> Sql:
        """Every condition, and the view."""
        return all_of([_VIEWS[self.view], *(written(condition, self.compared) for condition in conditions)])

    def compared(self, comparison: Comparison) -> Sql:
        """One comparison, true or false and never NULL."""
        match comparison.field.entity:
            case Entity.ATTRIBUTE:
                return self._attribute(comparison)
            case Entity.DATASET:
                return self._dataset(comparison)
            case _:
                return self._value(comparison)

    def absent(self, field: Field) -> Sql:
        """Whether a candidate has no such metric, parameter or tag."""
        key_id = self.key_ids.get(field.key)
        return TRUE if key_id is None else sql("NOT ?", self._present(field, key_id, TRUE))

    def _value(self, comparison: Comparison) -> Sql:
        field, value = comparison.field, Sql("f.value")
        key_id = self.key_ids.get(field.key)
        if comparison.operator is Operator.IS_NULL:
            return self.absent(field)
        if key_id is None:
            return FALSE
        if field.entity is Entity.METRIC:
            return self._present(field, key_id, number_matches(value, comparison))
        return self._present(field, key_id, text_matches(self.reader, value, comparison))

    def _attribute(self, comparison: Comparison) -> Sql:
        key = comparison.field.key
        if key == "status":
            return state_matches(Sql("c.status"), _STATUS_NAMES, comparison, self.status_words)
        if key in TIMES:
            return integer_matches(TIMES[key], comparison)
        return text_matches(self.reader, TEXTS[key], comparison)

    def _dataset(self, comparison: Comparison) -> Sql:
        """Some dataset input matches; IS NULL: none has the attribute."""
        is_absence = comparison.operator is Operator.IS_NULL
        asked = replace(comparison, operator=Operator.IS_NOT_NULL) if is_absence else comparison
        found = sql(
            "EXISTS (SELECT 1 FROM candidate_datasets i JOIN datasets d ON d.id = i.dataset_id"
            " WHERE i.candidate_id = ? AND ?)",
            self.candidate_id,
            text_matches(self.reader, _DATASETS[comparison.field.key], asked),
        )
        return sql("NOT ?", found) if is_absence else found

    def _present(self, field: Field, key_id: int, condition: Sql) -> Sql:
        return sql(
            "EXISTS (SELECT 1 FROM ? f WHERE f.candidate_id = ? AND f.key_id = ? AND ?)",
            *(TABLES[field.entity], self.candidate_id, key_id, condition),
        )

"""Candidates as they are shown: a page of them in a handful of queries, with everything or only the wanted keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from modelyard.domains.tracking.keys import ids_of_keys, names_of_keys
from modelyard.domains.tracking.search.fragments import TRUE, Reader, Rows, Sql, sql

INPUT, OUTPUT = "input", "output"


class LatestValue(msgspec.Struct, frozen=True, gc=False):
    """The last point of a metric. A page has thousands, and nothing is made faster than such a structure."""

    key: str
    value: float
    timestamp_ms: int
    step: int


class DatasetInput(NamedTuple):
    """A dataset that went into a candidate, with the tags it was logged with, such as its context."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    tags: dict[str, str]


class ModelOutput(NamedTuple):
    model_id: str
    step: int


@dataclass(frozen=True)
class Wanted:
    """What to read of each candidate. A set of keys narrows to these; None is all, an empty set none."""

    metrics: frozenset[str] | None = None
    parameters: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    inputs_and_outputs: bool = True

    @property
    def keys(self) -> frozenset[str]:
        """Every key that is named."""
        return (self.metrics or frozenset()) | (self.parameters or frozenset()) | (self.tags or frozenset())


EVERYTHING = Wanted()


@dataclass(slots=True)
class CandidateRow:
    """One candidate with what was asked for of it. `status` is the number of a `Status`."""

    id: int
    iid: int
    run_id: str
    experiment_id: int
    experiment_iid: int
    name: str
    status: int
    source_user: str
    creator_id: int | None
    start_ms: int
    end_ms: int | None
    created_ms: int
    updated_ms: int
    deleted_ms: int | None
    metrics: list[LatestValue] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[str] = field(default_factory=list)
    model_outputs: list[ModelOutput] = field(default_factory=list)


_NAN = float("nan")
_VALUE = Sql("value")
_POINT = Sql("value, timestamp_ms, step")
_decode_tags = msgspec.json.Decoder(dict[str, str]).decode


def rows_of(reader: Reader, project_id: int, ids: Sequence[int], wanted: Wanted = EVERYTHING) -> list[CandidateRow]:
    """The candidates with these ids, in this order; one that is gone is left out."""
    if not ids:
        return []
    found = reader.rows(
        sql(
            "SELECT c.id, c.iid, c.run_id, c.experiment_id, e.iid, c.name, c.status, c.source_user, c.creator_id,"
            " c.start_ms, c.end_ms, c.created_ms, c.updated_ms, c.deleted_ms"
            " FROM candidates c JOIN experiments e ON e.id = c.experiment_id WHERE ?",
            reader.among(Sql("c.id"), ids),
        )
    )
    by_id = {row[0]: CandidateRow(*row) for row in found}
    _add_values(reader, project_id, by_id, wanted)
    if wanted.inputs_and_outputs:
        _add_datasets(reader, by_id)
        _add_models(reader, by_id)
    return [by_id[id_] for id_ in ids if id_ in by_id]


def _add_values(reader: Reader, project_id: int, by_id: dict[int, CandidateRow], wanted: Wanted) -> None:
    """Metrics, parameters and tags; the names of their keys come in one query for all three."""
    ids = list(by_id)
    key_ids = ids_of_keys(reader, project_id, wanted.keys)
    metrics = _values(reader, Sql("latest_metrics"), ids, _among_keys(reader, wanted.metrics, key_ids), _POINT)
    parameters = _values(reader, Sql("candidate_parameters"), ids, _among_keys(reader, wanted.parameters, key_ids))
    tags = _values(reader, Sql("candidate_tags"), ids, _among_keys(reader, wanted.tags, key_ids))
    is_complete = None not in (wanted.metrics, wanted.parameters, wanted.tags)
    names = (
        {key_id: key for key, key_id in key_ids.items()}
        if is_complete
        else names_of_keys(reader, {row[1] for rows in (metrics, parameters, tags) for row in rows})
    )
    points = {candidate_id: candidate.metrics for candidate_id, candidate in by_id.items()}
    for candidate_id, key_id, value, timestamp_ms, step in metrics:
        points[candidate_id].append(LatestValue(names[key_id], _NAN if value is None else value, timestamp_ms, step))
    texts = {candidate_id: candidate.parameters for candidate_id, candidate in by_id.items()}
    for candidate_id, key_id, value in parameters:
        texts[candidate_id][names[key_id]] = value
    texts = {candidate_id: candidate.tags for candidate_id, candidate in by_id.items()}
    for candidate_id, key_id, value in tags:
        texts[candidate_id][names[key_id]] = value


def _among_keys(reader: Reader, wanted: frozenset[str] | None, key_ids: Mapping[str, int]) -> Sql | None:
    """The condition for the wanted keys; None when no row can meet it."""
    if wanted is None:
        return TRUE
    found = [key_ids[key] for key in wanted if key in key_ids]
    return reader.among(Sql("key_id"), found) if found else None


def _values(reader: Reader, table: Sql, ids: Sequence[int], among_keys: Sql | None, columns: Sql = _VALUE) -> Rows:
    if among_keys is None:
        return ()
    among = reader.among(Sql("candidate_id"), ids)
    return reader.rows(sql("SELECT candidate_id, key_id, ? FROM ? WHERE ? AND ?", columns, table, among, among_keys))


def _add_datasets(reader: Reader, by_id: dict[int, CandidateRow]) -> None:
    found = reader.rows(
        sql(
            "SELECT i.candidate_id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile, i.tags"
            " FROM candidate_datasets i JOIN datasets d ON d.id = i.dataset_id WHERE ? ORDER BY d.id",
            reader.among(Sql("i.candidate_id"), list(by_id)),
        )
    )
    for candidate_id, name, digest, source_type, source, schema, profile, tags in found:
        dataset = DatasetInput(name, digest, source_type, source, schema, profile, _decode_tags(tags))
        by_id[candidate_id].dataset_inputs.append(dataset)


def _add_models(reader: Reader, by_id: dict[int, CandidateRow]) -> None:
    found = reader.rows(
        sql(
            "SELECT l.candidate_id, l.direction, m.model_id, l.step"
            " FROM candidate_models l JOIN logged_models m ON m.id = l.logged_model_id WHERE ? ORDER BY m.id",
            reader.among(Sql("l.candidate_id"), list(by_id)),
        )
    )
    for candidate_id, direction, model_id, step in found:
        candidate = by_id[candidate_id]
        if direction == INPUT:
            candidate.model_inputs.append(model_id)
        else:
            candidate.model_outputs.append(ModelOutput(model_id, step))

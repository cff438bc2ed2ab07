"""Writes a group of operations in one transaction; whatever can refuse one is asked before it writes anything."""

import math
import time
from collections.abc import Iterable, Sequence

from modelyard.domains.namespaces.projects import MISSING as MISSING_PROJECT
from modelyard.domains.tracking.defaults import DEFAULT_IID, DEFAULT_NAME, NAME_TAG
from modelyard.domains.tracking.hot.changes import CHANGED, hold_candidates, note_changes
from modelyard.domains.tracking.hot.keys import KeyBook
from modelyard.domains.tracking.hot.lookups import State, ids_of_runs, logged_models_of, parameters_of, states_of
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CandidatePlace,
    CreateCandidate,
    LogData,
    MetricColumns,
    Operation,
    Status,
    UpdateCandidate,
)
from modelyard.domains.tracking.hot.repeats import made_before, note_made
from modelyard.domains.tracking.hot.segments import pack_segment
from modelyard.platform.errors import Invalid, ModelyardError, NotFound
from modelyard.platform.raw import Bulk, RawTransaction, Row

COUNTER = "candidate"

# One row for a project that is not deleted, with or without the experiment.
EXPERIMENT_OF_PROJECT = (
    "SELECT e.id, e.deleted_at FROM projects p LEFT JOIN experiments e ON e.project_id = p.id AND e.iid = ?"
    " WHERE p.id = ? AND p.deleted_at IS NULL"
)
SEGMENTS = Bulk("metric_segments", ("candidate_id", "id", "points", "payload"), ("bigint", "bigint", "int", "bytea"))
LATEST = Bulk(
    "latest_metrics",
    ("candidate_id", "key_id", "experiment_id", "step", "timestamp_ms", "value"),
    ("bigint", "bigint", "bigint", "bigint", "bigint", "float8"),
    """ON CONFLICT (candidate_id, key_id) DO UPDATE SET
         step = excluded.step, timestamp_ms = excluded.timestamp_ms, value = excluded.value
       WHERE (excluded.step, excluded.timestamp_ms, coalesce(excluded.value, 0))
           > (latest_metrics.step, latest_metrics.timestamp_ms, coalesce(latest_metrics.value, 0))""",
)
PARAMETERS = Bulk("candidate_parameters", ("candidate_id", "key_id", "value"), ("bigint", "bigint", "text"))
TAGS = Bulk(
    "candidate_tags",
    ("candidate_id", "key_id", "value"),
    ("bigint", "bigint", "text"),
    "ON CONFLICT (candidate_id, key_id) DO UPDATE SET value = excluded.value",
)
MODEL_METRICS = Bulk(
    "logged_model_metrics",
    (
        *("logged_model_id", "candidate_id", "key", "timestamp_ms", "step", "value"),
        *("dataset_name", "dataset_digest"),
    ),
    ("bigint", "bigint", "text", "bigint", "bigint", "float8", "text", "text"),
    "ON CONFLICT DO NOTHING",
)
EXPERIMENTS = Bulk(
    "experiments",
    ("project_id", "iid", "name", "description", "creator_id", "created_at", "updated_at"),
    ("bigint", "bigint", "text", "text", "bigint", "bigint", "bigint"),
    "ON CONFLICT DO NOTHING",
)
CANDIDATES = Bulk(
    "candidates",
    (
        *("project_id", "experiment_id", "iid", "run_id", "name", "status", "source_user", "creator_id"),
        *("start_ms", "created_ms", "updated_ms"),
    ),
    ("bigint", "bigint", "bigint", "text", "text", "smallint", "text", "bigint", "bigint", "bigint", "bigint"),
)


class GroupWriter:
    """`apply` for the group commit of tracking."""

    def __init__(self) -> None:
        self.keys = KeyBook()
        self._last_segment = 0

    def __call__(self, transaction: RawTransaction, operations: Sequence[Operation]) -> list[object]:
        """One outcome or error for each operation, in their order."""
        self.keys.settle(committed=False)
        outcomes: list[object] = [None] * len(operations)
        creations: list[tuple[int, CreateCandidate]] = []
        repeatable: list[tuple[int, CreateCandidate]] = []
        changes: list[tuple[int, UpdateCandidate | LogData]] = []
        for index, operation in enumerate(operations):
            if isinstance(operation, CreateCandidate):
                (creations if operation.repeat is None else repeatable).append((index, operation))
            else:
                changes.append((index, operation))
        if creations:
            self._create(transaction, creations, outcomes)
        for one in repeatable:
            # One after the other: the same request may be in a group twice.
            self._create_once(transaction, one, outcomes)
        if changes:
            self._change(transaction, changes, outcomes)
        return outcomes

    def committed(self, operations: Sequence[Operation], outcomes: Sequence[object]) -> None:  # noqa: ARG002  # the signature
        """Called after the commit of a group."""
        self.keys.settle(committed=True)

    # Candidates

    def _create(
        self, transaction: RawTransaction, creations: list[tuple[int, CreateCandidate]], outcomes: list[object]
    ) -> None:
        wanted = {(creation.project_id, creation.experiment_iid): creation for _, creation in creations}
        experiments = {key: _experiment(transaction, creation) for key, creation in wanted.items()}
        accepted: list[tuple[int, CreateCandidate, int]] = []
        for index, creation in creations:
            found = experiments[creation.project_id, creation.experiment_iid]
            if not isinstance(found, ModelyardError):
                found = self._trouble_with_names(transaction, creation.project_id, creation.tags) or found
            if isinstance(found, ModelyardError):
                outcomes[index] = found
            else:
                accepted.append((index, creation, found))
        if not accepted:
            return
        iids = _numbers(transaction, [creation.project_id for _, creation, _ in accepted])
        transaction.insert_many(
            CANDIDATES,
            [
                (
                    *(creation.project_id, experiment_id, iid, creation.run_id, creation.name, int(Status.RUNNING)),
                    *(creation.source_user, creation.creator_id),
                    *(creation.start_ms, creation.now_ms, creation.now_ms),
                )
                for (_, creation, experiment_id), iid in zip(accepted, iids, strict=True)
            ],
        )
        ids = ids_of_runs(transaction, [creation.run_id for _, creation, _ in accepted])
        tags: list[Row] = []
        for (index, creation, experiment_id), iid in zip(accepted, iids, strict=True):
            candidate_id = ids[creation.run_id]
            place = CandidatePlace(
                candidate_id, creation.project_id, experiment_id, creation.experiment_iid, iid, creation.run_id
            )
            outcomes[index] = CandidateInfo(
                place, creation.name, Status.RUNNING, creation.source_user, creation.start_ms, None
            )
            book = self.keys.ids(transaction, creation.project_id, creation.tags)
            tags.extend((candidate_id, book[name], value) for name, value in creation.tags.items())
        transaction.insert_many(TAGS, tags)

    def _create_once(
        self, transaction: RawTransaction, creation: tuple[int, CreateCandidate], outcomes: list[object]
    ) -> None:
        """The candidate that an earlier request with the same key has made, or a new one."""
        index, asked = creation
        outcomes[index] = made_before(transaction, asked)
        if outcomes[index] is None:
            self._create(transaction, [creation], outcomes)
            if isinstance(outcomes[index], CandidateInfo):
                note_made(transaction, asked)

    # Changes to candidates

    def _change(
        self, transaction: RawTransaction, changes: list[tuple[int, UpdateCandidate | LogData]], outcomes: list[object]
    ) -> None:
        if not transaction.is_sqlite:
            # Those that only log metrics leave the rows of their candidates alone.
            changed = [it for _, it in changes if not isinstance(it, LogData) or it.parameters or it.tags]
            hold_candidates(transaction, {change.place.candidate_id for change in changed})
        states = states_of(transaction, {change.place.candidate_id for _, change in changes})
        logs: list[tuple[int, LogData]] = []
        for index, change in changes:
            state = states.get(change.place.candidate_id)
            if state is None:
                outcomes[index] = _missing(change.place)
            elif state.deleted_ms is not None:
                outcomes[index] = Invalid(
                    f"The run {change.place.run_id} must be in the 'active' state. Current state is deleted."
                )
            elif isinstance(change, LogData):
                logs.append((index, change))
            else:
                outcomes[index] = self._update(transaction, change, state)
        if logs:
            self._log(transaction, logs, outcomes)

    def _update(
        self, transaction: RawTransaction, change: UpdateCandidate, state: State
    ) -> CandidateInfo | ModelyardError:
        place = change.place
        trouble = self._trouble_with_names(transaction, place.project_id, (NAME_TAG,)) if change.name else None
        if trouble is not None:
            return trouble
        # Nothing but what the request names is written: another process may be changing the rest at this moment.
        status = None if change.status is None else int(change.status)
        named = {"status": status, "end_ms": change.end_ms, "name": change.name}
        values = {column: value for column, value in named.items() if value is not None}
        columns = ", ".join([*(f"{column} = ?" for column in values), CHANGED])
        rows = transaction.rows(
            f"UPDATE candidates SET {columns} WHERE id = ? RETURNING name, status, end_ms",  # noqa: S608  # names of ours
            (*values.values(), change.now_ms, change.now_ms, place.candidate_id),
        )
        if not rows:
            return _missing(place)
        if change.name:
            key_id = self.keys.ids(transaction, place.project_id, (NAME_TAG,))[NAME_TAG]
            transaction.insert_many(TAGS, [(place.candidate_id, key_id, change.name)])
        now_named, now_in, ended_ms = rows[0]
        return CandidateInfo(
            place,
            str(now_named),
            Status(int(now_in)),  # type: ignore[arg-type]  # an integer column
            state.source_user,
            state.start_ms,
            None if ended_ms is None else int(ended_ms),
        )

    def _log(self, transaction: RawTransaction, logs: list[tuple[int, LogData]], outcomes: list[object]) -> None:
        known = logged_models_of(transaction, logs)
        if any(log.model_metrics for _, log in logs):
            logs = _with_models(logs, known, outcomes)
        key_ids = self._keys_of_metrics(transaction, logs, outcomes)
        named = [(index, log) for index, log in logs if index in key_ids]
        accepted, parameters = self._check_parameters(transaction, named, outcomes)
        transaction.insert_many(PARAMETERS, parameters)
        self._write_tags(transaction, [log for _, log in accepted])
        # Metrics are seen by their segments: a loop that logs one after the other writes nothing else for that.
        if described := [log for _, log in accepted if log.parameters or log.tags]:
            moment_ms = max(log.now_ms for log in described)
            note_changes(transaction, {log.place.candidate_id for log in described}, moment_ms)
        self._write_metrics(transaction, [(log, key_ids[index]) for index, log in accepted])
        transaction.insert_many(
            MODEL_METRICS, [row for _, log in accepted if log.model_metrics for row in _model_metrics(log, known)]
        )

    def _keys_of_metrics(
        self, transaction: RawTransaction, logs: list[tuple[int, LogData]], outcomes: list[object]
    ) -> dict[int, list[int]]:
        """The key ids of the metrics of each operation all of whose names are known now."""
        found: dict[int, list[int]] = {}
        for index, log in logs:
            key_ids = self._known_keys(log)
            if key_ids is None:
                names = (*(log.metrics.names if log.metrics else ()), *log.parameters, *log.tags)
                outcomes[index] = self._trouble_with_names(transaction, log.place.project_id, names)
                key_ids = self._known_keys(log)
            if key_ids is not None:
                found[index] = key_ids
        return found

    def _known_keys(self, log: LogData) -> list[int] | None:
        """The key ids of an operation's metrics; None while any name of it is not known."""
        book = self.keys.of_project(log.place.project_id)
        if not (log.parameters.keys() <= book.keys() and log.tags.keys() <= book.keys()):
            return None
        try:
            return [book[name] for name in log.metrics.names] if log.metrics else []
        except KeyError:
            return None

    def _trouble_with_names(
        self, transaction: RawTransaction, project_id: int, names: Iterable[str]
    ) -> ModelyardError | None:
        """Make the names that are new, or say why not."""
        try:
            self.keys.ids(transaction, project_id, names)
        except Invalid as trouble:
            return trouble
        return None

    def _check_parameters(
        self, transaction: RawTransaction, logs: list[tuple[int, LogData]], outcomes: list[object]
    ) -> tuple[list[tuple[int, LogData]], list[Row]]:
        """The operations whose parameters hold, and the rows that they add. A parameter is written once."""
        with_parameters = [log for _, log in logs if log.parameters]
        if not with_parameters:
            return logs, []
        books = {id(log): self.keys.ids(transaction, log.place.project_id, log.parameters) for log in with_parameters}
        kept = parameters_of(transaction, {log.place.candidate_id for log in with_parameters})
        accepted: list[tuple[int, LogData]] = []
        rows: list[Row] = []
        for index, log in logs:
            book = books.get(id(log), {})
            pairs = [(log.place.candidate_id, book[name], name, value) for name, value in log.parameters.items()]
            changed = next((pair for pair in pairs if kept.get(pair[:2], pair[3]) != pair[3]), None)
            if changed is not None:
                outcomes[index] = _changed_parameter(log, changed[2], str(kept[changed[:2]]), changed[3])
                continue
            accepted.append((index, log))
            for candidate_id, key_id, _, value in pairs:
                if (candidate_id, key_id) not in kept:
                    kept[candidate_id, key_id] = value
                    rows.append((candidate_id, key_id, value))
        return accepted, rows

    def _write_tags(self, transaction: RawTransaction, logs: list[LogData]) -> None:
        rows: dict[tuple[int, int], str] = {}
        for log in logs:
            if not log.tags:
                continue
            book = self.keys.ids(transaction, log.place.project_id, log.tags)
            for name, value in log.tags.items():
                rows[log.place.candidate_id, book[name]] = value
            if NAME_TAG in log.tags:
                transaction.run(
                    "UPDATE candidates SET name = ? WHERE id = ?", (log.tags[NAME_TAG], log.place.candidate_id)
                )
        transaction.insert_many(TAGS, [(*pair, value) for pair, value in sorted(rows.items())])

    def _segment_id(self) -> int:
        """A number greater than this process has given before; nanoseconds keep those of other processes apart."""
        self._last_segment = max(self._last_segment + 1, time.time_ns())
        return self._last_segment

    def _write_metrics(self, transaction: RawTransaction, logs: list[tuple[LogData, list[int]]]) -> None:
        segments: list[Row] = []
        latest: dict[tuple[int, int], tuple[int, int, float, int]] = {}
        for log, key_ids in logs:
            metrics, place = log.metrics, log.place
            if metrics is None:
                continue
            payload = pack_segment(key_ids, metrics.steps, metrics.timestamps_ms, metrics.values)
            segments.append((place.candidate_id, self._segment_id(), len(key_ids), payload))
            _keep_latest(latest, place, key_ids, metrics)
        transaction.insert_many(SEGMENTS, segments)
        transaction.insert_many(
            LATEST,
            [
                (*pair, experiment_id, step, timestamp_ms, None if math.isnan(value) else value)
                for pair, (step, timestamp_ms, value, experiment_id) in sorted(latest.items())
            ],
        )


def _missing(place: CandidatePlace) -> NotFound:
    return NotFound(f"Run with id={place.run_id} not found")


def _experiment(transaction: RawTransaction, creation: CreateCandidate) -> int | ModelyardError:
    """The id of an active experiment, or why a candidate cannot be made in it. The default one is made when missing."""
    project_id, iid = creation.project_id, creation.experiment_iid
    rows = transaction.rows(EXPERIMENT_OF_PROJECT, (iid, project_id))
    if not rows:
        return NotFound(MISSING_PROJECT)
    if rows[0][0] is None and iid == DEFAULT_IID:
        transaction.insert_many(
            EXPERIMENTS,
            [(project_id, DEFAULT_IID, DEFAULT_NAME, "", creation.creator_id, creation.now_ms, creation.now_ms)],
        )
        rows = transaction.rows(EXPERIMENT_OF_PROJECT, (iid, project_id))
    experiment_id, deleted_at = rows[0]
    if experiment_id is None:
        return NotFound(f"No Experiment with id={iid} exists")
    if deleted_at is not None:
        return Invalid(f"The experiment {iid} must be in the 'active' state. Current state is deleted.")
    return int(experiment_id)


def _numbers(transaction: RawTransaction, project_ids: list[int]) -> list[int]:
    """The next iid for each entry, in one step for each project."""
    following: dict[int, int] = {}
    for project_id in sorted(set(project_ids)):
        count = project_ids.count(project_id)
        rows = transaction.rows(
            "INSERT INTO counters (project_id, kind, last) VALUES (?, ?, ?)"
            " ON CONFLICT (project_id, kind) DO UPDATE SET last = counters.last + excluded.last RETURNING last",
            (project_id, COUNTER, count),
        )
        following[project_id] = int(rows[0][0]) - count  # type: ignore[arg-type]  # an integer column
    numbers: list[int] = []
    for project_id in project_ids:
        following[project_id] += 1
        numbers.append(following[project_id])
    return numbers


def _changed_parameter(log: LogData, name: str, old: str, new: str) -> Invalid:
    return Invalid(
        f"Changing param values is not allowed. Param with key='{name}' was already logged with value='{old}' for run"
        f" ID='{log.place.run_id}'. Attempted logging new value '{new}'."
    )


def _with_models(
    logs: list[tuple[int, LogData]], known: dict[str, tuple[int, int]], outcomes: list[object]
) -> list[tuple[int, LogData]]:
    """The operations whose logged models exist in their own project."""
    accepted: list[tuple[int, LogData]] = []
    for index, log in logs:
        project_id = log.place.project_id
        missing = next((m for m in log.model_metrics if known.get(m.model_id, (0, 0))[1] != project_id), None)
        if missing is None:
            accepted.append((index, log))
        else:
            outcomes[index] = NotFound(f"Logged model with ID '{missing.model_id}' not found.")
    return accepted


def _model_metrics(log: LogData, known: dict[str, tuple[int, int]]) -> list[Row]:
    """The rows that attach points to logged models."""
    return [
        (
            *(known[metric.model_id][0], log.place.candidate_id, metric.name, metric.timestamp_ms, metric.step),
            None if math.isnan(metric.value) else metric.value,
            *(metric.dataset_name, metric.dataset_digest),
        )
        for metric in log.model_metrics
    ]


def _keep_latest(
    latest: dict[tuple[int, int], tuple[int, int, float, int]],
    place: CandidatePlace,
    key_ids: list[int],
    metrics: MetricColumns,
) -> None:
    """Note the greatest (step, timestamp, value) of each series of a batch; a NaN counts as 0, as for MLflow."""
    candidate_id, experiment_id = place.candidate_id, place.experiment_id
    best: dict[int, tuple[int, int, float]] = {}
    for key_id, step, timestamp_ms, value in zip(
        key_ids, metrics.steps, metrics.timestamps_ms, metrics.values, strict=True
    ):
        seen = best.get(key_id)
        if (
            seen is None
            or step > seen[0]
            or (step == seen[0] and (timestamp_ms, _number(value)) > (seen[1], _number(seen[2])))
        ):
            best[key_id] = (step, timestamp_ms, value)
    for key_id, point in best.items():
        other = latest.get((candidate_id, key_id))
        if other is None or (point[0], point[1], _number(point[2])) > (other[0], other[1], _number(other[2])):
            latest[candidate_id, key_id] = (*point, experiment_id)


def _number(value: float) -> float:
    return 0.0 if value != value else value  # noqa: PLR0124  # only NaN differs from itself; math.isnan costs a call

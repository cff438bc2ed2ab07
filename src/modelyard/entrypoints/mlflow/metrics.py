"""Histories of metrics: whole, in pages, and thinned for charts."""

import math
from collections.abc import Sequence
from itertools import repeat
from typing import Annotated

import msgspec
import numpy as np

from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.hot.history import between_steps, series_of, thinned
from modelyard.domains.tracking.hot.operations import CandidatePlace
from modelyard.domains.tracking.hot.points import Points
from modelyard.entrypoints.mlflow.router import Asked, Routes
from modelyard.entrypoints.mlflow.runs import Metric
from modelyard.entrypoints.mlflow.wire import float_text, invalid_value, missing_parameter
from modelyard.entrypoints.request import needs
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.pagination import decode_cursor, encode_cursor

MOST_RUNS = 100
MOST_BULK_POINTS = 25_000
MOST_INTERVAL_POINTS = 2500

Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class GetHistory(msgspec.Struct):
    """Query of `metrics/get-history`."""

    metric_key: str
    run_id: str = ""
    run_uuid: str = ""
    max_results: Integer | None = None
    page_token: str = ""


class History(msgspec.Struct, omit_defaults=True):
    metrics: list[Metric] = []
    next_page_token: str | None = None


class GetBulk(msgspec.Struct):
    """Query of `metrics/get-history-bulk`."""

    metric_key: str
    run_id: list[str] = []
    max_results: Integer = MOST_BULK_POINTS


class GetInterval(msgspec.Struct):
    """Query of `metrics/get-history-bulk-interval`."""

    metric_key: str
    run_ids: list[str] = []
    start_step: Integer | None = None
    end_step: Integer | None = None
    max_results: Integer = MOST_INTERVAL_POINTS


class RunMetric(msgspec.Struct, gc=False):
    """A point that says which run it is of."""

    key: str
    value: float | str
    timestamp: int
    step: int
    run_id: str


class BulkHistory(msgspec.Struct):
    metrics: Sequence[RunMetric]


def get_history(asked: Asked, query: GetHistory) -> object:
    """MLflow's `metrics/get-history`: by timestamp, step and value; a page when `max_results` says so."""
    if query.max_results is not None and query.max_results <= 0:
        raise Invalid(invalid_value(query.max_results, "max_results", "It must be at least 1."))
    with asked.read() as (session, actor, project):
        require(session, actor, Ability.READ_TRACKING, project)
        place = _place(asked, session, project, query.run_id or query.run_uuid)
        points = series_of(session, project.id, place.candidate_id, query.metric_key)
    if query.page_token:
        points = _after(points, query.page_token)
    token = None
    if query.max_results is not None and len(points) > query.max_results:
        count = query.max_results
        points = Points(points.steps[:count], points.timestamps_ms[:count], points.values[:count])
        token = _token(points)
    return History(_metrics(query.metric_key, points), token)


def get_bulk(asked: Asked, query: GetBulk) -> object:
    """MLflow's `metrics/get-history-bulk`: several runs, ordered by run, timestamp, step and value."""
    found: list[RunMetric] = []
    most = min(max(query.max_results, 0), MOST_BULK_POINTS)
    for run_id, points in _several(asked, query.run_id, query.metric_key, "run_id"):
        found += _run_metrics(run_id, query.metric_key, points)
        if len(found) >= most:
            break
    return BulkHistory(found[:most])


def get_interval(asked: Asked, query: GetInterval) -> object:
    """MLflow's `metrics/get-history-bulk-interval`: at most `max_results` points a run, evenly, ends kept."""
    if (query.start_step is None) != (query.end_step is None):
        raise Invalid("If either start step or end step are specified, both must be specified.")
    if query.start_step is not None and query.end_step is not None and query.start_step > query.end_step:
        raise Invalid(f"end_step {query.end_step} must not be less than start_step {query.start_step}.")
    if not 1 <= query.max_results <= MOST_INTERVAL_POINTS:
        raise Invalid(f"max_results must be between 1 and {MOST_INTERVAL_POINTS}.")
    found: list[RunMetric] = []
    for run_id, points in _several(asked, query.run_ids, query.metric_key, "run_ids"):
        chosen = points
        if query.start_step is not None and query.end_step is not None:
            chosen = between_steps(points, query.start_step, query.end_step)
        found += _run_metrics(run_id, query.metric_key, thinned(chosen, query.max_results))
    return BulkHistory(found)


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    reads = needs(Ability.READ_TRACKING)
    routes.cold("GET", "mlflow/metrics/get-history", reads, GetHistory)(get_history)
    routes.cold("GET", "mlflow/metrics/get-history-bulk", reads, GetBulk)(get_bulk)
    routes.cold("GET", "mlflow/metrics/get-history-bulk-interval", reads, GetInterval)(get_interval)


def _several(asked: Asked, run_ids: list[str], key: str, parameter: str) -> list[tuple[str, Points]]:
    if not run_ids:
        raise Invalid(missing_parameter(parameter))
    if len(run_ids) > MOST_RUNS:
        raise Invalid(f"GetMetricHistoryBulk request cannot contain more than {MOST_RUNS} run_ids. Got {len(run_ids)}.")
    with asked.read() as (session, actor, project):
        require(session, actor, Ability.READ_TRACKING, project)
        places = [_place(asked, session, project, run_id) for run_id in sorted(set(run_ids))]
        return [(place.run_id, series_of(session, project.id, place.candidate_id, key)) for place in places]


def _place(asked: Asked, session: Session, project: Project, run_id: str) -> CandidatePlace:
    if not run_id:
        raise Invalid(missing_parameter("run_id"))
    place = asked.installation.lane.find_place(session, run_id)
    if place is None or place.project_id != project.id:
        raise NotFound(f"Run with id={run_id[:64]} not found")
    return place


def _metrics(key: str, points: Points) -> list[Metric]:
    # Encoding 100,000 points is this one line; a loop with names and checks takes four times as long.
    return list(map(Metric, repeat(key), _values(points), points.timestamps_ms.tolist(), points.steps.tolist()))


def _run_metrics(run_id: str, key: str, points: Points) -> list[RunMetric]:
    columns = (_values(points), points.timestamps_ms.tolist(), points.steps.tolist())
    return list(map(RunMetric, repeat(key), *columns, repeat(run_id)))


def _values(points: Points) -> list[float | str]:
    listed: list[float | str] = points.values.tolist()
    if np.isfinite(points.values).all():
        return listed
    return [float_text(value) for value in points.values.tolist()]


def _token(points: Points) -> str:
    value = float(points.values[-1])
    return encode_cursor(
        [int(points.timestamps_ms[-1]), int(points.steps[-1]), None if math.isnan(value) else repr(value)]
    )


def _after(points: Points, token: str) -> Points:
    timestamp_ms, step, value = decode_cursor(token, length=3)
    try:
        last = None if value is None else float(value)
    except ValueError:
        last = math.nan
    if not isinstance(timestamp_ms, int) or not isinstance(step, int) or (last is not None and math.isnan(last)):
        raise Invalid("This page token is not valid. Begin again without one.")
    later = (points.timestamps_ms > timestamp_ms) | ((points.timestamps_ms == timestamp_ms) & (points.steps > step))
    same = (points.timestamps_ms == timestamp_ms) & (points.steps == step)
    if last is not None:
        # NaN comes after every number.
        later |= same & ((points.values > last) | np.isnan(points.values))
    return Points(points.steps[later], points.timestamps_ms[later], points.values[later])

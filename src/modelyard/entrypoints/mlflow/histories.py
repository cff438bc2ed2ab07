"""Histories of metrics: whole, in pages, and thinned for charts. Loaded at the first one, because it needs NumPy.

A long history is written piece by piece, while the client takes it: what waits for a slow client are numbers in
columns, 24 bytes a point, and not the text of them all.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from itertools import repeat

import msgspec
import numpy as np

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.hot.history import between_steps, series_of, thinned
from modelyard.domains.tracking.hot.operations import CandidatePlace
from modelyard.domains.tracking.hot.points import Points
from modelyard.entrypoints.mlflow.errors import JSON_HEADERS
from modelyard.entrypoints.mlflow.metrics import (
    MOST_BULK_POINTS,
    MOST_INTERVAL_POINTS,
    GetBulk,
    GetHistory,
    GetInterval,
)
from modelyard.entrypoints.mlflow.router import Asked
from modelyard.entrypoints.mlflow.runs import Metric
from modelyard.entrypoints.mlflow.streams import Exchange
from modelyard.entrypoints.mlflow.wire import decode_query, encode, float_text, invalid_value, missing_parameter
from modelyard.entrypoints.request import Installation
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.pagination import decode_cursor, encode_cursor

MOST_RUNS = 100
# MLflow's server answers all points where no page is asked for. So do we, up to a number that no client of it reaches
# unawares; after that there is a token, which it would follow.
MOST_POINTS = 1_000_000
# As many as MLflow's client asks for at once.
PIECE_POINTS = 25_000


class History(msgspec.Struct, omit_defaults=True):
    metrics: list[Metric] = []
    next_page_token: str | None = None


class RunMetric(msgspec.Struct, gc=False):
    """A point that says which run it is of."""

    key: str
    value: float | str
    timestamp: int
    step: int
    run_id: str


class BulkHistory(msgspec.Struct):
    metrics: Sequence[RunMetric]


async def get_history(exchange: Exchange) -> None:
    """MLflow's `metrics/get-history`: by timestamp, step and value; a page when `max_results` says so."""
    query = decode_query(GetHistory, exchange.scope["query_string"])
    if query.max_results is not None and query.max_results <= 0:
        raise Invalid(invalid_value(query.max_results, "max_results", "It must be at least 1."))
    most = min(query.max_results or MOST_POINTS, MOST_POINTS)

    def page(session: Session, actor: Actor, project: Project) -> tuple[Points, str | None]:
        require(session, actor, Ability.READ_TRACKING, project)
        place = _place(exchange.installation, session, project, query.run_id or query.run_uuid)
        points = series_of(session, project.id, place.candidate_id, query.metric_key)
        if query.page_token:
            points = _after(points, query.page_token)
        if len(points) <= most:
            return points, None
        # Copied, so that what was cut off is not kept while the client takes the rest.
        first = Points(points.steps[:most].copy(), points.timestamps_ms[:most].copy(), points.values[:most].copy())
        return first, _token(first)

    points, token = await exchange.read(page, is_heavy=True)
    if len(points) > PIECE_POINTS:
        await _send_in_pieces(exchange, query.metric_key, points, token)
    else:
        await exchange.answer_json(History(_metrics(query.metric_key, points), token))


async def _send_in_pieces(exchange: Exchange, key: str, points: Points, token: str | None) -> None:
    """The same answer as in one, written while the client takes it."""
    heavy = exchange.installation.heavy
    end = b"]" + (b',"next_page_token":' + encode(token) if token else b"") + b"}"
    await exchange.send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
    head = b'{"metrics":['
    for piece in _pieces(points):
        # Begun, so it is not refused any more; but each piece waits its turn among the other long reads.
        text = await asyncio.wrap_future(heavy.go_on(_listed, key, piece))
        await exchange.send({"type": "http.response.body", "body": head + text, "more_body": True})
        head = b","
    await exchange.send({"type": "http.response.body", "body": end})


def _pieces(points: Points) -> Iterator[Points]:
    for first in range(0, len(points), PIECE_POINTS):
        here = slice(first, first + PIECE_POINTS)
        yield Points(points.steps[here], points.timestamps_ms[here], points.values[here])


def _listed(key: str, points: Points) -> bytes:
    """Points as a JSON list without its brackets."""
    return encode(_metrics(key, points))[1:-1]


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


def _several(asked: Asked, run_ids: list[str], key: str, parameter: str) -> Iterator[tuple[str, Points]]:
    """One series after the other, so that only one is held at a time."""
    if not run_ids:
        raise Invalid(missing_parameter(parameter))
    if len(run_ids) > MOST_RUNS:
        raise Invalid(f"GetMetricHistoryBulk request cannot contain more than {MOST_RUNS} run_ids. Got {len(run_ids)}.")
    with asked.read() as (session, actor, project):
        require(session, actor, Ability.READ_TRACKING, project)
        places = [_place(asked.installation, session, project, run_id) for run_id in sorted(set(run_ids))]
        for place in places:
            yield place.run_id, series_of(session, project.id, place.candidate_id, key)


def _place(installation: Installation, session: Session, project: Project, run_id: str) -> CandidatePlace:
    if not run_id:
        raise Invalid(missing_parameter("run_id"))
    place = installation.lane.find_place(session, run_id)
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

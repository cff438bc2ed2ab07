"""The figures of a server in Prometheus' format."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from modelyard import __version__
from modelyard.entrypoints.request import Installation
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.disk import DiskReserve
from modelyard.platform.errors import ModelyardError
from modelyard.platform.meters import CommitMeter, Durations, RequestMeter
from modelyard.platform.settings import Settings
from modelyard.platform.tasks.delivery import oldest_event_at
from modelyard.platform.tasks.queue import queue_state


def exposed(installation: Installation, meter: RequestMeter) -> tuple[str, bytes]:
    """The content type and the body of an answer to Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(installation, meter))
    ProcessCollector(registry=registry)
    return CONTENT_TYPE_LATEST, generate_latest(registry)


class _Figures:
    """Collects the figures at the moment they are asked for."""

    def __init__(self, installation: Installation, meter: RequestMeter) -> None:
        self._installation = installation
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        version = GaugeMetricFamily("modelyard_info", "The version that runs.", labels=["version"])
        version.add_metric([__version__], 1)
        yield version
        yield from _of_requests(self._meter)
        yield from _of_commits(self._installation.lane.meter, self._installation.lane.waiting)
        yield from _of_crews(self._installation)
        yield from _of_disk(self._installation.settings)
        yield from _of_database(self._installation.database)


def _of_requests(meter: RequestMeter) -> Iterator[Metric]:
    requests = CounterMetricFamily("modelyard_requests", "Answered requests.", labels=["route", "status"])
    for (route, status), count in sorted(meter.counts.items()):
        requests.add_metric([route, str(status)], count)
    yield requests
    seconds = HistogramMetricFamily(
        "modelyard_request_seconds", "From a request's head to its answer.", labels=["route"]
    )
    for route, durations in sorted(meter.durations.items()):
        _add(seconds, [route], durations)
    yield seconds


def _of_commits(meter: CommitMeter, waiting: int) -> Iterator[Metric]:
    seconds = HistogramMetricFamily("modelyard_commit_seconds", "Group commits of logged data.", labels=[])
    _add(seconds, [], meter.durations)
    yield seconds
    yield CounterMetricFamily("modelyard_committed_operations", "Operations in these groups.", meter.operations)
    yield CounterMetricFamily("modelyard_undone_groups", "Groups that were undone and tried singly.", meter.undone)
    yield GaugeMetricFamily("modelyard_waiting_operations", "Operations that wait to be written.", waiting)


def _of_crews(installation: Installation) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("modelyard_waiting_requests", "Requests that wait for a thread.", labels=["crew"])
    refused = CounterMetricFamily("modelyard_refused_requests", "Requests for which too many waited.", labels=["crew"])
    for crew in installation.crews:
        waiting.add_metric([crew.name], crew.waiting)
        refused.add_metric([crew.name], crew.refused)
    yield waiting
    yield refused


def _of_disk(settings: Settings) -> Iterator[Metric]:
    free = DiskReserve(settings.data, 0).free_bytes()
    yield GaugeMetricFamily("modelyard_disk_free_bytes", "Free space on the data directory's disk.", free)
    reserve = settings.disk_reserve_bytes
    yield GaugeMetricFamily("modelyard_disk_reserve_bytes", "Free space below which writes are refused.", reserve)


def _of_database(database: Database) -> Iterator[Metric]:
    yield GaugeMetricFamily("modelyard_log_bytes", "SQLite's write-ahead log.", database.log_bytes())
    started = time.perf_counter()
    try:
        with database.read() as session:
            state, oldest_event = queue_state(session), oldest_event_at(session)
    except ModelyardError:
        yield GaugeMetricFamily("modelyard_database_up", "Whether the database answers.", 0)
        return
    yield GaugeMetricFamily("modelyard_database_up", "Whether the database answers.", 1)
    seconds = time.perf_counter() - started
    yield GaugeMetricFamily("modelyard_database_seconds", "How long it took to read these figures.", seconds)
    tasks = GaugeMetricFamily("modelyard_tasks", "Background tasks by state.", labels=["state"])
    for name, count in sorted(state.counts.items()):
        tasks.add_metric([name], count)
    yield tasks
    moment = now()
    for name, words, since in (
        ("modelyard_oldest_task_seconds", "For how long the oldest due task waits.", state.oldest_due_at),
        ("modelyard_oldest_event_seconds", "For how long the oldest event waits.", oldest_event),
    ):
        yield GaugeMetricFamily(name, words, (moment - since).total_seconds() if since else 0)


def _add(family: HistogramMetricFamily, labels: list[str], durations: Durations) -> None:
    buckets = [(bound, float(count)) for bound, count in durations.cumulated()]
    family.add_metric(labels, buckets, durations.total_s)

"""The routes of metric histories and what they are asked; `histories` answers."""

from typing import Annotated

import msgspec

from modelyard.domains.namespaces.access import Ability
from modelyard.entrypoints.mlflow.router import Routes, always
from modelyard.entrypoints.mlflow.streams import streamed
from modelyard.entrypoints.request import needs
from modelyard.platform.late import LateFunction

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


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    reads = needs(Ability.READ_TRACKING)
    whole, bulk, interval = (_answered_by(name) for name in ("get_history", "get_bulk", "get_interval"))
    routes.stream("GET", "mlflow/metrics/get-history", reads)(streamed(whole))
    routes.cold("GET", "mlflow/metrics/get-history-bulk", reads, GetBulk, is_heavy=always)(bulk)
    routes.cold("GET", "mlflow/metrics/get-history-bulk-interval", reads, GetInterval, is_heavy=always)(interval)


def _answered_by(name: str) -> LateFunction:
    return LateFunction("modelyard.entrypoints.mlflow.histories", name)

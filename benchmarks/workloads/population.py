"""The candidates of W5, the same in every database: ours made over the API, the peers' cloned inside their databases.

Making ten thousand over the peers' own API takes many minutes, and their search does not know the difference.
"""

import contextlib
import random
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks import load, tracking
from benchmarks.contenders import Product
from benchmarks.samples import Unmeasurable
from benchmarks.servers import Server

EXPERIMENT = "w5"
METRICS = 5
PARAMS = 10
SEED = 20_261
CONNECTIONS = 16
FIRST_START_MS = 1_700_000_000_000
Row = tuple[Any, ...]


def fill(server: Server, count: int) -> str:
    """Make the candidates; the id of their experiment."""
    experiment_id = tracking.create_experiment(server, EXPERIMENT)
    if server.contender.product is Product.MODELYARD:
        _fill_by_api(server, experiment_id, count)
    else:
        _fill_by_cloning(server, experiment_id, count)
    return experiment_id


def metrics_of(number: int) -> dict[str, float]:
    """The metrics of the candidate of this number."""
    chance = random.Random(SEED + number)  # noqa: S311 - repeatable on purpose, nothing is secret
    return {f"m{index}": chance.random() for index in range(METRICS)}


def params_of(number: int) -> dict[str, str]:
    """The parameters of the candidate of this number: half of them have p0 = 'b'."""
    return {"p0": "ab"[number % 2]} | {f"p{index}": f"value {number * index}" for index in range(1, PARAMS)}


def _log_body(run_id: str, number: int) -> str:
    time_ms = str(FIRST_START_MS + number)
    metrics = [tracking.metric(key, time_ms, "0", repr(value)) for key, value in metrics_of(number).items()]
    return tracking.batch_body(run_id, metrics, params_of(number))


def _fill_by_api(server: Server, experiment_id: str, count: int) -> None:
    create = load.post(server, "runs/create", tracking.create_run_body(experiment_id))
    _send(server, [create], count)
    bodies = (_log_body(run_id, number) for number, run_id in enumerate(_all_runs(server, experiment_id)))
    _send(server, [load.post(server, "runs/log-batch", body) for body in bodies], count)


def _send(server: Server, requests: Sequence[load.Request], count: int) -> None:
    found = load.drive(server, requests, connections=CONNECTIONS, at_least=count, at_most=count)
    if found.failure is not None:
        raise Unmeasurable(f"{server.name} could not be filled with candidates: {found.failure}")


def _all_runs(server: Server, experiment_id: str) -> Iterator[str]:
    fields: dict[str, Any] = {"experiment_ids": [experiment_id], "max_results": 1000}
    while True:
        answer = tracking.call(server, "POST", "runs/search", **fields)
        for run in answer.get("runs", []):
            yield str(run["info"]["run_id"])
        if not answer.get("next_page_token"):
            return
        fields["page_token"] = answer["next_page_token"]


def _fill_by_cloning(server: Server, experiment_id: str, count: int) -> None:
    """Log the first over the API, then copy its rows with other ids, names, times, metrics and parameters."""
    fields: dict[str, Any] = {"experiment_id": experiment_id, "start_time": FIRST_START_MS, "run_name": "run-0"}
    tags = {"mlflow.user": "ada", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}
    fields["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
    first = str(tracking.call(server, "POST", "runs/create", **fields)["run"]["info"]["run_id"])
    load_first = load.post(server, "runs/log-batch", _log_body(first, 0))
    load.drive(server, [load_first], connections=1, at_least=1, at_most=1)
    ids = [uuid.UUID(int=random.Random(SEED + number).getrandbits(128)).hex for number in range(count)]  # noqa: S311
    if server.database_url is not None:
        _clone_on_postgres(server.database_url, first, ids)
    else:
        clone_on_sqlite(next(server.directory.glob("*.db")), first, ids)


def _clones(table: str, columns: Sequence[str], originals: Sequence[Row], ids: Sequence[str]) -> Iterator[Row]:
    """The rows of one table for every candidate but the first, which is there already."""
    for number in range(1, len(ids)):
        metrics, params = metrics_of(number), params_of(number)
        for original in originals:
            row = dict(zip(columns, original, strict=True))
            row["run_uuid"] = ids[number]
            match table:
                case "runs":
                    row["name"] = f"run-{number}"
                    row["start_time"] = FIRST_START_MS + number
                    if "row_num" in row:  # fasttrackml's stored order, the newest first
                        row["row_num"] = int(row["row_num"]) + number
                case "tags" if row["key"] == "mlflow.runName":
                    row["value"] = f"run-{number}"
                case "params":
                    row["value_str" if "value_str" in row else "value"] = params[row["key"]]
                case "metrics" | "latest_metrics":
                    row["value"] = metrics[row["key"]]
            yield tuple(row.values())


TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")


def clone_on_sqlite(path: Path, first: str, ids: Sequence[str]) -> None:
    """Copy the rows of the first candidate for every id but the first, each with the figures of its number."""
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        for table in TABLES:
            cursor = connection.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (first,))  # noqa: S608 - our words
            columns = [column[0] for column in cursor.description]
            places = ", ".join("?" * len(columns))
            rows = _clones(table, columns, cursor.fetchall(), ids)
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - as above


def _clone_on_postgres(database_url: str, first: str, ids: Sequence[str]) -> None:
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        for table in TABLES:
            name = sql.Identifier(table)
            cursor.execute(sql.SQL("SELECT * FROM {} WHERE run_uuid = %s").format(name), (first,))
            columns = [column.name for column in cursor.description or ()]
            rows = _clones(table, columns, cursor.fetchall(), ids)
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(name)) as copy:
                for row in rows:
                    copy.write_row(row)

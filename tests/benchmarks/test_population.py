import contextlib
import sqlite3
from pathlib import Path

import pytest

from benchmarks.workloads import population

FIRST = "f" * 32
TABLES = """
    CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, start_time INTEGER, experiment_id INTEGER);
    CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
    CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
    CREATE TABLE metrics (key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER);
    CREATE TABLE latest_metrics (key TEXT, value REAL, timestamp INTEGER, step INTEGER, run_uuid TEXT);
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database of mlflow's shape with the rows of one candidate."""
    path = tmp_path / "mlflow.db"
    metrics, params = population.metrics_of(0), population.params_of(0)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLES)
        connection.execute("INSERT INTO runs VALUES (?, 'run-0', ?, 7)", (FIRST, population.FIRST_START_MS))
        connection.execute("INSERT INTO tags VALUES ('mlflow.runName', 'run-0', ?)", (FIRST,))
        connection.executemany("INSERT INTO params VALUES (?, ?, ?)", [(*param, FIRST) for param in params.items()])
        for table in ("metrics", "latest_metrics"):
            rows = [(*metric, FIRST) for metric in metrics.items()]
            connection.executemany(f"INSERT INTO {table} (key, value, run_uuid) VALUES (?, ?, ?)", rows)  # noqa: S608
    return path


def test_clones_are_as_many_and_as_different_as_candidates_made_over_the_api(database: Path) -> None:
    population.clone_on_sqlite(database, FIRST, [FIRST, *(f"{number:032x}" for number in range(1, 100))])
    with contextlib.closing(sqlite3.connect(database)) as connection:
        runs = connection.execute("SELECT run_uuid, name, experiment_id FROM runs ORDER BY start_time").fetchall()
        params = dict(connection.execute("SELECT run_uuid, value FROM params WHERE key = 'p0'").fetchall())
        values = dict(connection.execute("SELECT run_uuid, value FROM latest_metrics WHERE key = 'm0'").fetchall())
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in population.TABLES
        }
    assert counts == {"runs": 100, "tags": 100, "params": 1000, "metrics": 500, "latest_metrics": 500}
    assert [(name, experiment) for _, name, experiment in runs] == [(f"run-{number}", 7) for number in range(100)]
    for number, (run_id, *_) in enumerate(runs):
        assert params[run_id] == population.params_of(number)["p0"]
        assert values[run_id] == population.metrics_of(number)["m0"]


def test_a_quarter_of_the_candidates_matches_the_search() -> None:
    matching = [
        number
        for number in range(1000)
        if population.metrics_of(number)["m0"] > 0.5 and population.params_of(number)["p0"] == "b"
    ]
    assert 200 < len(matching) < 300

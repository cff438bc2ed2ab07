"""`modelyard demo`: real models through the real client, into a real server."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from modelyard.entrypoints.cli import demo
from tests.entrypoints.cli.conftest import Run
from tests.processes import ServerProcess, command

PASSWORD = "correct battery, horse\n"


@pytest.fixture
def engine() -> str:
    """The engine makes no difference to a client."""
    return "sqlite"


def test_what_is_missing_is_named_with_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "NEEDED", {"json": "json", "no_such_module": "such-library"})
    ended = run("demo")
    assert ended.status == 1
    assert ended.err.startswith(
        "The demonstration needs such-library beside Modelyard. Run: pip install such-library\n"
    )


def test_a_named_server_needs_a_token(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
    ended = run("demo", "--url", "https://models.example.org")
    assert (ended.status, "MLFLOW_TRACKING_TOKEN" in ended.err) == (1, True)


def test_a_server_that_is_not_running_is_asked_for_at_once(tmp_path: Path) -> None:
    settings: dict[str, object] = {"data": tmp_path / "data", "port": 9}
    assert command("migrate", settings=settings).returncode == 0
    ended = command("demo", settings=settings)
    assert (ended.returncode, "Is it running? `modelyard serve` starts one" in ended.stderr) == (1, True)
    assert ended.stdout == "The administrator root, who has no password yet, has the project demo/wine for this.\n"
    reset = command("admin", "reset-password", "root", "--password-stdin", settings=settings, given=PASSWORD)
    assert reset.returncode == 0
    ended = command("demo", settings=settings)
    assert ended.stdout == "The administrator root has the project demo/wine for this.\n"


@pytest.mark.parametrize(
    ("address", "setting", "flag"),
    [
        ("postgresql://me@db.example.org/models", "", " --database-url postgresql://me@db.example.org/models"),
        ("postgresql://me:secret@db.example.org/models", ", with the database's address in MODELYARD_DATABASE_URL", ""),
    ],
)
def test_the_command_that_is_proposed_works_and_shows_no_secret(address: str, setting: str, flag: str) -> None:
    said = demo.first_password("root", {"data": Path("some data"), "database_url": address, "port": None})
    assert said.startswith(f"To sign in, give root a password{setting}: ")
    assert said.endswith(f"modelyard admin reset-password root --data 'some data'{flag}")


def ask(made: dict[str, Any], path: str, body: object = None) -> Any:  # noqa: ANN401  # JSON
    request = urllib.request.Request(
        f"{made['tracking_uri']}/api/2.0/{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_there_is_something_to_look_at(tmp_path: Path) -> None:
    server = ServerProcess({"data": tmp_path / "data"}, tmp_path / "log")
    server.start()
    try:
        ended = command("demo", settings={**server.settings, "port": server.port}, limit_s=500)
        assert ended.returncode == 0, ended.stderr
        *_, address, sign_in = ended.stdout.splitlines()
        assert address == f"Look at {server.url}/demo/wine/-/ml/experiments"
        assert sign_in.startswith("To sign in, give root a password: ")
        words = sign_in.partition(": ")[2].split("modelyard ")[1].split()
        assert command(*words, "--password-stdin", settings=server.settings, given=PASSWORD).returncode == 0
        made = server.bootstrap("demo/wine")
        experiments = ask(made, "mlflow/experiments/search?max_results=10")["experiments"]
        names = {it["name"]: it["experiment_id"] for it in experiments}
        assert {"wine: algorithms", "wine: tuning"} <= set(names)
        search = {"experiment_ids": [names["wine: tuning"]], "max_results": 50}
        runs = ask(made, "mlflow/runs/search", search)["runs"]
        assert len(runs) == 10
        assert {run["info"]["status"] for run in runs} == {"FINISHED"}
        children = [run for run in runs if any(tag["key"] == "mlflow.parentRunId" for tag in run["data"]["tags"])]
        assert len(children) == 9
        run_id = children[0]["info"]["run_id"]
        history = ask(made, f"mlflow/metrics/get-history?run_id={run_id}&metric_key=test_loss")["metrics"]
        assert [point["step"] for point in history] == list(range(40))
        best = {"experiment_ids": [names["wine: algorithms"]], "filter": "tags.best = 'yes'"}
        (found,) = ask(made, "mlflow/runs/search", best)["runs"]
        files = ask(made, f"mlflow/artifacts/list?run_id={found['info']['run_id']}")["files"]
        assert {"figures", "report.json"} <= {it["path"] for it in files}
        assert found["inputs"]["dataset_inputs"]
        assert found["outputs"]["model_outputs"]
        assert command("doctor", settings=server.settings).returncode == 0
    finally:
        server.clean_up()

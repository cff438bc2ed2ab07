"""The unmodified MLflow client, newest and 2.22, runs its scenarios against a live server.

Each scenario is a script that knows nothing of Modelyard: it gets the address and a token from the environment.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LiveServer, World

SCENARIOS = Path(__file__).parent / "scenarios"
CLIENTS = (
    pytest.param("newest", id="mlflow-newest"),
    pytest.param("2.22", id="mlflow-2.22", marks=pytest.mark.full),
)


def python_of(client: str) -> str:
    """The interpreter that has a client."""
    return sys.executable if client == "newest" else os.environ["MODELYARD_MLFLOW2_PYTHON"]


def run_scenario(name: str, client: str, folder: Path, *, address: str, token: str, **more: str) -> None:
    """Run a scenario's script; its output is shown when it fails."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "GIT_PYTHON_REFRESH": "quiet",
        **more,
    }
    done = subprocess.run(
        [python_of(client), str(SCENARIOS / f"{name}.py")],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("scenario", ["basics", "files", "models", "parallel", "search"])
def test_a_scenario_below_the_project(
    live: LiveServer, world: World, tmp_path: Path, scenario: str, client: str
) -> None:
    address = live.tracking_uri(world.project_id)
    run_scenario(scenario, client, tmp_path, address=address, token=world.developer.token)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_project_named_by_its_path(live: LiveServer, world: World, tmp_path: Path, client: str) -> None:
    address = live.tracking_uri(world.project_path.replace("/", "%2F"))
    run_scenario("basics", client, tmp_path, address=address, token=world.developer.token)


@pytest.mark.full
@pytest.mark.timeout(400)
@pytest.mark.parametrize("scenario", ["basics", "files", "models"])
def test_the_workspace_names_the_project_at_the_root(
    live: LiveServer, world: World, tmp_path: Path, scenario: str
) -> None:
    run_scenario(
        scenario,
        "newest",
        tmp_path,
        address=live.url,
        token=world.developer.token,
        MLFLOW_WORKSPACE=world.project_path,
    )

"""The unmodified MLflow client logs, lists, downloads and deletes files, whole and in parts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.behaviour.artifact_client import create_logged_model, create_run
from tests.conftest import LiveServer, World

JOURNEY = Path(__file__).with_name("mlflow_artifact_journey.py")
MEBIBYTE = 1024 * 1024


def travel(python: str, live: LiveServer, world: World, uri: str, work: Path, **variables: str) -> None:
    """Run the journey as a training script would: in its own process, knowing an address and a token.

    A variable that is empty is not set.
    """
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": live.tracking_uri(world.project_id),
        "MLFLOW_TRACKING_TOKEN": world.developer.token,
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(8 * MEBIBYTE),
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 * MEBIBYTE),
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        **variables,
    }
    environment = {name: value for name, value in environment.items() if value and name != "PYTHONPATH"}
    result = subprocess.run(
        [python, str(JOURNEY), uri, str(work)], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == '"done"'


def test_the_current_client_keeps_a_runs_files(live: LiveServer, world: World, tmp_path: Path) -> None:
    travel(sys.executable, live, world, f"mlflow-artifacts:/0/{create_run(live, world)}/artifacts", tmp_path)


def test_the_current_client_sends_parts_because_the_server_says_so(
    live: LiveServer, world: World, tmp_path: Path
) -> None:
    uri = f"mlflow-artifacts:/0/{create_run(live, world)}/artifacts"
    travel(sys.executable, live, world, uri, tmp_path, MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD="")


def test_the_current_client_keeps_a_logged_models_files(live: LiveServer, world: World, tmp_path: Path) -> None:
    model_id = create_logged_model(live.installation.database, create_run(live, world), world)
    travel(sys.executable, live, world, f"mlflow-artifacts:/0/models/{model_id}/artifacts", tmp_path)


def test_the_current_client_downloads_from_the_object_store_itself(
    live: LiveServer, world: World, tmp_path: Path
) -> None:
    """Asked to, it fetches ranges from presigned addresses; where there are none it takes the other way."""
    uri = f"mlflow-artifacts:/0/{create_run(live, world)}/artifacts"
    travel(sys.executable, live, world, uri, tmp_path, MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="true")


@pytest.mark.full
def test_the_second_client_keeps_a_runs_files(live: LiveServer, world: World, tmp_path: Path) -> None:
    python = os.environ["MODELYARD_MLFLOW2_PYTHON"]
    travel(python, live, world, f"mlflow-artifacts:/0/{create_run(live, world)}/artifacts", tmp_path)

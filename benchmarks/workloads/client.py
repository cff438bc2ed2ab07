"""W10: the unmodified MLflow client in a process of its own, as a training script uses it."""

import json
import subprocess
from pathlib import Path

from benchmarks import contenders, environments, processes
from benchmarks.race import Race
from benchmarks.samples import Measure, Unmeasurable
from benchmarks.servers import Server

SCRIPT = Path(__file__).with_name("training.py")
RUNS = 2


def measure(race: Race) -> None:
    """Seconds a run of 10 parameters and 100 steps of 5 metrics takes, scaled to a hundred runs."""
    steps = race.sizes.training_steps
    per_hundred = Measure("W10", f"W10 MLflow client, {steps} steps x 5 metrics", "s per 100 runs")
    for server in race.turns("W10 client"):
        for seconds in _train(server, steps):
            race.record(server, per_hundred, seconds * 100)


def _train(server: Server, steps: int) -> list[float]:
    environment = contenders.base_environment()
    environment["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{server.port}{server.base_path}"
    if server.token:
        environment["MLFLOW_TRACKING_TOKEN"] = server.token
    command = [str(environments.environment("mlflow") / "python"), str(SCRIPT), str(RUNS), str(steps)]
    client = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    processes.raise_weight(client.pid)
    output, errors = client.communicate()
    if client.returncode:
        raise Unmeasurable(f"The MLflow client failed against {server.name}:\n{errors[-2000:]}")
    return [float(seconds) for seconds in json.loads(output.splitlines()[-1])]

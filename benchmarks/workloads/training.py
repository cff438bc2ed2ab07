"""What W10 runs in the peers' environment: a plain training script of an unmodified MLflow client.

Usage: training.py RUNS STEPS. Prints the seconds of each run as a JSON list; the tracking server and the token come
from MLflow's own environment variables.
"""

import json
import logging
import sys
import time

import mlflow

PARAMS = 10
METRICS = 5


def train(steps: int) -> float:
    """Log one run and say how many seconds that took."""
    begun = time.perf_counter()
    with mlflow.start_run():
        for number in range(PARAMS):
            mlflow.log_param(f"param_{number}", number / 7)
        for step in range(steps):
            mlflow.log_metrics({f"metric_{number}": 1 / (step + number + 1) for number in range(METRICS)}, step=step)
    return time.perf_counter() - begun


def main(runs: int, steps: int) -> None:
    """Log the runs, after one that only warms the client up."""
    logging.disable(logging.WARNING)
    mlflow.set_experiment("w10")
    train(1)
    print(json.dumps([train(steps) for _ in range(runs)]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

"""Several threads, asynchronous logging and system metrics through the unmodified client."""

import threading
import time

import mlflow
from mlflow import MlflowClient

client = MlflowClient()
experiment_id = client.create_experiment("parallel")


def train(number: int) -> None:
    run = client.create_run(experiment_id, run_name=f"t{number}")
    for step in range(50):
        client.log_metric(run.info.run_id, "loss", 1 / (step + 1), step=step)
    client.set_terminated(run.info.run_id)


threads = [threading.Thread(target=train, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
found = client.search_runs([experiment_id])
assert len(found) == 8
assert all(run.data.metrics["loss"] == 1 / 50 for run in found)
assert all(len(client.get_metric_history(run.info.run_id, "loss")) == 50 for run in found)

mlflow.set_experiment("parallel")
with mlflow.start_run() as run:
    for step in range(200):
        mlflow.log_metric("async", step, step=step, synchronous=False)
    mlflow.log_params({f"p{number}": number for number in range(150)}, synchronous=False)
    mlflow.flush_async_logging()
assert len(client.get_metric_history(run.info.run_id, "async")) == 200
assert len(client.get_run(run.info.run_id).data.params) == 150

mlflow.set_system_metrics_sampling_interval(1)
mlflow.set_system_metrics_samples_before_logging(1)
with mlflow.start_run(log_system_metrics=True) as run:
    time.sleep(3)
assert any(name.startswith("system/") for name in client.get_run(run.info.run_id).data.metrics)

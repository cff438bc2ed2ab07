"""Experiments and runs through the unmodified client: made, changed, searched, deleted and restored."""

import math
from collections.abc import Callable

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException


def refused(call: Callable[[], object], *words: str) -> str:
    """The code of the error of a call that must fail; it says these words."""
    try:
        call()
    except MlflowException as error:
        for word in words:
            if word not in str(error):
                raise AssertionError(f"{word!r} is not in {error}") from error
        return str(error.error_code)
    raise AssertionError("The call was not refused.")


def experiments(client: MlflowClient) -> str:
    made = client.create_experiment("churn", tags={"team": "risk"})
    assert refused(lambda: client.create_experiment("churn"), "churn") == "RESOURCE_ALREADY_EXISTS"
    experiment = client.get_experiment(made)
    assert (experiment.name, experiment.tags["team"], experiment.lifecycle_stage) == ("churn", "risk", "active")
    assert client.get_experiment_by_name("churn").experiment_id == made
    assert client.get_experiment_by_name("nothing") is None
    client.set_experiment_tag(made, "team", "fraud")
    client.rename_experiment(made, "churn 2")
    assert client.get_experiment(made).name == "churn 2"
    assert client.get_experiment(made).tags["team"] == "fraud"
    client.delete_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "deleted"
    assert refused(lambda: client.create_experiment("churn 2")) == "RESOURCE_ALREADY_EXISTS"
    refused(lambda: client.create_run(made), "deleted")
    client.restore_experiment(made)
    for number in range(5):
        client.create_experiment(f"paged {number}")
    found = client.search_experiments(filter_string="name LIKE 'paged%'", order_by=["name DESC"], max_results=2)
    assert [experiment.name for experiment in found] == ["paged 4", "paged 3"]
    rest = client.search_experiments(
        filter_string="name LIKE 'paged%'", order_by=["name DESC"], max_results=2, page_token=found.token
    )
    assert [experiment.name for experiment in rest] == ["paged 2", "paged 1"]
    assert refused(lambda: client.get_experiment("4711")) == "RESOURCE_DOES_NOT_EXIST"
    return str(made)


def runs(client: MlflowClient, experiment_id: str) -> None:
    run = client.create_run(experiment_id, run_name="brave", tags={"k": "v"})
    run_id = run.info.run_id
    assert (run.info.status, run.data.tags["mlflow.runName"]) == ("RUNNING", "brave")
    client.log_param(run_id, "depth", 6)
    client.log_param(run_id, "depth", 6)
    refused(lambda: client.log_param(run_id, "depth", 8), "6", "8")
    client.log_metric(run_id, "loss", 0.5, step=1)
    client.log_batch(
        run_id,
        metrics=[Metric("loss", 1 / step, 1000 * step, step) for step in range(2, 500)],
        params=[Param("lr", "0.1")],
        tags=[RunTag("phase", "one")],
    )
    for value in (math.nan, math.inf, -math.inf):
        client.log_metric(run_id, "odd", value, timestamp=1, step=int(not math.isnan(value)) + int(value == -math.inf))
    odd = [metric.value for metric in client.get_metric_history(run_id, "odd")]
    assert math.isnan(odd[0])
    assert odd[1:] == [math.inf, -math.inf]
    assert len(client.get_metric_history(run_id, "loss")) == 499
    client.set_tag(run_id, "mlflow.runName", "calm")
    client.set_tag(run_id, "gone", "1")
    client.delete_tag(run_id, "gone")
    assert refused(lambda: client.delete_tag(run_id, "gone")) == "RESOURCE_DOES_NOT_EXIST"
    client.set_terminated(run_id, "FAILED")
    found = client.get_run(run_id)
    assert (found.info.run_name, found.info.status) == ("calm", "FAILED")
    assert found.data.params == {"depth": "6", "lr": "0.1"}
    assert found.data.metrics["loss"] == 1 / 499
    assert "gone" not in found.data.tags
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    refused(lambda: client.log_metric(run_id, "loss", 1), "deleted")
    client.restore_run(run_id)
    assert refused(lambda: client.get_run("f" * 32)) == "RESOURCE_DOES_NOT_EXIST"


def searching(client: MlflowClient) -> None:
    experiment_id = client.create_experiment("search")
    for number in range(12):
        run = client.create_run(experiment_id, start_time=number + 1, run_name=f"r{number:02d}")
        if number != 3:
            client.log_metric(run.info.run_id, "acc", math.nan if number == 5 else number / 10)
        client.log_param(run.info.run_id, "model", "tree" if number % 2 else "linear")
        client.set_tag(run.info.run_id, "my tag", f"t{number}")

    def names(
        filter_string: str = "", order_by: list[str] | None = None, run_view_type: int = ViewType.ACTIVE_ONLY
    ) -> list[str]:
        found = client.search_runs([experiment_id], filter_string, run_view_type, order_by=order_by)
        return [str(run.info.run_name) for run in found]

    assert names()[:2] == ["r11", "r10"]
    assert names("metrics.acc > 0.75 and params.model = 'tree'") == ["r11", "r09"]
    assert names("tags.`my tag` = 't4'") == ["r04"]
    assert names("attributes.run_name LIKE 'r0%' and params.model != 'tree'", ["metrics.acc ASC"]) == [
        "r00", "r02", "r04", "r06", "r08",
    ]  # fmt: skip
    ordered = names(order_by=["metrics.acc DESC"])
    assert ordered[:2] == ["r11", "r10"]
    assert ordered[-2:] == ["r05", "r03"]
    pages: list[str] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], order_by=["metrics.acc ASC"], max_results=5, page_token=token)
        pages += [run.info.run_name for run in page]
        token = page.token
        if not token:
            break
    assert sorted(pages) == sorted(ordered)
    assert len(pages) == 12
    refused(lambda: names("metrics.acc >"), "")
    refused(lambda: names("nonsense.acc = 1"), "nonsense")
    victim = client.search_runs([experiment_id], "attributes.run_name = 'r07'")[0]
    client.delete_run(victim.info.run_id)
    assert "r07" not in names()
    assert names(run_view_type=ViewType.DELETED_ONLY) == ["r07"]
    assert len(names(run_view_type=ViewType.ALL)) == 12


def fluent() -> None:
    mlflow.set_experiment("fluent")
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_params({"a": 1, "b": "two"})
        for number in range(3):
            with mlflow.start_run(nested=True, run_name=f"child {number}"):
                mlflow.log_metric("score", number)
    children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert sorted(children["metrics.score"]) == [0.0, 1.0, 2.0]
    with mlflow.start_run(run_id=parent.info.run_id):
        mlflow.log_metric("again", 1)
    assert mlflow.get_run(parent.info.run_id).data.metrics == {"again": 1.0}
    assert mlflow.get_run(parent.info.run_id).info.status == "FINISHED"
    assert mlflow.last_active_run().info.run_id == parent.info.run_id
    long = "x" * 7000
    with mlflow.start_run():
        mlflow.log_param("long", long[:5999])
        mlflow.set_tag("long", long)


def default_experiment() -> None:
    with mlflow.start_run(experiment_id="0") as run:
        mlflow.log_metric("x", 1)
    assert mlflow.get_experiment("0").name == "Default"
    assert mlflow.get_run(run.info.run_id).info.experiment_id == "0"


api = MlflowClient()
default_experiment()
identifier = experiments(api)
runs(api, identifier)
searching(api)
fluent()

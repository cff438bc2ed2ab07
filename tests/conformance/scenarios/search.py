"""What was logged is found through the unmodified client: every order and page, the filters and more than MLflow's."""

import math

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

client = MlflowClient()
is_three = mlflow.__version__.startswith("3")
experiment_id = mlflow.set_experiment("search").experiment_id

ids = []
for number in range(7):
    with mlflow.start_run(run_name=f"run {number}") as run:
        mlflow.log_metric("loss", math.nan if number == 3 else number / 2)
        mlflow.log_metric("a metric", number)
        mlflow.log_param("family", "ab"[number % 2])
        mlflow.set_tag("odd", number % 2) if number % 2 else None
        ids.append(run.info.run_id)


def found(filter_string: str, *order: str, **options: object) -> list[int]:
    runs = client.search_runs([experiment_id], filter_string, order_by=list(order), **options)
    return [ids.index(run.info.run_id) for run in runs]


# Pages, with NaN after the numbers in both directions
for direction, expected in (("ASC", [0, 1, 2, 4, 5, 6, 3]), ("DESC", [6, 5, 4, 2, 1, 0, 3])):
    seen, token = [], None
    while True:
        page = client.search_runs(
            [experiment_id], "", order_by=[f"metrics.loss {direction}"], max_results=3, page_token=token
        )
        seen += [ids.index(run.info.run_id) for run in page]
        token = page.token
        if not token:
            break
    assert seen == expected, seen
assert client.search_runs([experiment_id], max_results=7).token is None
assert len(mlflow.search_runs(max_results=5)) == 5

# MLflow's filters
assert found("metrics.loss > 0.4 and params.family = 'b'", "metrics.loss") == [1, 5]
assert found("metrics.`a metric` >= 5") == found('metric."a metric" >= 5') == [6, 5]
assert found("attributes.run_name LIKE 'run%' AND tags.odd IS NULL", "start_time") == [0, 2, 4, 6]
assert found("tags.odd != '2'", "attribute.start_time ASC") == [1, 3, 5]
assert found(f"run_id IN ('{ids[0]}', '{ids[4]}')", "params.family", "metrics.loss DESC") == [4, 0]
assert found("status = 'running'") == []

# More than MLflow's
assert found("metrics.loss = nan OR (run_name LIKE '% 6' AND NOT params.family = 'b')", "metrics.loss") == [6, 3]
assert found("params.family IN ('b', 'c') AND run_name NOT LIKE '%1'", "end_time") == [3, 5]
for wrong, word in (("metrics.loss = 1 XOR metrics.loss = 2", "character 18"), ("params.family = 5", "quoted string")):
    refusal = ""
    try:
        client.search_runs([experiment_id], wrong)
    except MlflowException as error:
        refusal = f"{error.error_code} {error}"
    assert refusal.startswith("INVALID_PARAMETER_VALUE"), wrong
    assert word in refusal

# Deleted ones
client.delete_run(ids[0])
assert found("", run_view_type=ViewType.DELETED_ONLY) == [0]
assert found("", "start_time", run_view_type=ViewType.ALL) == [0, 1, 2, 3, 4, 5, 6]
client.restore_run(ids[0])

# Experiments
for name in ("alpha", "beta", "Gamma"):
    client.create_experiment(name, tags={"team": name[0]})
names = [
    it.name
    for it in mlflow.search_experiments(filter_string="tags.team ILIKE 'g' OR name LIKE 'be%'", order_by=["name"])
]
assert names == ["Gamma", "beta"], names

# Datasets
dataset = mlflow.data.from_pandas(pd.DataFrame({"x": [1, 2]}), name="numbers")
with mlflow.start_run(run_id=ids[2]):
    mlflow.log_input(dataset, context="train")
    mlflow.log_input(dataset, context="again")
assert found("datasets.name = 'numbers' AND dataset.context IN ('train', 'test')") == [2]
assert found("dataset.context = 'again'") == []

# Logged models
if is_three:
    with mlflow.start_run(run_id=ids[0]):
        models = [mlflow.initialize_logged_model(name=f"net-{number}", params={"depth": number}) for number in range(3)]
        for number, model in enumerate(models):
            mlflow.log_metric("acc", number / 2, model_id=model.model_id, dataset=dataset if number else None)
    mlflow.finalize_logged_model(models[1].model_id, "READY")

    def found_models(**options: object) -> list[str]:
        return [model.name for model in mlflow.search_logged_models(output_format="list", **options)]

    by_accuracy = [{"field_name": "metrics.acc", "ascending": False}]
    assert found_models(order_by=by_accuracy) == ["net-2", "net-1", "net-0"]
    assert found_models(filter_string="params.depth = '1' OR metrics.acc = 1", order_by=by_accuracy) == [
        "net-2",
        "net-1",
    ]
    assert found_models(filter_string="status = 'READY'") == ["net-1"]
    numbers = [{"dataset_name": "numbers"}]
    assert found_models(datasets=numbers, order_by=by_accuracy, max_results=1) == ["net-2"]
    page = client.search_logged_models([experiment_id], order_by=by_accuracy, max_results=2)
    rest = client.search_logged_models([experiment_id], order_by=by_accuracy, max_results=2, page_token=page.token)
    assert [model.name for model in rest] == ["net-0"]
    assert rest.token is None

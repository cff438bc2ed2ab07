"""Models through the unmodified client: logged by hand and by autolog, loaded again; datasets as inputs."""

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

client = MlflowClient()
features, target = load_iris(return_X_y=True, as_frame=True)
is_three = mlflow.__version__.startswith("3")
mlflow.set_experiment("models")

# By hand
with mlflow.start_run() as run:
    model = LogisticRegression(max_iter=200).fit(features, target)
    dataset = mlflow.data.from_pandas(features.assign(target=target), name="iris", targets="target")
    mlflow.log_input(dataset, context="training")
    where = {"name": "model"} if is_three else {"artifact_path": "model"}
    info = mlflow.sklearn.log_model(model, input_example=features.head(2), **where)

again = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model")
assert (again.predict(features) == model.predict(features)).all()
generic = mlflow.pyfunc.load_model(info.model_uri)
assert (generic.predict(features) == model.predict(features)).all()
found = mlflow.get_run(run.info.run_id)
(entry,) = found.inputs.dataset_inputs
assert (entry.dataset.name, entry.tags[0].value) == ("iris", "training")
assert mlflow.search_runs(filter_string="datasets.name = 'iris'")["run_id"].tolist() == [run.info.run_id]

if is_three:
    (logged,) = mlflow.search_logged_models(filter_string="name = 'model'", output_format="list")
    assert logged.source_run_id == run.info.run_id
    assert logged.status == "READY"
    assert found.outputs.model_outputs[0].model_id == logged.model_id
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_metric("accuracy", 0.97, model_id=logged.model_id, dataset=dataset)
    (measured,) = mlflow.get_logged_model(logged.model_id).metrics
    assert (measured.key, measured.value, measured.dataset_name) == ("accuracy", 0.97, "iris")
    (best,) = mlflow.search_logged_models(filter_string="metrics.accuracy > 0.9", output_format="list")
    assert best.model_id == logged.model_id
    mlflow.set_logged_model_tags(logged.model_id, {"stage": "try"})
    mlflow.delete_logged_model_tag(logged.model_id, "stage")
    again = mlflow.sklearn.load_model(f"models:/{logged.model_id}")
    assert (again.predict(features) == model.predict(features)).all()

# By autolog, with a search of hyper-parameters in nested runs
mlflow.sklearn.autolog(max_tuning_runs=3)
with mlflow.start_run() as search:
    GridSearchCV(RandomForestClassifier(n_estimators=5), {"max_depth": [1, 2, 3]}, cv=2).fit(features, target)
children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{search.info.run_id}'")
assert len(children) == 3
found = mlflow.get_run(search.info.run_id)
assert found.data.params["best_max_depth"] in {"1", "2", "3"}
assert "training_score" in found.data.metrics
names = {file.path for file in client.list_artifacts(search.info.run_id)}
assert "cv_results.csv" in names
predicted = mlflow.pyfunc.load_model(f"runs:/{search.info.run_id}/best_estimator").predict(features)
assert isinstance(predicted, np.ndarray)
mlflow.sklearn.autolog(disable=True)

# A model without a run of its own
if is_three:
    external = mlflow.create_external_model(name="elsewhere", params={"size": "7b"}, model_type="agent")
    assert mlflow.get_logged_model(external.model_id).params == {"size": "7b"}
    client.delete_logged_model(external.model_id)

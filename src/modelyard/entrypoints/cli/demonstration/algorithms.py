"""One candidate for each of a few algorithms, the best of them with its model."""

from collections.abc import Callable
from typing import Any

from modelyard.entrypoints.cli.demonstration.wine import SEED, Wine, log_confusion, log_datasets, scores

EXPERIMENT = "wine: algorithms"
STAGES = 80

Told = Callable[[str], None]


def train(wine: Wine, told: Told) -> str:
    """Train them all; the run id of the best one."""
    import mlflow

    mlflow.set_experiment(EXPERIMENT)
    best, best_run_id = -1.0, ""
    for name, (model, parameters) in _classifiers().items():
        with mlflow.start_run(run_name=name, tags={"algorithm": type(model[-1]).__name__, "stage": "demo"}) as run:
            mlflow.log_params(parameters)
            log_datasets(wine)
            model.fit(wine.train_features, wine.train_target)
            _log_stages(model, wine)
            found = scores(model, wine)
            mlflow.log_metrics(found)
            log_confusion(model, wine)
            _log_model(model, wine)
        told(f"{name}: accuracy {found['test_accuracy']:.3f}")
        if found["test_accuracy"] > best:
            best, best_run_id = found["test_accuracy"], run.info.run_id
    mlflow.MlflowClient().set_tag(best_run_id, "best", "yes")
    return best_run_id


def _classifiers() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Pipelines by name, with the parameters that are worth comparing."""
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    chosen: dict[str, tuple[type[Any], dict[str, Any]]] = {
        "logistic-regression": (LogisticRegression, {"C": 0.5, "max_iter": 300}),
        "naive-bayes": (GaussianNB, {"var_smoothing": 1e-8}),
        "random-forest": (RandomForestClassifier, {"n_estimators": 60, "max_depth": 5, "random_state": SEED}),
        "gradient-boosting": (
            GradientBoostingClassifier,
            {"n_estimators": STAGES, "learning_rate": 0.1, "max_depth": 2, "random_state": SEED},
        ),
    }
    return {
        name: (make_pipeline(StandardScaler(), kind(**parameters)), parameters)
        for name, (kind, parameters) in chosen.items()
    }


def _log_stages(model: Any, wine: Wine) -> None:  # noqa: ANN401  # a pipeline of scikit-learn
    """The curves of a model that is built in stages."""
    import mlflow
    from sklearn.metrics import accuracy_score, log_loss

    final = model[-1]
    if not hasattr(final, "staged_predict_proba"):
        return
    parts = {"train": (wine.train_features, wine.train_target), "test": (wine.test_features, wine.test_target)}
    for name, (features, target) in parts.items():
        stages = final.staged_predict_proba(model[:-1].transform(features))
        for step, probabilities in enumerate(stages):
            measured = {
                f"{name}_log_loss": log_loss(target, probabilities),
                f"{name}_accuracy": accuracy_score(target, probabilities.argmax(axis=1)),
            }
            mlflow.log_metrics(measured, step=step)


def _log_model(model: Any, wine: Wine) -> None:  # noqa: ANN401  # a pipeline of scikit-learn
    import mlflow
    import sklearn
    from mlflow.models import infer_signature

    signature = infer_signature(wine.train_features, model.predict(wine.train_features))
    # Named, so that MLflow need not find them out by loading the model in another process.
    needs = [f"mlflow=={mlflow.__version__}", f"scikit-learn=={sklearn.__version__}"]
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=signature,
        pip_requirements=needs,
        # MLflow's newer default refuses trees unless each of their types is named.
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,
    )

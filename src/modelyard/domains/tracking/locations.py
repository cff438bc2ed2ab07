"""Where files of experiments, candidates and logged models lie, as MLflow's client is told. Nobody can choose it."""

SCHEME = "mlflow-artifacts:"


def experiment_location(experiment_iid: int) -> str:
    return f"{SCHEME}/{experiment_iid}"


def candidate_location(experiment_iid: int, run_id: str) -> str:
    return f"{SCHEME}/{experiment_iid}/{run_id}/artifacts"


def logged_model_location(experiment_iid: int, model_id: str) -> str:
    return f"{SCHEME}/{experiment_iid}/models/{model_id}/artifacts"

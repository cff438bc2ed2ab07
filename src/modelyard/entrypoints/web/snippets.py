"""Code that people copy: how an MLflow client, or curl, reaches this very project."""

from modelyard.domains.namespaces.tables import Project

_LOG_CANDIDATE = """import mlflow

mlflow.set_tracking_uri("{uri}")
mlflow.set_experiment("{experiment}")

with mlflow.start_run():
    mlflow.log_param("depth", 8)
    for step in range(100):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)"""
_LOG_METRIC = """with mlflow.start_run(run_id="{run_id}"):
    for step in range(100):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)"""
_LOG_FILE = """with mlflow.start_run(run_id="{run_id}"):
    mlflow.log_artifact("report.md")"""
_LOAD_MODEL = 'mlflow.pyfunc.load_model("{uri}")'
_SET_UP = """export MLFLOW_TRACKING_URI={uri}
export MLFLOW_TRACKING_TOKEN={secret}
{workspace}python train.py"""
_WORKSPACE = "export MLFLOW_WORKSPACE=GROUP/PROJECT  # the path of the project to log to\n"
_UPLOAD = """curl --header "PRIVATE-TOKEN: $TOKEN" --upload-file data.csv \\
  "{url}/api/v4/projects/{project_id}/packages/generic/{package}/1.0.0/data.csv\""""
_DOWNLOAD = """curl --header "PRIVATE-TOKEN: $TOKEN" --remote-name \\
  "{url}/api/v4/projects/{project_id}/packages/generic/{package}/{version}/{path}\""""


def tracking_uri(server_url: str, project: Project) -> str:
    """The MLflow address of a project."""
    return f"{server_url}/api/v4/projects/{project.id}/ml/mlflow"


def log_candidate(server_url: str, project: Project, experiment: str) -> str:
    return _LOG_CANDIDATE.format(uri=tracking_uri(server_url, project), experiment=_quoted(experiment))


def log_metric(run_id: str) -> str:
    return _LOG_METRIC.format(run_id=run_id)


def log_file(run_id: str) -> str:
    return _LOG_FILE.format(run_id=run_id)


def load_model(run_id: str, folder: str) -> str:
    """For a folder among a candidate's own files."""
    return _LOAD_MODEL.format(uri=f"runs:/{run_id}/{_quoted(folder)}")


def load_logged_model(model_id: str) -> str:
    return _LOAD_MODEL.format(uri=f"models:/{model_id}")


def use_token(uri: str, secret: str, *, is_one_project: bool) -> str:
    """A token of a person or group reaches many projects; the server's address needs to be told which is meant."""
    workspace = "" if is_one_project else _WORKSPACE
    return _SET_UP.format(uri=uri, secret=secret, workspace=workspace)


def upload_file(server_url: str, project: Project, package: str = "churn-data") -> str:
    return _UPLOAD.format(url=server_url, project_id=project.id, package=package)


def download_file(server_url: str, project: Project, package: str, version: str, path: str) -> str:
    return _DOWNLOAD.format(url=server_url, project_id=project.id, package=package, version=version, path=path)


def _quoted(text: str) -> str:
    """A name as it may stand between quotes of a Python text."""
    return text.replace("\\", "\\\\").replace('"', '\\"')

"""All routes of the protocol, assembled."""

from modelyard.entrypoints.mlflow import artifact_uploads, artifacts, hot_routes, metrics, service
from modelyard.entrypoints.mlflow.router import Routes

MOUNTS = (artifact_uploads.mount, artifacts.mount, hot_routes.mount, metrics.mount, service.mount)


def all_routes() -> Routes:
    """Every route, each with its policy."""
    routes = Routes()
    for mount in MOUNTS:
        mount(routes)
    return routes

"""All routes of the protocol, assembled."""

from modelyard.entrypoints.mlflow import (
    artifact_uploads,
    artifacts,
    experiments,
    hot_routes,
    inputs_outputs,
    logged_models,
    metrics,
    run_search,
    service,
)
from modelyard.entrypoints.mlflow.router import Routes

MOUNTS = (
    artifact_uploads.mount,
    artifacts.mount,
    experiments.mount,
    hot_routes.mount,
    inputs_outputs.mount,
    logged_models.mount,
    metrics.mount,
    run_search.mount,
    service.mount,
)


def all_routes() -> Routes:
    """Every route, each with its policy."""
    routes = Routes()
    for mount in MOUNTS:
        mount(routes)
    return routes

"""All routes of the protocol, assembled."""

from modelyard.entrypoints.mlflow import hot_routes, metrics, service
from modelyard.entrypoints.mlflow.router import Routes

MOUNTS = (hot_routes.mount, metrics.mount, service.mount)


def all_routes() -> Routes:
    """Every route, each with its policy."""
    routes = Routes()
    for mount in MOUNTS:
        mount(routes)
    return routes

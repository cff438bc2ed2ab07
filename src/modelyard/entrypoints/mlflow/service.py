"""What clients ask about the server itself."""

import msgspec

from modelyard.entrypoints.mlflow.router import PROJECT_PREFIX, Asked, Nothing, Routes
from modelyard.entrypoints.request import public

# Below 3.4, so that clients do not expect traces over OTLP, which are not served; see ARCHITECTURE.md.
PROTOCOL_VERSION = "3.3.0"


class ServerInfo(msgspec.Struct):
    """What clients may use. Nothing is promised that is not there."""

    store_type: str = "SqlStore"
    workspaces_enabled: bool = False
    multipart_uploads_enabled: bool = True
    multipart_downloads_enabled: bool = False
    artifact_serving_enabled: bool = True
    artifacts_presigned_only: bool = False


def health(_asked: Asked, _query: Nothing) -> object:
    return b"OK"


def version(_asked: Asked, _query: Nothing) -> object:
    return PROTOCOL_VERSION.encode()


def server_info(asked: Asked, _query: Nothing) -> object:
    """At the server's root a client may name its project as a workspace; below a project the address has named it."""
    return ServerInfo(workspaces_enabled=not asked.call.path.startswith(PROJECT_PREFIX))


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    open_to_all = public("Says that a server is here and which protocol it speaks; nothing about what it holds.")
    routes.cold("GET", "/health", open_to_all, Nothing)(health)
    routes.cold("GET", "/version", open_to_all, Nothing)(version)
    routes.cold("GET", "mlflow/server-info", open_to_all, Nothing)(server_info)

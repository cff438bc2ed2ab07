"""The REST application: every route with its policy, and the OpenAPI that describes them."""

from collections.abc import Iterable
from urllib.parse import quote

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

import modelyard
from modelyard.entrypoints.request import Installation, UndeclaredRouteError, public
from modelyard.entrypoints.rest import (
    access_tokens,
    groups,
    members,
    namespaces,
    packages,
    personal_access_tokens,
    projects,
    storage,
    users,
    version,
)
from modelyard.entrypoints.rest.errors import HEADERS, error_response
from modelyard.entrypoints.rest.openapi import ERRORS, describe, sentences
from modelyard.entrypoints.rest.router import PREFIX, Asking, Declared, Endpoint, RestRoute, Routes
from modelyard.platform.http import Asgi, Receive, Scope, Send
from modelyard.platform.observing import ROUTE_KEY

MOUNTS: tuple[Routes, ...] = (
    version.routes,
    users.routes,
    personal_access_tokens.routes,
    namespaces.routes,
    groups.routes,
    projects.routes,
    members.routes,
    access_tokens.routes,
    packages.routes,
    storage.routes,
)


def create_rest(installation: Installation) -> Asgi:
    """Everything below /api/v4 that is not the MLflow protocol, as an ASGI application.

    Raises:
        UndeclaredRouteError: a route says nothing about who may use it.
    """
    application = assemble(installation, MOUNTS)
    check_routes(application)
    return _with_raw_paths(application)


def assemble(installation: Installation, mounts: Iterable[Routes]) -> FastAPI:
    """An application of FastAPI with these routes and the one that describes them."""
    application = FastAPI(
        title="Modelyard",
        version=modelyard.__version__,
        summary="Groups, projects, packages, members, users and access tokens, compatible with GitLab's REST API.",
        description="Paths take a number or a URL-encoded full path (`group%2Fproject`).",
        servers=[{"url": PREFIX}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={404: _unknown, 405: _unknown},
    )
    application.state.installation = installation
    application.router.route_class = RestRoute
    for routes in (*mounts, _description_of(application)):
        for declared in routes.all:
            _add(application, declared)
    return application


def check_routes(application: FastAPI) -> None:
    """Refuse an application with a way in that declares no policy.

    Raises:
        UndeclaredRouteError
    """
    for route in application.routes:
        endpoint = route.endpoint if isinstance(route, RestRoute) else None
        if not isinstance(endpoint, Endpoint) or not endpoint.declared.policy.is_declared:
            raise UndeclaredRouteError(f"{route} declares no policy.")


def _add(application: FastAPI, declared: Declared) -> None:
    application.router.add_api_route(
        declared.path,
        Endpoint(declared),
        methods=[declared.method],
        response_model=declared.answer,
        status_code=declared.status,
        tags=[declared.tag],
        summary=(declared.handler.__doc__ or "").partition("\n")[0].rstrip("."),
        description=sentences(declared),
        responses=ERRORS,
    )


def _description_of(application: FastAPI) -> Routes:
    """The route that tells what the application's routes are."""
    routes = Routes("Version")

    @routes.get("/openapi.json", policy=public("Describes the protocol, and nothing of what is here."), answer=object)
    def get_openapi(asked: Asking) -> Response:  # noqa: ARG001  # every handler asks
        """Describe this API, as OpenAPI."""
        return Response(msgspec.json.encode(describe(application)), headers=HEADERS, media_type="application/json")

    return routes


async def _unknown(request: Request, error: Exception) -> Response:
    """Answer to an address or method that there is not."""
    return error_response(error, is_anonymous="authorization" not in request.headers)


def _with_raw_paths(application: FastAPI) -> Asgi:
    """Let routes match the address as it was sent, so that an encoded slash stays inside its segment."""

    async def rest(scope: Scope, receive: Receive, send: Send) -> None:
        raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        # The server in front leaves the body of an answer to HEAD away.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        path = raw_path.decode("latin-1")
        own = {**scope, "method": method, "asked_method": scope["method"], "path": path, "root_path": PREFIX}
        try:
            await application(own, receive, send)
        finally:
            route = own.get("route")
            if isinstance(route, RestRoute):
                scope[ROUTE_KEY] = PREFIX + route.path

    return rest

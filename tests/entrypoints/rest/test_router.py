"""Routes as other files declare them: streams get their body unread, and errors of either kind are answered."""

import json

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from modelyard.domains.namespaces.access import Ability
from modelyard.entrypoints.request import Installation, needs, public
from modelyard.entrypoints.rest.app import assemble
from modelyard.entrypoints.rest.fields import ProjectReference, Segment
from modelyard.entrypoints.rest.router import Asking, Routes
from modelyard.platform.errors import Busy, Conflict
from tests.conftest import World

routes = Routes("Streams")
OPEN = public("Only in this test.")


@routes.put("/projects/{project_id}/echo/{name}", policy=needs(Ability.READ_PLACE), answer=object, status=201)
async def echo(asked: Asking, project_id: ProjectReference, name: Segment, request: Request) -> Response:
    """Send back what comes."""
    with asked.read() as session:
        project = asked.project(session, project_id)
    pieces = [piece async for piece in request.stream()]
    return Response(f"{project.full_path} {name}: ".encode() + b"".join(pieces), 201)


@routes.get("/busy", policy=OPEN, answer=object)
def busy(asked: Asking) -> None:
    """Be busy."""
    raise Busy(f"Too much at once for {asked.url}.", retry_after_s=7)


@routes.get("/conflict", policy=OPEN, answer=object)
async def conflict(asked: Asking) -> Response:
    """Be in the way."""
    raise Conflict(f"Something is in the way of {asked.url}.")


@routes.get("/fault", policy=OPEN, answer=object)
def fault(asked: Asking) -> None:
    """Break down."""
    raise RuntimeError(f"A secret of {asked.url}.")


@pytest.fixture
def client(installation: Installation) -> TestClient:
    """A client of an application with the routes of this file."""
    return TestClient(assemble(installation, [routes]), raise_server_exceptions=False)


def test_a_stream_reads_its_own_body(client: TestClient, world: World) -> None:
    answer = client.put(
        f"/projects/{world.project_id}/echo/a", content=b"{not json" * 100_000, headers=world.guest.headers
    )
    assert answer.status_code == 201
    assert answer.content == b"acme/churn a: " + b"{not json" * 100_000


def test_a_stream_is_behind_the_same_door(client: TestClient, world: World) -> None:
    address = f"/projects/{world.project_id}/echo/a"
    assert client.put(address, content=b"x").status_code == 401
    assert client.put(address, content=b"x", headers=world.stranger.headers).status_code == 404


def test_an_error_is_answered_from_a_thread_and_from_the_loop(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/busy")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert client.get("/conflict").status_code == 409
    answer = client.get("/fault")
    assert (answer.status_code, answer.json()) == (500, {"message": "500 Internal Server Error"})
    assert "secret" not in json.dumps(answer.json())
    assert "secret" in caplog.text

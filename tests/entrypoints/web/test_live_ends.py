"""A stream of news ends when its reader is signed out."""

import http.client
from urllib.parse import urlsplit

import pytest

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.sign_in import end_session, start_session
from modelyard.domains.tracking.hot.operations import CreateCandidate
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World


def create(live: LiveServer, world: World) -> None:
    live.installation.lane.submit_and_wait(
        CreateCandidate(world.project_id, 0, hex_id(), "brave", "me", None, 1, 1, {"mlflow.runName": "brave"})
    )


@pytest.mark.parametrize("stream", ["0/live", "live"])
def test_a_reader_who_signs_out_hears_no_more(live: LiveServer, world: World, stream: str) -> None:
    create(live, world)
    assert world.developer.actor.user_id is not None
    with live.installation.database.write() as session:
        signed_in = start_session(session, live.installation.key, world.developer.actor.user_id)
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(live.url).port or 0, timeout=20)
    headers = {"Cookie": f"modelyard_session={signed_in.secret}"}
    connection.request("GET", f"/{world.project_path}/-/ml/experiments/{stream}", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.readline().startswith(b"retry:")
    with live.installation.database.write() as session:
        end_session(session, Actor(world.developer.actor.user_id, session_id=signed_in.actor.session_id))
    create(live, world)
    assert b"event: change" not in answer.read()
    connection.close()

"""The links that MLflow's client prints lead to our pages."""

import http.client
from urllib.parse import urlsplit

from modelyard.domains.namespaces.groups import create_group
from modelyard.domains.namespaces.projects import create_project
from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World
from tests.entrypoints.web.conftest import Browse


def location(live: LiveServer, path: str) -> tuple[int, str]:
    """Status and Location of an answer, not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(live.url).port or 0)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Location", "")


def test_the_mlflow_address_leads_a_browser_to_the_page_that_reads_the_fragment(live: LiveServer, world: World) -> None:
    assert location(live, f"/api/v4/projects/{world.project_id}/ml/mlflow/") == (200, "")


def test_a_link_asks_strangers_to_sign_in_and_says_nothing(live: LiveServer, world: World) -> None:
    made = live.installation.lane.submit_and_wait(
        CreateCandidate(world.project_id, 0, hex_id(), "brave", "me", None, 1, 1, {"mlflow.runName": "brave"})
    )
    assert isinstance(made, CandidateInfo)
    known = location(live, f"/-/mlflow?address=/experiments/0/runs/{made.place.run_id}")
    unknown = location(live, f"/-/mlflow?address=/experiments/0/runs/{'0' * 32}")
    assert known[0] == unknown[0] == 303
    assert known[1].startswith("/users/sign_in")


def test_a_link_does_not_tell_whether_a_run_is_elsewhere(browse: Browse, live: LiveServer, world: World) -> None:
    with live.installation.database.write() as session:
        group = create_group(session, world.stranger.actor, name="Mine", path="mine")
        own = create_project(session, world.stranger.actor, name="own", namespace=group).id
    made = live.installation.lane.submit_and_wait(
        CreateCandidate(world.project_id, 0, hex_id(), "brave", "me", None, 1, 1, {"mlflow.runName": "brave"})
    )
    assert isinstance(made, CandidateInfo)
    addresses = [f"/experiments/0/runs/{run_id}" for run_id in (made.place.run_id, "0" * 32)]
    stranger, developer = browse(world.stranger), browse(world.developer)
    for project in ("", f"&project={own}"):
        seen = [stranger.get(f"/-/mlflow?address={address}{project}") for address in addresses]
        assert [page.status for page in seen] == [404, 404]
        assert seen[0].text == seen[1].text
        assert "There is no such run, or you cannot see it." in seen[0].text
    assert developer.get(f"/-/mlflow?address={addresses[0]}").location.endswith("/-/ml/candidates/1")

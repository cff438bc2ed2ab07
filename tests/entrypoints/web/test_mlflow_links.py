"""The links that MLflow's client prints lead to our pages."""

import http.client
from urllib.parse import urlsplit

from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World


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

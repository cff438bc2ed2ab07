"""Tags can be read, however long they are."""

import pytest

from modelyard.domains.tracking.experiments import create_experiment
from modelyard.domains.tracking.hot.operations import CreateCandidate
from modelyard.platform.clock import now_ms
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.full


def test_the_key_of_a_tag_with_a_long_value_can_be_read(live: LiveServer, world: World, window: OpenWindow) -> None:
    with live.installation.database.write() as session:
        create_experiment(session, world.owner.actor, world.project(session), name="churn-xgb")
    lane, moment = live.installation.lane, now_ms()
    tags = {"long-note": "word " * 400, "k" * 120: "1"}
    lane.submit_and_wait(CreateCandidate(world.project_id, 1, hex_id(), "one", "ada", None, moment, moment, tags))
    page = window(live, world.developer).open("/acme/churn/-/ml/candidates/1")
    key = page.locator(".tag-pill").get_by_title("long-note", exact=True)
    assert key.evaluate("key => key.scrollWidth <= key.clientWidth")
    assert page.locator(".tag-pill").get_by_title("k" * 120).count() == 1
    assert page.locator(".tag-pill").get_by_title("1", exact=True).evaluate("one => one.scrollWidth <= one.clientWidth")

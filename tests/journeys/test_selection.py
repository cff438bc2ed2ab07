"""Rows are ticked by mouse and keyboard, and what is done to them can be undone."""

import pytest

from modelyard.domains.tracking.experiments import create_experiment
from modelyard.domains.tracking.hot.operations import CreateCandidate
from modelyard.platform.clock import now_ms
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.full

TABLE = "/acme/churn/-/ml/experiments/1/candidates"


@pytest.mark.parametrize("width", [390, 1280])
def test_rows_are_ticked_deleted_and_restored(live: LiveServer, world: World, window: OpenWindow, width: int) -> None:
    with live.installation.database.write() as session:
        create_experiment(session, world.owner.actor, world.project(session), name="churn-xgb")
    for number in range(5):
        moment = now_ms() + number
        made = CreateCandidate(world.project_id, 1, hex_id(), f"c{number}", "ada", None, moment, moment, {})
        live.installation.lane.submit_and_wait(made)
    mine = window(live, world.developer, width=width)
    page = mine.open(TABLE)
    bar = page.get_by_role("form", name="Selected candidates")
    page.evaluate("customElements.whenDefined('my-selection').then(() => true)")
    assert not bar.is_visible()
    page.get_by_label("Select 5").check()
    page.get_by_label("Select 3").click(modifiers=["Shift"])
    assert bar.get_by_text("3 selected").is_visible()
    assert page.get_by_label("Select all rows of this page").evaluate("box => box.indeterminate")
    bar.get_by_role("button", name="Clear selection").click()
    bar.wait_for(state="hidden")
    page.get_by_label("Select all rows of this page").check()
    assert bar.get_by_text("5 selected").is_visible()
    page.get_by_role("link", name="c0").focus()
    page.keyboard.press("x")
    assert bar.get_by_text("4 selected").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    bar.get_by_role("button", name="Delete selected candidates").click()
    page.locator("dialog").get_by_role("button", name="Delete 4 candidates").click()
    page.get_by_text("4 candidates deleted.").wait_for()
    assert page.locator("tbody th a").all_inner_texts() == ["c0"]
    page.get_by_role("button", name="Restore 4 candidates").click()
    page.get_by_text("4 candidates restored.").wait_for()
    page.get_by_label("Select 2").check()
    bar.get_by_role("button", name="Tag selected candidates").click()
    page.get_by_label("Tag", exact=True).fill("team")
    page.get_by_label("Value").fill("risk")
    page.get_by_role("button", name="Tag candidate 2").click()
    page.get_by_text("Tag team set on candidate 2.").wait_for()

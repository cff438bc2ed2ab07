"""Charts show what there is, even if that is one point."""

import pytest
from playwright.sync_api import expect

from modelyard.domains.tracking.experiments import create_experiment
from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate, LogData, MetricColumns
from modelyard.platform.clock import now_ms
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.full

# Whether the pixel in the middle of the plot has the colour of the line; a grid and a band are paler.
IS_DRAWN = """(chart) => {
  const canvas = chart.querySelector("canvas"), plot = chart.querySelector(".u-over").getBoundingClientRect();
  const scale = canvas.width / canvas.getBoundingClientRect().width;
  const middle = (start, origin, length) => Math.round((start - origin + length / 2) * scale);
  const box = canvas.getBoundingClientRect();
  const pixel = canvas.getContext("2d").getImageData(
    middle(plot.left, box.left, plot.width), middle(plot.top, box.top, plot.height), 1, 1).data;
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(chart).getPropertyValue("--chart-1").match(/#[0-9a-f]{6}/i)[0];
  probe.fillRect(0, 0, 1, 1);
  const ink = probe.getImageData(0, 0, 1, 1).data;
  return pixel.every((part, at) => Math.abs(part - ink[at]) < 8);
}"""


def test_a_single_point_stands_in_the_middle_and_is_said(live: LiveServer, world: World, window: OpenWindow) -> None:
    with live.installation.database.write() as session:
        create_experiment(session, world.owner.actor, world.project(session), name="churn-xgb")
    lane, moment = live.installation.lane, now_ms()
    made = lane.submit_and_wait(CreateCandidate(world.project_id, 1, hex_id(), "one", "ada", None, moment, moment, {}))
    assert isinstance(made, CandidateInfo)
    lane.submit_and_wait(LogData(made.place, moment, MetricColumns(["auc"], [7], [moment], [0.875])))
    page = window(live, world.developer).open("/acme/churn/-/ml/candidates/1/performance")
    chart = page.locator("my-chart")
    chart.locator("canvas").wait_for()
    assert chart.evaluate(IS_DRAWN)
    chart.focus()
    page.keyboard.press("End")
    expect(page.locator("[aria-live]").filter(has_text="step 7, auc 0.8750")).to_have_count(1)
    page.keyboard.press("t")
    expect(page.locator("[data-chart-table] tbody tr")).to_have_text(["70.87500.87500.8750"])


def test_a_chart_without_finite_values_is_as_high_as_the_others(
    live: LiveServer, world: World, window: OpenWindow
) -> None:
    with live.installation.database.write() as session:
        create_experiment(session, world.owner.actor, world.project(session), name="churn-xgb")
    lane, moment = live.installation.lane, now_ms()
    made = lane.submit_and_wait(CreateCandidate(world.project_id, 1, hex_id(), "one", "ada", None, moment, moment, {}))
    assert isinstance(made, CandidateInfo)
    metrics = MetricColumns(["auc", "loss"], [1, 1], [moment, moment], [0.875, float("nan")])
    lane.submit_and_wait(LogData(made.place, moment, metrics))
    page = window(live, world.developer).open("/acme/churn/-/ml/candidates/1/performance")
    page.locator("my-chart canvas").wait_for()
    page.get_by_text("No finite value lies in this range (1 NaN or infinite).").wait_for()
    heights = page.locator(".chart-card").evaluate_all("cards => cards.map((card) => card.offsetHeight)")
    assert len(heights) == 2
    assert len(set(heights)) == 1

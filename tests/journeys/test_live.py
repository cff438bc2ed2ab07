"""Open pages keep up with what happens, without a click, and however many of them there are."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from modelyard.domains.tracking.experiments import create_experiment
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CreateCandidate,
    LogData,
    MetricColumns,
    Status,
    UpdateCandidate,
)
from modelyard.platform.clock import now_ms
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.full

EXPERIMENT = "/acme/churn/-/ml/experiments/1"
TABLE = f"{EXPERIMENT}/candidates"
CANDIDATE = "/acme/churn/-/ml/candidates/1"
PAGES = 8
PLACES = 3
STREAMING = '.live-dot[data-state="open"]'
SOON_MS = 15_000


class Script:
    """What a training script does, one act at a time."""

    def __init__(self, live: LiveServer, world: World) -> None:
        self._lane, self._project_id = live.installation.lane, world.project_id

    def start(self, name: str) -> CandidateInfo:
        moment = now_ms()
        made = self._lane.submit_and_wait(
            CreateCandidate(self._project_id, 1, hex_id(), name, "ada", None, moment, moment, {})
        )
        assert isinstance(made, CandidateInfo)
        self.log(made, 1, 0.875)
        return made

    def log(self, made: CandidateInfo, step: int, value: float, key: str = "loss") -> None:
        self._lane.submit_and_wait(LogData(made.place, now_ms(), MetricColumns([key], [step], [now_ms()], [value])))

    def describe(self, made: CandidateInfo, parameters: dict[str, str]) -> None:
        self._lane.submit_and_wait(LogData(made.place, now_ms(), None, parameters, {}))

    def finish(self, made: CandidateInfo) -> None:
        self._lane.submit_and_wait(UpdateCandidate(made.place, now_ms(), Status.FINISHED, now_ms()))


@pytest.fixture
def script(live: LiveServer, world: World) -> Script:
    with live.installation.database.write() as session:
        create_experiment(session, world.owner.actor, world.project(session), name="churn-xgb")
    return Script(live, world)


def test_a_list_and_an_overview_follow_a_run(
    live: LiveServer, world: World, window: OpenWindow, script: Script
) -> None:
    script.finish(script.start("before"))
    mine = window(live, world.developer)
    page = mine.open(TABLE)
    page.locator(STREAMING).wait_for()
    page.get_by_role("link", name="before").focus()
    overview = page.context.new_page()
    overview.goto(live.url + EXPERIMENT)
    made = script.start("running")
    row = page.locator(".table-grid tbody tr").filter(has_text="running")
    expect(row).to_contain_text("running")
    expect(page.locator("#experiment-heading")).to_contain_text("1 running")
    expect(overview.locator("#experiment")).to_contain_text("1 running")
    script.log(made, 2, 0.125)
    expect(row).to_contain_text("0.1250")
    script.finish(made)
    expect(row).to_contain_text("finished")
    for shown in (page.locator("#experiment-heading"), overview.locator("#experiment")):
        expect(shown).to_contain_text("2 candidates")
        expect(shown).not_to_contain_text("1 running")
    expect(page.get_by_role("link", name="before")).to_be_focused()
    expect(page.locator(STREAMING)).to_be_visible()
    tab = page.get_by_role("navigation", name="Experiment churn-xgb").get_by_role("link", name="Overview")
    tab.focus()
    script.start("next")
    expect(page.locator("#experiment-heading")).to_contain_text("3 candidates")
    expect(tab).to_be_focused()


def test_nothing_moves_while_somebody_is_busy_with_it(
    live: LiveServer, world: World, window: OpenWindow, script: Script
) -> None:
    script.finish(script.start("before"))
    mine = window(live, world.developer)
    page = mine.open(TABLE)
    page.locator(STREAMING).wait_for()
    field = page.get_by_label("Filter candidates")
    field.press_sequentially("metrics.")
    script.start("after")
    pill = page.get_by_role("button", name="1 new candidate — show")
    pill.wait_for()
    assert field.input_value() == "metrics."
    typed_in, told_in = field.bounding_box(), pill.bounding_box()
    assert typed_in is not None
    assert told_in is not None
    assert told_in["y"] > typed_in["y"] + typed_in["height"]
    pill.click()
    rows = page.locator(".table-grid tbody tr")
    expect(rows).to_have_count(2)
    field.fill("metrics.loss > 1")
    field.press("Enter")
    expect(page.get_by_text("No candidate matches")).to_be_visible()
    field.fill("loss > 0.1")
    field.press("Enter")
    page.locator("#filter-problem").wait_for()
    expect(rows).to_have_count(2)
    expect(field).to_be_focused()
    assert "loss+%3E+0.1" in page.url
    page.reload()
    page.locator(STREAMING).wait_for()
    field.blur()
    script.start("during")
    pill.wait_for()
    assert field.input_value() == "loss > 0.1"
    pill.click()
    expect(rows).to_have_count(3)
    expect(page.locator("#filter-problem")).to_have_count(0)


def test_what_is_ticked_while_a_renewal_is_under_way_stays(
    live: LiveServer, world: World, window: OpenWindow, script: Script
) -> None:
    script.finish(script.start("before"))
    page = window(live, world.developer).open(TABLE)
    page.locator(STREAMING).wait_for()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(lambda url: urlsplit(url).path == TABLE, hold)
    with page.expect_request(lambda request: request.headers.get("hx-request") == "true"):
        script.start("after")
    page.get_by_label("Select 1", exact=True).check()
    held[0].continue_()
    page.unroute_all()
    pill = page.get_by_role("button", name="1 new candidate — show")
    pill.wait_for()
    expect(page.get_by_label("Select 1", exact=True)).to_be_checked()
    pill.click()
    expect(page.locator(".table-grid tbody tr")).to_have_count(2)
    page.get_by_label("Select 1", exact=True).check()
    script.start("later")
    pill.wait_for()
    expect(page.get_by_label("Select 1", exact=True)).to_be_checked()
    expect(page.locator(".table-grid tbody tr")).to_have_count(2)


def test_a_page_leaves_alone_what_was_opened_or_closed_on_it(
    live: LiveServer, world: World, window: OpenWindow, script: Script
) -> None:
    made = script.start("running")
    script.describe(made, {"long": "x " * 200} | {f"other-{number}": "1" for number in range(9)})
    page = window(live, world.developer).open(CANDIDATE)
    loss = page.locator(".tile-value").first
    rename = page.get_by_role("link", name="Rename candidate 1…")
    rename.click()
    page.locator("dialog[open]").wait_for()
    page.keyboard.press("Escape")
    script.log(made, 2, 0.5)
    expect(loss).to_have_text("0.5000")
    expect(page.locator("dialog[open]")).to_have_count(0)
    rename.click()
    page.locator("dialog[open]").get_by_text("Cancel").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.locator("details.long-value summary").click()
    page.get_by_label("Search parameters").fill("long")
    page.get_by_role("heading", name="Parameters").click()
    page.evaluate("document.activeElement.blur()")
    script.log(made, 3, 0.25)
    expect(loss).to_have_text("0.2500")
    expect(page.locator("details.long-value")).to_have_attribute("open", "")
    expect(page.locator("#parameters tr:not([hidden])")).to_have_count(1)
    page.goto(f"{live.url}{CANDIDATE}/performance")
    rename.click()
    page.locator("dialog[open]").get_by_text("Cancel").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert page.url.endswith("/performance")


def test_a_card_follows_its_curve(live: LiveServer, world: World, window: OpenWindow, script: Script) -> None:
    made = script.start("running")
    mine = window(live, world.developer)
    page = mine.open(f"{CANDIDATE}/performance")
    page.locator("my-chart canvas").wait_for()
    expect(page).to_have_title(re.compile("^Performance · ▶ Candidate 1"))
    script.log(made, 2, 0.125)
    expect(page.locator(".chart-last")).to_have_text("0.1250")
    expect(page.locator("my-chart")).to_have_attribute(
        "aria-label", re.compile(r"0\.1250 at step 2, 0\.1250 to 0\.8750")
    )
    script.finish(made)
    expect(page.locator("#candidate-heading")).to_contain_text("finished")
    expect(page.locator("#candidate-heading")).to_contain_text("took")
    expect(page).to_have_title(re.compile("^Performance · Candidate 1"))


def test_a_curve_keeps_its_reader_and_its_points(
    live: LiveServer, world: World, window: OpenWindow, script: Script
) -> None:
    made = script.start("running")
    for step in range(2, 20):
        script.log(made, step, step / 100)
    page = window(live, world.developer).open(f"{CANDIDATE}/performance")
    chart, said, last = page.locator("my-chart").first, page.locator("#announcements"), page.locator(".chart-last")
    canvas = chart.locator("canvas").element_handle()
    assert canvas is not None
    chart.focus()
    page.keyboard.press("End")
    expect(said).to_contain_text("step 19")
    script.log(made, 20, 0.2)
    expect(last).to_have_text("0.2000")
    page.keyboard.press("ArrowLeft")
    expect(said).to_contain_text("step 18")
    page.route("**/performance.json*", lambda route: route.fulfill(status=429))
    script.log(made, 21, 0.3)
    expect(page.locator("[data-chart-note]")).to_contain_text("The newest points of loss could not be loaded")
    page.unroute_all()
    script.log(made, 22, 0.4, key="auc")
    expect(page.locator(".chart-card h3")).to_have_text(["auc", "loss"])
    expect(last).to_have_text(["0.4000", "0.3000"])
    expect(page.locator("[data-chart-note]")).to_have_text(["", ""])
    assert canvas.evaluate("canvas => canvas.isConnected")
    expect(page.get_by_role("link", name="Performance 2")).to_be_visible()

    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.get_by_role("heading", name="Metrics 2").click()
    expect(page.locator(".chart-group")).not_to_have_attribute("open", "")
    page.evaluate("document.addEventListener('live-update', () => { document.body.dataset.heard = 'yes' })")
    script.log(made, 23, 0.5)
    page.locator("body[data-heard]").wait_for()
    assert f"{CANDIDATE}/performance.json" not in asked
    page.get_by_role("heading", name="Metrics 2").click()
    expect(last).to_have_text(["0.4000", "0.5000"])


def test_a_page_says_when_it_has_lost_the_server(
    live: LiveServer, world: World, window: OpenWindow, script: Script
) -> None:
    script.finish(script.start("before"))
    mine = window(live, world.developer)
    page = mine.page
    page.route("**/live?*", lambda route: route.abort())
    page.goto(live.url + TABLE)
    expect(page.locator(".live-dot")).to_have_text("Not connected, trying again", timeout=SOON_MS)
    page.unroute_all()
    page.locator(STREAMING).wait_for()
    expect(page.locator(".live-dot")).to_have_text("Live")
    assert all("net::ERR_FAILED" in complaint for complaint in mine.complaints)
    mine.complaints.clear()


def test_many_tabs_leave_connections_free(live: LiveServer, world: World, window: OpenWindow, script: Script) -> None:
    mine = window(live, world.developer)
    script.finish(script.start("before"))
    pages = [mine.page, *(mine.page.context.new_page() for _ in range(PAGES - 1))]
    for page in pages:
        page.goto(live.url + TABLE)
        page.locator('.live-dot:is([data-state="open"], [data-state="asking"])').wait_for()
    expect(pages[0].locator('.live-dot[data-state="asking"]')).to_be_visible()
    assert sum(page.locator(STREAMING).count() for page in pages) == PLACES
    script.start("after")
    for page in pages:
        expect(page.locator(".table-grid tbody tr")).to_have_count(2, timeout=SOON_MS)

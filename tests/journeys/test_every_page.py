"""Every page in a real browser: no complaint of the content policy, nothing that axe finds, no sideways scrolling."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Route, expect

from modelyard.domains.packages.contents import ensure_package
from modelyard.domains.tracking.artifacts import candidate_package
from modelyard.domains.tracking.candidates import delete_candidate, get_candidate
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

CANDIDATES = 6
COLUMNS_COOKIE = "modelyard_columns"
EVIL = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PATHS = (
    "/",
    "/groups/new",
    "/groups/acme",
    "/groups/acme/-/group_members",
    "/groups/acme/-/settings/general",
    "/projects/new",
    "/acme/churn",
    "/acme/churn/-/ml/experiments",
    "/acme/churn/-/ml/experiments/new",
    "/acme/churn/-/ml/experiments/1",
    "/acme/churn/-/ml/experiments/1/candidates",
    "/acme/churn/-/ml/experiments/1/candidates?q=metrics.loss+%3E+5",
    "/acme/churn/-/ml/experiments/1/candidates?q=metrics.loss+%3E%3E",
    "/acme/churn/-/ml/experiments/1/candidates?state=deleted",
    "/acme/churn/-/ml/experiments/2/candidates",
    "/acme/churn/-/ml/candidates/1",
    "/acme/churn/-/ml/candidates/1/performance",
    "/acme/churn/-/ml/candidates/1/artifacts",
    "/acme/churn/-/packages",
    "/acme/churn/-/project_members",
    "/acme/churn/-/settings/access_tokens",
    "/acme/churn/-/settings/general",
    "/acme/churn/-/settings/delete",
    "/-/user_settings/preferences",
    "/-/user_settings/personal_access_tokens",
    "/-/styleguide",
    "/nothing/here",
)
ADMINISTRATORS = ("/admin/users", "/admin/users/new", "/admin/users/2/edit", "/admin/users/2/password")
# What stands under the buttons of its own row, as when a row is folded for a phone; their edges may touch.
COVERED = """() => [...document.querySelectorAll(".table tbody tr")].flatMap((row) => {
  const box = (element) => element.getBoundingClientRect();
  const buttons = [...row.querySelectorAll(".actions .button")].map(box);
  const others = [...row.querySelectorAll("th *, td:not(.actions) *")].filter((it) => !it.children.length);
  return others.filter((it) => {
    const { left, right, top, bottom } = box(it);
    return buttons.some((b) => left < b.right && right > b.left && top < b.bottom - 4 && bottom > b.top + 4);
  }).map((it) => it.outerHTML);
})"""


@pytest.fixture
def furnished(live: LiveServer, world: World) -> LiveServer:
    """A server with something hostile in every field that a user fills; the last of its candidates is deleted."""
    with live.installation.database.write() as session:
        for name in (f"sweeps/{EVIL}", "empty"):
            create_experiment(session, world.owner.actor, world.project(session), name=name)
    lane, moment, creator_id = live.installation.lane, now_ms(), world.owner.actor.user_id
    run_ids = [hex_id() for _ in range(CANDIDATES)]
    for number, run_id in enumerate(run_ids):
        tags = {"mlflow.runName": EVIL, "mlflow.note.content": f"{EVIL} **bold**", "team": EVIL}
        nested = {"mlflow.parentRunId": run_ids[0]} if number else {}
        made = lane.submit_and_wait(
            CreateCandidate(
                world.project_id,
                1,
                run_id,
                EVIL,
                EVIL,
                creator_id,
                moment,
                moment,
                tags | nested,
            )
        )
        assert isinstance(made, CandidateInfo)
        keys = ["loss"] * 50 + ["train/loss"] * 50
        steps = [*range(50), *range(50)]
        values = [1 / (step + 1 + number) for step in steps]
        lane.submit_and_wait(
            LogData(made.place, moment, MetricColumns(keys, steps, [moment] * 100, values), {"depth": EVIL})
        )
        if number:
            lane.submit_and_wait(UpdateCandidate(made.place, now_ms(), Status.FINISHED, now_ms()))
    with live.installation.database.write() as session:
        actor, project = world.owner.actor, world.project(session)
        ensure_package(session, project.id, candidate_package(CANDIDATES), creator_id=actor.user_id)
        delete_candidate(session, actor, get_candidate(session, actor, project, run_ids[-1]))
    return live


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(furnished: LiveServer, world: World, window: OpenWindow, theme: str) -> None:
    axe = Axe()
    owner, root = (
        window(furnished, somebody, theme=theme, bypass_csp=True) for somebody in (world.owner, world.administrator)
    )
    found: list[tuple[str, str, str]] = []
    for path in ("/users/sign_in", *PATHS, *ADMINISTRATORS):
        page = (root if path in ADMINISTRATORS else owner).open(path)
        page.wait_for_load_state("networkidle") if "candidates" not in path else page.wait_for_timeout(400)
        violations = axe.run(page, options=RULES).response["violations"]
        found += [(path, violation["id"], violation["nodes"][0]["html"][:200]) for violation in violations]
    assert found == []


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1440, "dark")])
def test_pages_fit_their_window_and_run_nothing_of_users(
    furnished: LiveServer, world: World, window: OpenWindow, width: int, theme: str
) -> None:
    owner, root = (
        window(furnished, somebody, width=width, theme=theme) for somebody in (world.owner, world.administrator)
    )
    for path in (*PATHS, *ADMINISTRATORS):
        page = (root if path in ADMINISTRATORS else owner).open(path)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("main h1").count() == 1, path
        assert page.evaluate(COVERED) == [], path


def test_the_keyboard_reaches_everything(furnished: LiveServer, world: World, window: OpenWindow) -> None:
    mine = window(furnished, world.owner)
    page = mine.open("/acme/churn/-/ml/experiments")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent").startswith("sweeps/")
    page.keyboard.press("Enter")
    page.wait_for_url("**/candidates")
    page.wait_for_load_state()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter-query"
    page.keyboard.type("metrics.loss > 5")
    page.keyboard.press("Enter")
    page.get_by_text("No candidate matches").wait_for()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keyboard shortcuts on this page").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/project_members")
    page.get_by_role("link", name="Add member").focus()
    page.keyboard.press("Enter")
    page.locator("dialog").get_by_label("Username").wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("dialog[open]").count()


def test_columns_are_chosen_kept_in_the_address_and_remembered(
    furnished: LiveServer, world: World, window: OpenWindow
) -> None:
    mine = window(furnished, world.owner)
    page = mine.open("/acme/churn/-/ml/experiments/1/candidates")
    page.evaluate("customElements.whenDefined('my-columns').then(() => true)")
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Search columns").fill("run")
    page.get_by_label("Run ID").check()
    page.get_by_role("button", name="Show these columns").click()
    page.wait_for_url("**cols=**")
    assert page.locator("thead tr:last-child th").last.inner_text() == "Run ID"
    page.reload()
    assert page.locator("thead tr:last-child th").last.inner_text() == "Run ID"
    heads = page.locator("thead tr:last-child th")
    mine.open("/acme/churn/-/ml/experiments/2/candidates")
    mine.open("/acme/churn/-/ml/experiments/1/candidates")
    expect(heads.last).to_have_text("Run ID")
    page.evaluate("customElements.whenDefined('my-columns').then(() => true)")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("link", name="Reset columns").click()
    expect(heads.last).not_to_have_text("Run ID")
    page.reload()
    expect(heads.last).not_to_have_text("Run ID")
    assert "modelyard_columns" not in {cookie["name"] for cookie in page.context.cookies()}


def test_a_filter_is_completed_by_keyboard(furnished: LiveServer, world: World, window: OpenWindow) -> None:
    mine = window(furnished, world.owner)
    page = mine.open("/acme/churn/-/ml/experiments/1/candidates")
    page.evaluate("customElements.whenDefined('my-filter').then(() => true)")
    field = page.get_by_role("combobox", name="Filter candidates")
    field.press_sequentially("los")
    page.get_by_role("option", name="metrics.loss").wait_for()
    field.press("ArrowDown")
    field.press("Enter")
    assert field.input_value() == "metrics.loss "
    field.press_sequentially("> 0.015")
    field.press("Enter")
    page.wait_for_url("**q=metrics.loss**")
    page.get_by_text("5 match").first.wait_for()


def test_the_first_visit_is_small(furnished: LiveServer, world: World, window: OpenWindow) -> None:
    mine = window(furnished, world.owner)
    sizes: dict[str, int] = {}
    mine.page.on("response", lambda answer: sizes.update({answer.url: int(answer.headers.get("content-length", "0"))}))
    mine.open("/acme/churn/-/ml/experiments/1/candidates").wait_for_timeout(800)
    page = sum(size for url, size in sizes.items() if not url.endswith(".woff2"))
    assert 0 < page <= 150 * 1024, sizes


def test_whoever_is_quicker_than_the_scripts_gets_a_path_too(
    live: LiveServer, world: World, window: OpenWindow
) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    mine = window(live, world.owner)
    mine.page.route("**/slug.*.js", hold)
    with mine.page.expect_request("**/slug.*.js"):
        mine.page.goto(f"{mine.url}/projects/new", wait_until="commit")
    mine.page.get_by_label("Name of the project").fill("Quick One")
    for route in held:
        route.continue_()
    expect(mine.page.get_by_label("Path")).to_have_value("quick-one")


def test_remembered_columns_survive_long_names_and_are_forgotten_at_sign_out(
    furnished: LiveServer, world: World, window: OpenWindow
) -> None:
    mine = window(furnished, world.owner)
    table = "/acme/churn/-/ml/experiments/1/candidates"
    page = mine.open(table)

    def remembered() -> list[str]:
        cookies = page.context.cookies(furnished.url + table)
        return [str(cookie["value"]) for cookie in cookies if cookie["name"] == COLUMNS_COOKIE]

    def choose(value: str) -> None:
        page.evaluate("customElements.whenDefined('my-columns').then(() => true)")
        page.get_by_role("button", name="Columns").click()
        assert page.locator("label button").count() == 0
        box = page.get_by_label("Run ID", exact=True)
        box.set_checked(True)
        box.evaluate("(box, value) => { box.value = value }", value)
        page.get_by_role("button", name="Show these columns").click()

    choose("attributes.run_id")
    page.wait_for_url("**cols=**")
    chosen = remembered()
    assert "attributes.run_id" in chosen[0]
    choose("metrics." + "x" * 3600)
    page.get_by_text("too long to be remembered").wait_for()
    assert remembered() == chosen
    mine.open(table)
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.wait_for_url("**/users/sign_in")
    assert remembered() == []

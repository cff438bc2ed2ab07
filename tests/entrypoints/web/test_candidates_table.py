"""The table of candidates: its columns, order, filter, counts and pages, as the address says."""

import csv
import io
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.namespaces.groups import get_group, get_namespace, update_group
from modelyard.domains.namespaces.projects import update_project
from modelyard.domains.tracking.hot.operations import Status
from modelyard.entrypoints.web.grid import columns_from, order_from, order_text
from modelyard.platform.errors import Invalid
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser, Page
from tests.entrypoints.web.conftest import Browse, Log

NAMES = "tbody th a"


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("metrics.loss", "metrics.loss ASC"),
        ("-metrics.val/auc 1", "metrics.`val/auc 1` DESC"),
        ("name", "attributes.run_name ASC"),
        ("-attributes.created", "attributes.start_time DESC"),
        ("tags.a,b", "tags.`a,b` ASC"),
    ],
)
def test_the_order_of_an_address_is_one_of_the_search_language(text: str, order: str) -> None:
    key = order_from(text)
    assert key is not None
    assert order_text(key) == order


@pytest.mark.parametrize("text", ["nothing", "metrics.", "datasets.name", "attributes.nothing", "attributes.duration"])
def test_an_order_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        order_from(text)


def test_columns_are_named_in_either_way_and_once() -> None:
    short = columns_from(["metrics.a,params.b,metrics.a"])
    long = columns_from(["metrics.a", "params.b", "metrics.a"])
    assert short == long
    assert [column.name for column in short] == ["metrics.a", "params.b"]
    with pytest.raises(Invalid):
        columns_from([",".join(f"metrics.m{number}" for number in range(100))])


def test_the_usual_columns_are_metrics_and_what_varies(developer: Browser, table: str, log: Log) -> None:
    log("a", {"auc": 0.7, "system/cpu": 3}, {"depth": "4", "booster": "gbtree"})
    log("b", {"auc": 0.8, "loss": float("nan")}, {"depth": "8", "booster": "gbtree"})
    page = developer.get(table)
    heads = page.texts("thead tr:last-child th")
    assert heads == ["Candidate", "Status", "auc", "depth", "Created", "Duration", "Author"]
    assert page.texts(".table-grid tbody tr:first-child td")[:3] == ["finished", "0.8000", "8"]
    assert page.texts(".group-row td") == ["", "Metrics", "Parameters", ""]


def test_chosen_columns_are_shown_in_their_order(developer: Browser, table: str, log: Log) -> None:
    log("a", {"auc": 0.7, "loss": 2e-7}, {"depth": "4"}, {"team": "risk"})
    page = developer.get(f"{table}?cols=tags.team,metrics.loss,params.depth,attributes.run_id,metrics.nothing")
    assert page.texts("thead tr:last-child th")[1:] == ["team", "loss", "depth", "Run ID", "nothing"]
    assert page.texts(".table-grid tbody td")[:3] == ["risk", "2e\u22127", "4"]
    assert "Reset columns" in page.text


def test_columns_chosen_in_this_browser_are_remembered(developer: Browser, table: str, log: Log) -> None:
    log("a", {"auc": 0.7, "loss": 0.1}, {"depth": "4"}, {"a,b": "risk"})
    developer.client.cookies.set("modelyard_columns", "metrics.loss,tags.a%252Cb", path=table)
    page = developer.get(table)
    assert page.texts("thead tr:last-child th")[1:] == ["loss", "a,b"]
    named = developer.get(f"{table}?cols=metrics.auc")
    assert named.texts("thead tr:last-child th")[1:] == ["auc"]
    reset = named.soup.select_one("[data-forget]")
    assert reset is not None
    assert "auc" in developer.get(str(reset["href"])).texts("thead tr:last-child th")
    developer.client.cookies.set("modelyard_columns", "nonsense", path=table)
    assert "auc" in developer.get(table).texts("thead tr:last-child th")


def test_a_comma_in_a_name_parts_no_columns(developer: Browser, table: str, log: Log) -> None:
    log("a", {"auc": 0.7}, {"depth, first": "4"}, {"a,b": "risk", "50%2C": "half"})
    offered = developer.region(f"{table}?cols=metrics.auc", "more-columns")
    options = zip(offered.soup.select("[title]"), offered.soup.select("input"), strict=True)
    values = {str(name["title"]): str(box["value"]) for name, box in options}
    chosen = [values[name] for name in ("tags.a,b", "params.depth, first", "tags.50%2C")]
    for query in ({"cols": chosen}, {"cols": ",".join(chosen)}):
        page = Page(developer.client.get(table, params=query))
        assert page.texts("thead tr:last-child th")[1:] == ["a,b", "depth, first", "50%2C"]
        links = [str(link["href"]) for link in page.soup.select("thead a.sort, .segments a, a[download]")]
        assert len(links) == 7
        for link in links:
            assert developer.get(link).status == 200
        file = next(link for link in links if ".csv" in link)
        assert next(csv.reader(io.StringIO(developer.get(file).answer.text)))[3:] == [
            "tags.a,b",
            "params.depth, first",
            "tags.50%2C",
        ]


def test_the_picker_offers_what_is_not_shown(developer: Browser, table: str, log: Log) -> None:
    log("a", {"auc": 0.7, "loss": 0.1}, {"depth": "4"}, {"team": "risk"})
    offered = developer.region(f"{table}?cols=metrics.auc", "more-columns")
    values = [str(box["value"]) for box in offered.soup.select("input")]
    assert {"metrics.loss", "params.depth", "tags.team", "attributes.status"} <= set(values)
    assert "metrics.auc" not in values


def test_pressing_a_head_sorts_and_turns(developer: Browser, table: str, log: Log) -> None:
    for name, auc in (("low", 0.1), ("high", 0.9), ("middle", 0.5)):
        log(name, {"auc": auc})
    page = developer.get(table)
    assert page.soup.select_one("th[aria-sort] .sort").text == "Created"  # type: ignore[union-attr]  # it is there
    link = next(str(head["href"]) for head in page.soup.select("thead .sort") if head.text == "auc")
    page = developer.get(link)
    assert page.texts(NAMES) == ["high", "middle", "low"]
    head = page.soup.select_one("th[aria-sort]")
    assert head is not None
    assert head["aria-sort"] == "descending"
    again = str(head.select_one("a")["href"])  # type: ignore[index]  # its link
    assert developer.get(again).texts(NAMES) == ["low", "middle", "high"]


def test_a_filter_narrows_and_counts_are_true(developer: Browser, table: str, log: Log) -> None:
    for number in range(5):
        log(f"c{number}", {"auc": number / 10}, {"depth": str(number % 2)})
    page = developer.get(f"{table}?q=metrics.auc+%3E+0.1+and+params.depth+%3D+'1'")
    assert page.texts(NAMES) == ["c3"]
    assert page.texts(".table-foot > span") == ["1 shown · 1 matches · 5 total"]
    assert page.texts(".filter-state") == ["1 matches"]
    none = developer.get(f"{table}?q=metrics.auc+%3E+2")
    assert "No candidate matches" in none.text
    assert "None of the 5 candidates matches" in none.text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("metrics.acc > 2", "Try one comparison less."),
        ("metrics.Acuracy > 0", "No candidate of this experiment has metrics.Acuracy. Did you mean metrics.accuracy?"),
        (
            "metrics.acc > 0 and params.acc = '1'",
            "No candidate of this experiment has params.acc. Did you mean metrics.acc?",
        ),
        ("tags.unheard = 'of'", "No candidate of this experiment has tags.unheard."),
        ("metrics.acc IS NULL and params.nothing IS NULL", "Try one comparison less."),
    ],
)
def test_a_filter_for_what_nobody_logged_says_so(
    developer: Browser, table: str, log: Log, query: str, sentence: str
) -> None:
    log("a", {"acc": 0.7, "accuracy": 0.7}, {"depth": "4"})
    page = developer.get(f"{table}?q={quote(query)}")
    assert page.texts(".empty p") == [f"None of the 1 candidates matches this filter. {sentence}"]


def test_a_status_is_found_as_the_table_writes_it(developer: Browser, table: str, log: Log) -> None:
    log("a", status=Status.KILLED)
    (word,) = developer.get(table).texts("tbody .badge")
    assert word == "stopped"
    for query, names in (
        ("status = 'stopped'", ["a"]),
        ("status in ('Failed', 'Killed')", ["a"]),
        ("status != 'stopped'", []),
        ("status = 'failed'", []),
    ):
        assert developer.get(f"{table}?q={quote(query)}").texts(NAMES) == names
        assert developer.get(f"{table}.csv?q={quote(query)}").answer.text.count("\n") == 1 + len(names)


def test_a_filter_that_cannot_be_read_says_where(developer: Browser, table: str, log: Log) -> None:
    log("a", {"auc": 0.7})
    page = developer.get(f"{table}?q=metrics.auc+%3E%3E+1")
    assert page.status == 422
    assert page.texts("#filter-problem mark") == [">>"]
    assert (page.texts(NAMES), page.texts(".table-foot > span")) == (["a"], ["1 shown, not filtered · 1 total"])
    assert page.soup.select_one("#filter-query")["value"] == "metrics.auc >> 1"  # type: ignore[index]  # the field
    unknown = developer.get(f"{table}?q=metrics.auc+%3E+1+and+depht+%3D+'4'")
    assert unknown.texts("#filter-problem mark") == ["depht"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("auc > 0.9", "There is no attribute auc. Did you mean metrics.auc?"),
        ("metrics.auc > 1 and depth = '4'", "There is no attribute depth. Did you mean params.depth?"),
        ("forest", "forest alone compares nothing. Names of candidates that contain it: run_name ~ 'forest'."),
        ("auc", "auc alone compares nothing. Compare it, as in metrics.auc > 0.5."),
        ("params.depth > 2", "Parameters are text and have no order. Write params.depth = '2', or IN with a list."),
        ("params.depth = 2", "Parameters are text and have no order. Write params.depth = '2', or IN with a list."),
        (
            'params.depth > "it\'s"',
            "Parameters are text and have no order. Write params.depth = 'it''s', or IN with a list.",
        ),
        ("params.depth in (abc)", "Texts stand in quotes. Write params.depth in ('abc')."),
        ("params.depth not in ('6', 8)", "Texts stand in quotes. Write params.depth not in ('6', '8')."),
        ("metrics.auc > 0 and tags.team = six", "Texts stand in quotes. Write tags.team = 'six'."),
        ("metrics.auc > much", "Expected numeric value type for metric. Found 'much' at character 15."),
        ("metrics.auc > 'much'", "Expected numeric value type for metric. Found 'much' at character 15."),
    ],
)
def test_a_filter_that_cannot_be_read_says_what_was_meant(
    developer: Browser, table: str, log: Log, query: str, sentence: str
) -> None:
    log("a", {"auc": 0.7}, {"depth": "4"})
    assert developer.get(f"{table}?q={quote(query)}").texts("#filter-problem span") == [sentence]


NO_AUTHORS = "Only people who are signed in, and tokens with the scope api or read_api, may search by author."


def test_strangers_find_nobody_by_guessing(
    live: LiveServer, browse: Browse, developer: Browser, world: World, experiment: str, log: Log
) -> None:
    log("mine", creator=world.owner)
    table = f"{experiment}/candidates"
    with live.installation.database.write() as session:
        update_group(session, SYSTEM, get_namespace(session, SYSTEM, "acme"), visibility="public")
        update_project(session, SYSTEM, world.project(session), visibility="public")
    stranger = browse()
    guesses = ("author ilike 'o%'", "run_name = 'mine' and not (attr.author != 'owner')", "author is null")
    for guess in guesses:
        assert developer.get(f"{table}?q={quote(guess)}").status == 200
        page = stranger.get(f"{table}?q={quote(guess)}")
        assert (page.status, page.texts("#filter-problem span")) == (422, [NO_AUTHORS])
    for address in (f"{table}?sort=attributes.author", f"{table}.csv?sort=-attributes.author"):
        assert developer.get(address).status == 200
        page = stranger.get(address)
        assert page.status == 422
        assert NO_AUTHORS in page.text
    assert "Author" in developer.get(table).texts("thead .sort")
    page = stranger.get(table)
    assert "Author" in page.texts("thead th")
    assert "Author" not in page.texts("thead .sort")
    completions = f"{table}/completions.json?q=auth"
    assert '"author"' in developer.get(completions, Accept="application/json").answer.text
    assert '"author"' not in stranger.get(completions, Accept="application/json").answer.text


@pytest.mark.parametrize("query", ["w" * 3000, "metrics.a = '" + "b" * 3000 + "'", "metrics.a > 1;" + "c" * 3000])
def test_a_filter_that_cannot_be_read_is_echoed_in_part(developer: Browser, table: str, log: Log, query: str) -> None:
    log("a", {"auc": 0.7})
    problem = developer.get(f"{table}?q={quote(query)}").soup.select_one("#filter-problem")
    assert problem is not None
    assert all(len(part.get_text()) <= 310 for part in problem.select("span, pre"))


def test_a_long_name_full_of_quotes_costs_no_time(developer: Browser, table: str) -> None:
    query = "`" + "'\"a" * 9000 + "`.x > 1"
    started = time.process_time()
    assert developer.get(f"{table}?q={quote(query)}").status == 422
    assert time.process_time() - started < 1


@pytest.mark.parametrize("query", ["sort=nothing", "cols=nothing", "state=nothing", "cursor=nonsense"])
def test_a_broken_address_is_told_so(developer: Browser, table: str, log: Log, query: str) -> None:
    log("a")
    page = developer.get(f"{table}?{query}")
    assert (page.status, page.texts("h1")) == (422, ["This cannot be understood"])


def test_htmx_gets_the_region_and_its_heading_only(developer: Browser, table: str, log: Log) -> None:
    log("a")
    page = developer.region(table, "candidates")
    assert not page.soup.select("html, .sidebar")
    assert page.texts("#experiment-heading .tab[aria-current]") == ["Candidates 1"]
    assert page.texts(NAMES) == ["a"]
    assert "HX-Request-Type" in page.answer.headers["vary"]


def test_pages_show_every_candidate_once(developer: Browser, table: str, log: Log) -> None:
    for number in range(103):
        log(f"c{number}", {"auc": number % 7}, is_finished=False)
    address, seen = f"{table}?sort=-metrics.auc", list[str]()
    while address:
        page = developer.get(address)
        seen += page.texts(NAMES)
        assert page.texts(".table-foot > span")[0].endswith("103 match · 103 total")
        following = page.soup.select_one('a[rel="next"]')
        address = str(following["href"]) if following else ""
    assert len(seen) == len(set(seen)) == 103


def test_the_author_is_who_logged_it_whatever_the_client_says(
    live: LiveServer, browse: Browse, developer: Browser, world: World, table: str, log: Log
) -> None:
    made = log("mine", user="root", creator=world.owner)
    log("claimed", user="owner")
    page = developer.get(f"{table}?sort=-attributes.author")
    assert (page.texts(NAMES), page.texts(".table-grid tbody td:last-child")) == (
        ["mine", "claimed"],
        ["O owner", "as owner"],
    )
    assert page.soup.select_one(".table-grid .person")["title"] == "@owner, as root"  # type: ignore[index]  # it is there
    assert developer.get(f"{table}?q=author+%3D+'owner'").texts(NAMES) == ["mine"]
    assert developer.get(f"{table}?q=user_id+%3D+'owner'").texts(NAMES) == ["claimed"]
    rows = csv.reader(io.StringIO(developer.get(f"{table}.csv?cols=attributes.author,attributes.user_id").answer.text))
    assert sorted(row[3:] for row in rows) == [
        ["", "owner"],
        ["attributes.author", "attributes.user_id"],
        ["owner", "root"],
    ]
    candidate = f"/{world.project_path}/-/ml/candidates/{made.place.iid}"
    shown = developer.get(candidate)
    assert "O owner as root" in shown.texts(".meta dd")
    assert "by owner" in shown.texts(".page-heading-meta span")
    with live.installation.database.write() as session:
        update_group(session, world.owner.actor, get_group(session, world.owner.actor, "acme"), visibility="public")
        update_project(session, world.owner.actor, world.project(session), visibility="public")
    visitor = browse()
    assert visitor.get(table).texts(".table-grid tbody td:last-child") == ["as owner", "as root"]
    assert "as root" in visitor.get(candidate).texts(".page-heading-meta span")
    assert visitor.get(f"{table}/completions.json?q=author+%3D+").answer.json()["choices"] == []


def test_deleted_candidates_have_a_list_of_their_own(developer: Browser, world: World, table: str, log: Log) -> None:
    log("kept")
    gone = log("gone")
    candidate = f"/{world.project_path}/-/ml/candidates/{gone.place.iid}"
    toast = developer.follow(developer.post(f"{candidate}/delete"))
    assert toast.texts("#toasts .button-link") == [f"Restore candidate {gone.place.iid}"]
    assert developer.get(table).texts(NAMES) == ["kept"]
    until = f"{datetime.now(UTC) + timedelta(days=30):%b %Y}"
    for query in ("state=deleted", "state=deleted&cols=metrics.auc"):
        deleted = developer.get(f"{table}?{query}")
        assert deleted.texts(NAMES) == ["gone"]
        assert deleted.texts("thead tr:last-child th")[1:3] == ["Deleted", "Restorable until"]
        assert deleted.texts(".table-grid tbody td")[0] == "just now"
        assert deleted.texts(".table-grid tbody td")[1].endswith(until)
    fact = developer.get(candidate).texts(".page-heading-meta span")[-1]
    assert fact.startswith("deleted just now, restorable until ")
    assert "Restorable until" not in developer.get(table).text
    developer.post(f"{candidate}/restore")
    assert sorted(developer.get(table).texts(NAMES)) == ["gone", "kept"]


def test_what_users_wrote_is_text(browse: Browse, world: World, table: str, log: Log) -> None:
    evil = "<img src=x onerror=alert(1)>"
    log(evil, {"<b>m": 1.0}, {"p": evil, "q": '"><script>'}, {"t": evil})
    page = browse(world.guest).get(f"{table}?cols=params.p,params.q,tags.t")
    assert evil in page.texts(NAMES)
    assert not page.soup.select("tbody img, tbody script, thead b")


@pytest.mark.parametrize(
    ("written", "start", "choices"),
    [
        ("", 0, [("metrics.auc", "metrics"), ("metrics.`val loss`", "metrics"), ("params.depth", "params")]),
        ("dep", 0, [("params.depth", "params")]),
        ("metrics.auc > 1 and tea", 20, [("tags.team", "tags")]),
        ("metrics.auc > 1 a", 16, [("and", "")]),
        ("not (stat", 5, [("status", "attribute")]),
        ("metrics.auc ", 12, [("=", ""), ("!=", ""), ("<", "")]),
        ("run_name l", 9, [("like", ""), ("not like", ""), ("ilike", "")]),
        ("params.depth = ", 15, [("'8'", "2"), ("'4'", "1")]),
        ("tags.team in ('it''s', ", 23, [("'it''s'", "1"), ("'risk'", "1")]),
        ("tags.team = 'ris", 12, [("'risk'", "1")]),
        ("status = ", 9, [("'FINISHED'", "3")]),
        ("metrics.auc > ", 14, []),
        ("params.nothing = ", 17, []),
        ("x" * 5000, 5000, []),
    ],
)
def test_a_filter_is_completed(
    developer: Browser, table: str, log: Log, written: str, start: int, choices: list[tuple[str, str]]
) -> None:
    log("a", {"auc": 0.7}, {"depth": "8"}, {"team": "risk"})
    log("b", {"val loss": 0.7}, {"depth": "8"}, {"team": "it's"})
    log("c", {}, {"depth": "4"})
    found = developer.client.get(f"{table}/completions.json", params={"q": written}).json()
    assert found["start"] == start
    assert [(choice["text"], choice["note"]) for choice in found["choices"]][: len(choices) or 1] == choices


def test_completions_tell_nobody_else(browse: Browse, world: World, table: str, log: Log) -> None:
    log("a", {}, {"depth": "8"})
    assert (
        browse(world.stranger).get(f"{table}/completions.json?q=params.depth+=", Accept="application/json").status
        == 404
    )


def test_an_experiment_without_candidates_teaches_and_waits(developer: Browser, table: str) -> None:
    page = developer.get(table)
    assert "No candidate yet" in page.text
    region = page.soup.select_one("#candidates")
    assert region is not None
    assert "data-empty" in region.attrs
    assert page.soup.select_one("my-live[region=candidates]") is not None

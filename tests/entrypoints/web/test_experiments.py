"""The experiments of a project: listed, made, edited, archived, deleted and restored by forms."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser
from tests.entrypoints.web.conftest import Browse, Log

LINK = "tbody th a"


@pytest.fixture
def listing(world: World) -> str:
    return f"/{world.project_path}/-/ml/experiments"


def test_an_empty_project_teaches_how_to_begin(
    developer: Browser, live: LiveServer, world: World, listing: str
) -> None:
    page = developer.get(listing)
    assert "No experiment yet" in page.text
    assert live.tracking_uri(world.project_id) in page.copies


def test_an_experiment_is_made_by_a_form(developer: Browser, listing: str) -> None:
    made = developer.post(listing, {"name": "sweeps/depth", "description": "**deep**", "primary_metric": ""})
    assert made.location == f"{listing}/1/candidates"
    assert developer.follow(made).texts(".toast-text") == ["Experiment sweeps/depth created."]
    assert developer.get(listing).texts(LINK) == ["sweeps/depth"]
    assert developer.get(f"{listing}/1").texts(".prose strong") == ["deep"]


def test_a_form_is_a_dialog_for_htmx_and_a_page_for_everybody_else(developer: Browser, listing: str) -> None:
    assert developer.region(f"{listing}/new", "dialog-slot").soup.select("dialog form")
    page = developer.get(f"{listing}/new")
    assert page.texts("h1") == ["Create experiment in churn"]
    assert not page.soup.select("dialog form")


def test_a_name_that_is_taken_is_said_beside_the_name(developer: Browser, experiment: str, listing: str) -> None:
    page = developer.post(listing, {"name": "churn-xgb", "description": ""})
    assert page.status == 409
    assert page.texts(".field-error") == [
        "An experiment of this project has this name already. Deleted ones keep theirs."
    ]
    edited = developer.post(f"{experiment}/edit", {"name": "", "description": ""})
    assert (edited.status, "cannot be empty" in edited.texts(".error-summary")[0]) == (422, True)


def test_an_experiment_is_renamed_and_gets_a_primary_metric(developer: Browser, experiment: str, log: Log) -> None:
    log("weak", {"auc": 0.7})
    log("strong", {"auc": 0.9})
    fields: dict[str, str | list[str]] = {
        "name": "churn",
        "description": "",
        "primary_metric": "auc",
        "better": "higher",
    }
    assert developer.post(f"{experiment}/edit", fields).location == f"{experiment}/candidates"
    page = developer.get(f"{experiment}/candidates")
    assert page.texts("h1") == ["churn"]
    assert page.texts("tbody th a") == ["strong", "weak"]
    developer.post(f"{experiment}/edit", {**fields, "better": "lower"})
    assert developer.get(f"{experiment}/candidates").texts("tbody th a") == ["weak", "strong"]


def test_archived_experiments_are_out_of_the_way(developer: Browser, experiment: str, listing: str) -> None:
    archived = developer.post(f"{experiment}/archive")
    assert developer.follow(archived).texts(LINK) == []
    assert developer.get(f"{listing}?state=archived").texts(LINK) == ["churn-xgb"]
    developer.post(f"{experiment}/unarchive")
    assert developer.get(listing).texts(LINK) == ["churn-xgb"]


def test_a_deleted_experiment_comes_back_with_its_candidates(
    developer: Browser, experiment: str, listing: str, log: Log
) -> None:
    log("brave")
    question = developer.get(f"{experiment}/delete")
    assert "Its 1 candidate go with it." in question.text or "1 candidate" in question.text
    deleted = developer.follow(developer.post(f"{experiment}/delete"))
    assert deleted.texts(LINK) == []
    assert deleted.texts("#toasts .button-link") == ["Restore experiment"]
    listed = developer.get(f"{listing}?state=deleted")
    assert listed.texts(LINK) == ["churn-xgb"]
    assert listed.texts("thead th")[1:3] == ["Deleted", "Restorable until"]
    assert listed.texts("tbody td")[0] == "just now"
    assert listed.texts("tbody td")[1].endswith(f"{datetime.now(UTC) + timedelta(days=30):%b %Y}")
    facts = developer.get(f"{experiment}/candidates").texts(".page-heading-meta span")
    assert [fact.startswith("deleted just now, restorable until ") for fact in facts] == [True]
    developer.post(f"{experiment}/restore")
    assert developer.get(f"{experiment}/candidates").texts("tbody th a") == ["brave"]


def test_the_list_is_searched_sorted_and_counted(developer: Browser, experiment: str, listing: str, log: Log) -> None:
    assert experiment
    log("brave")
    log("calm", is_finished=False)
    developer.post(listing, {"name": "sweeps/100%_depth", "description": ""})
    assert developer.get(f"{listing}?q=100%25_").texts(LINK) == ["sweeps/100%_depth"]
    assert developer.get(f"{listing}?q=CHURN").texts(LINK) == ["churn-xgb"]
    assert developer.get(f"{listing}?sort=name").texts(LINK) == ["churn-xgb", "sweeps/100%_depth"]
    assert developer.get(f"{listing}?sort=-name").texts(LINK) == ["sweeps/100%_depth", "churn-xgb"]
    row = developer.get(f"{listing}?q=churn").texts("tbody tr td.num")
    assert row == ["2", "1"]
    assert "No experiment matches" in developer.get(f"{listing}?q=nothing'").text


@pytest.mark.parametrize("query", ["sort=nothing", "state=nothing", "cursor=nonsense"])
def test_a_broken_address_is_told_so(developer: Browser, listing: str, experiment: str, query: str) -> None:
    assert experiment
    assert developer.get(f"{listing}?{query}").status == 422


def test_who_may_not_write_changes_nothing(browse: Browse, world: World, experiment: str, listing: str) -> None:
    reporter = browse(world.reporter)
    for act in ("edit", "delete", "archive", "restore"):
        assert reporter.post(f"{experiment}/{act}", {"name": "mine"}).status == 403
    assert reporter.post(listing, {"name": "mine"}).status == 403
    assert reporter.get(listing).texts(LINK) == ["churn-xgb"]

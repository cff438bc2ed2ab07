"""Candidates that are ticked in the table are deleted, restored and tagged together; and one is renamed."""

import pytest

from tests.conftest import World
from tests.entrypoints.web.browser import Browser
from tests.entrypoints.web.conftest import Browse, Log

NAMES = "tbody th a"


@pytest.fixture
def table(experiment: str, log: Log) -> str:
    """A table of three candidates: a, b and c."""
    for name in "abc":
        log(name, {"auc": 0.5})
    return f"{experiment}/candidates"


def test_boxes_are_for_those_who_may_write(browse: Browse, developer: Browser, world: World, table: str) -> None:
    page = developer.get(table)
    assert [box["value"] for box in page.soup.select("tbody .tick[form=selection]")] == ["3", "2", "1"]
    assert len(page.soup.select("thead .tick")) == 1
    assert not browse(world.reporter).get(table).soup.select(".tick, #selection")
    for act in ("delete", "restore", "tag"):
        fields: dict[str, str | list[str]] = {"c": ["1"], "key": "k"}
        assert browse(world.reporter).post(f"{table}/selection/{act}", fields).status == 403
        assert browse(world.stranger).post(f"{table}/selection/{act}", fields).status == 404


def test_ticked_candidates_are_deleted_and_brought_back(developer: Browser, table: str) -> None:
    here = f"{table}?sort=-metrics.auc"
    asked = developer.get(f"{table}/selection/delete?c=1&c=3&back={here.replace('?', '%3F')}")
    assert asked.texts("h1") == ["Delete 2 candidates"]
    hidden = {str(box["name"]): str(box["value"]) for box in asked.soup.select("main input[type=hidden]")}
    assert (hidden["c"], hidden["back"]) == ("1,3", here)
    done = developer.post(f"{table}/selection/delete", {"c": hidden["c"], "back": hidden["back"]})
    assert done.location == here
    page = developer.follow(done)
    assert page.texts(NAMES) == ["b"]
    assert page.texts(".toast .button-link") == ["Restore 2 candidates"]
    undo = str(page.soup.select_one(".toast form")["action"])  # type: ignore[index]  # the way back is there
    deleted = developer.get(f"{table}?state=deleted")
    assert deleted.texts("#selection button")[0] == "Restore selected candidates"
    assert developer.post(undo).location == table
    assert sorted(developer.get(table).texts(NAMES)) == ["a", "b", "c"]


def test_ticked_candidates_are_tagged(developer: Browser, table: str) -> None:
    url = f"{table}/selection/tag"
    assert developer.get(f"{url}?c=2").texts("h1") == ["Tag candidate 2"]
    for value in ("old", "risk"):
        assert developer.post(url, {"c": ["1", "2"], "key": "team", "value": value}).location == table
    assert sorted(developer.get(f"{table}?q=tags.team+%3D+'risk'").texts(NAMES)) == ["a", "b"]


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"c": "1", "key": "mlflow.runName"}, 422, "are set by MLflow's client"),
        ({"c": "1", "key": ""}, 422, "A key cannot be empty."),
        ({"c": "1,99", "key": "k"}, 404, "There is no candidate 99"),
        ({"c": "1,x", "key": "k"}, 422, "chosen by their numbers"),
        ({"key": "k"}, 422, "Choose at least one candidate"),
        ({"c": ",".join(map(str, range(2000))), "key": "k"}, 413, "At most 1,000 candidates"),
    ],
)
def test_what_cannot_be_tagged_is_said_and_nothing_is_tagged(
    developer: Browser, table: str, fields: dict[str, str], status: int, sentence: str
) -> None:
    page = developer.post(f"{table}/selection/tag", {"value": "v", **fields})
    assert page.status == status
    assert sentence in page.text
    assert developer.get(f"{table}?q=tags.k+IS+NOT+NULL").texts(NAMES) == []


def test_one_is_sent_back_to_the_same_table_only(developer: Browser, table: str) -> None:
    for back in ("https://elsewhere.example/", "//elsewhere.example", "/", ""):
        done = developer.post(f"{table}/selection/tag", {"c": "1", "key": "k", "value": "v", "back": back})
        assert done.location == table


def test_a_candidate_is_renamed(developer: Browser, world: World, table: str) -> None:
    candidate = f"/{world.project_path}/-/ml/candidates/1"
    form = developer.get(f"{candidate}/edit")
    assert form.soup.select_one("#name")["value"] == "a"  # type: ignore[index]  # the field is there
    assert developer.post(f"{candidate}/edit", {"name": " better name "}).location == candidate
    assert developer.get(candidate).texts("h1") == ["Candidate 1 — better name"]
    renamed = developer.get(f"{table}?q=tags.`mlflow.runName`+%3D+'better+name'")
    assert renamed.texts(NAMES) == ["better name"]
    for name in (" ", "x" * 251):
        refused = developer.post(f"{candidate}/edit", {"name": name})
        assert (refused.status, len(refused.texts(".field-error"))) == (422, 1)
    developer.post(f"{candidate}/delete")
    assert developer.post(f"{candidate}/edit", {"name": "late"}).status == 422

"""The table of candidates as CSV: every row of it, for as long as its reader may look."""

import csv
import io
import logging
import threading
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import SYSTEM, Actor
from modelyard.domains.accounts.sign_in import end_session
from modelyard.domains.namespaces.groups import get_namespace, update_group
from modelyard.domains.namespaces.projects import create_project, delete_project, update_project
from modelyard.domains.tracking.candidate_rows import CandidateRow
from modelyard.domains.tracking.experiments import create_experiment
from modelyard.entrypoints.web.candidates_csv import CSV_ROWS
from modelyard.entrypoints.web.experiment_candidates import Asked, search_asked
from modelyard.entrypoints.web.experiment_pages import OpenedExperiment
from modelyard.platform.errors import Busy
from modelyard.platform.pagination import Page as PageOf
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import LIMIT_S, Browser
from tests.entrypoints.web.conftest import Browse, Log


def test_csv_is_the_table_with_every_row_and_no_formula(developer: Browser, table: str, log: Log) -> None:
    log("=cmd()", {"auc": -0.5}, {"depth": "-4", "note": "@sum", "text": 'a,"b"\nc'})
    log("plain", {"auc": float("nan")})
    page = developer.get(f"{table}.csv?cols=metrics.auc,params.depth,params.note,params.text&sort=metrics.auc")
    assert page.answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert page.answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(page.answer.text)))
    assert rows[0] == ["candidate", "name", "run_id", "metrics.auc", "params.depth", "params.note", "params.text"]
    assert rows[1][1] == "'=cmd()"
    assert rows[1][3:] == ["-0.5", "-4", "'@sum", 'a,"b"\nc']
    assert rows[2][3] == "nan"
    assert developer.get(f"{table}.csv?q=((").status == 422


Deed = Callable[[Session, Actor], None]
During = Callable[[Deed], list[str]]


@pytest.fixture
def during(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> During:
    """Makes CSVs of pages with one candidate, and does something while the first is read; tells who read, and where."""

    def do(deed: Deed) -> list[str]:
        threads = list[str]()

        def search(
            session: Session,
            actor: Actor,
            opened: OpenedExperiment,
            asked: Asked,
            *,
            max_results: int,
            token: str | None,
        ) -> PageOf[CandidateRow]:
            threads.append(threading.current_thread().name)
            if len(threads) == 2:  # the first one only looks whether anything is wrong
                with live.installation.database.write() as other:
                    deed(other, actor)
            return search_asked(session, actor, opened, asked, max_results=max_results, token=token)

        monkeypatch.setattr("modelyard.entrypoints.web.candidates_csv.CSV_ROWS", 1)
        monkeypatch.setattr("modelyard.entrypoints.web.candidates_csv.search_asked", search)
        return threads

    return do


@pytest.mark.parametrize("loss", ["session", "session of a reader of what is public", "visibility", "project"])
def test_csv_is_written_by_the_heavy_crew_and_ends_with_the_right_to_look(
    browse: Browse,
    live: LiveServer,
    world: World,
    table: str,
    log: Log,
    during: During,
    caplog: pytest.LogCaptureFixture,
    loss: str,
) -> None:
    for name in "abc":
        log(name)
    if "public" in loss or loss == "visibility":
        with live.installation.database.write() as session:
            update_group(session, SYSTEM, get_namespace(session, SYSTEM, "acme"), visibility="public")
            update_project(session, SYSTEM, world.project(session), visibility="public")

    def lose(session: Session, reader: Actor) -> None:
        if loss == "visibility":
            update_project(session, SYSTEM, world.project(session), visibility="private")
        elif loss == "project":
            delete_project(session, SYSTEM, world.project(session))
        else:
            end_session(session, reader)

    threads, reader = during(lose), browse(None if loss == "visibility" else world.developer)
    text = io.StringIO()
    with reader.client.stream("GET", f"{table}.csv") as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            text.writelines(answer.iter_text())
    rows = list(csv.reader(text.getvalue().splitlines()))
    assert len(rows) == 3
    assert rows[-1][0].startswith("The rest is missing.")
    assert [name.startswith(live.installation.heavy.name) for name in threads] == [True] * 2
    (line,) = [it for it in caplog.records if it.levelno >= logging.WARNING]
    assert line.getMessage().startswith("A CSV was cut before its end: ")
    assert line.exc_info is None


def test_csv_waits_while_the_server_is_busy(
    developer: Browser, table: str, log: Log, during: During, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        log(name)

    def refuse(_session: Session, _reader: Actor) -> None:
        raise Busy("Others are first.")

    during(refuse)
    monkeypatch.setattr("modelyard.entrypoints.web.candidates_csv.RETRY_S", 0)
    assert len(developer.get(f"{table}.csv").answer.text.splitlines()) == 4


def test_few_csvs_are_written_at_once_and_keep_no_table_waiting(
    developer: Browser, owner: Browser, table: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log("a")
    gate = threading.Event()

    def search(
        session: Session, actor: Actor, opened: OpenedExperiment, asked: Asked, *, max_results: int, token: str | None
    ) -> PageOf[CandidateRow]:
        if max_results == CSV_ROWS:
            assert gate.wait(LIMIT_S)
        return search_asked(session, actor, opened, asked, max_results=max_results, token=token)

    monkeypatch.setattr("modelyard.entrypoints.web.candidates_csv.search_asked", search)
    address, client = f"{table}.csv?cols=metrics.auc", developer.client
    with client.stream("GET", address) as first, client.stream("GET", address) as second:
        third = developer.get(address)
        assert (third.status, "downloading 2 CSVs already" in third.answer.text) == (429, True)
        assert owner.get(table).status == 200
        monkeypatch.setattr("modelyard.entrypoints.web.candidates_csv.MOST_CSVS", 2)
        others = owner.get(address)
        assert (others.status, "is writing 2 CSVs already" in others.answer.text) == (429, True)
        assert int(others.answer.headers["retry-after"]) == 10
        gate.set()
        assert len(first.read().splitlines()) == len(second.read().splitlines()) == 2
    assert [browser.get(address).status for browser in (developer, owner)] == [200, 200]


def test_the_csv_of_a_table_is_where_the_table_says(
    owner: Browser, live: LiveServer, world: World, experiment: str, log: Log
) -> None:
    log("a", {"auc": 0.7})
    with live.installation.database.write() as session:
        group = get_namespace(session, world.owner.actor, "acme")
        made = create_project(session, world.owner.actor, name="candidates-eu", namespace=group)
        create_experiment(session, world.owner.actor, made, name="e")
    for path in ("/acme/candidates-eu/-/ml/experiments/1/candidates?state=deleted", f"{experiment}/candidates?q=auc"):
        link = owner.get(path).soup.select_one("a[download]")
        assert link is not None
        assert owner.get(str(link["href"])).answer.headers["content-type"].startswith("text/csv")

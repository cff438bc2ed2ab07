"""From an empty server to the first candidate on an open page, by clicks alone and the unmodified MLflow client."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from modelyard.domains.accounts.sign_in import first_administrator_link
from tests.conftest import LiveServer
from tests.journeys.conftest import OpenWindow, Window

pytestmark = pytest.mark.full

PASSWORD = "four unlikely words together"
BUDGET_S = 60


def sign_up(window: Window, live: LiveServer) -> None:
    """Come in as the first administrator, by the link that the server printed."""
    with live.installation.database.write() as session:
        secret = first_administrator_link(session, live.installation.key)
    page = window.open(f"/-/first_administrator?token={secret}")
    page.get_by_label("Full name").fill("Ada Lovelace")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create administrator and sign in").click()
    page.get_by_role("heading", name="Your projects").wait_for()


def copied(window: Window) -> str:
    return str(window.page.evaluate("navigator.clipboard.readText()"))


def train(script: Path, variables: Mapping[str, str]) -> str:
    """Run a script as its owner would, with the unmodified MLflow client; the link that it prints."""
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, **variables}, check=True, cwd=script.parent, capture_output=True
    )
    printed = re.search(rb"View run .* at: (\S+)", done.stdout + done.stderr)
    assert printed, done.stdout
    return printed[1].decode()


def test_the_first_candidate_is_on_the_page_in_a_minute(
    serve: Callable[[], LiveServer], window: OpenWindow, script_folder: Path
) -> None:
    live = serve()
    mine = window(live)
    sign_up(mine, live)
    page, began = mine.page, time.monotonic()

    mine.click("Create project", role="link")
    page.get_by_label("Name of the project").fill("Churn")
    mine.click("Create project")
    page.get_by_role("heading", name="Set up Churn").wait_for()

    mine.click("Create access token", role="link")
    page.get_by_label("What is the token for?").fill("laptop")
    mine.click("Log candidates from scripts and CI")
    mine.click("Create access token")
    page.get_by_role("heading", name="Token laptop created").wait_for()
    mine.click("Copy Log to Churn with this token")
    variables = dict(re.findall(r"export (\w+)=(\S+)", copied(mine)))

    mine.click("Experiments", role="link")
    page.get_by_role("heading", name="No experiment yet").wait_for()
    overview = page.context.new_page()
    overview.goto(f"{live.url}/ada/churn")
    overview.get_by_role("heading", name="Set up Churn").wait_for()
    page.bring_to_front()
    mine.click("Copy Log the first candidate with MLflow")
    script = script_folder / "train.py"
    script.write_text(copied(mine), encoding="utf-8")
    link = train(script, variables)

    overview.get_by_role("heading", name="Recent candidates").wait_for(timeout=10_000)
    overview.get_by_text("3 of 4").wait_for()
    overview.close()
    mine.click("first-experiment", role="link")
    page.locator(".table-grid tbody tr").first.wait_for()
    assert time.monotonic() - began < BUDGET_S
    assert page.locator(".table-grid tbody tr").count() == 1
    assert "finished" in page.locator(".table-grid tbody tr").inner_text()
    assert mine.clicks <= 9

    see_the_next_one_come(mine, lambda: train(script, variables))
    see_its_curve(mine)
    page.goto(link)
    page.get_by_role("heading", name=re.compile("Candidate 1 — ")).wait_for()


def see_the_next_one_come(mine: Window, log_another: Callable[[], object]) -> None:
    """It appears on the open page by itself."""
    page = mine.page
    page.locator('.live-dot[data-state="open"]').wait_for()
    log_another()
    page.locator(".table-grid tbody tr").nth(1).wait_for(timeout=10_000)


def see_its_curve(mine: Window) -> None:
    """Draw it, and read its last point by the keyboard."""
    page = mine.page
    page.locator(".table-grid tbody th a").first.click()
    page.get_by_role("link", name="Performance").click()
    page.locator("my-chart canvas").first.wait_for()
    page.locator("my-chart").first.focus()
    page.keyboard.press("End")
    assert "step 99" in page.locator("#announcements").inner_text()


def test_an_empty_page_fills_by_itself(
    serve: Callable[[], LiveServer], window: OpenWindow, script_folder: Path
) -> None:
    live = serve()
    mine = window(live)
    sign_up(mine, live)
    page = mine.open("/projects/new")
    page.get_by_label("Name of the project").fill("Churn")
    page.get_by_role("button", name="Create project").click()
    page.get_by_role("link", name="Create experiment").click()
    page.locator("dialog").get_by_label("Name of the experiment").fill("by hand")
    page.locator("dialog").get_by_role("button", name="Create experiment").click()
    page.get_by_role("heading", name="No candidate yet").wait_for()
    page.get_by_role("button", name="Copy Log a candidate with MLflow").click()
    script = script_folder / "train.py"
    script.write_text(copied(mine), encoding="utf-8")

    page.goto(f"{live.url}/-/user_settings/personal_access_tokens")
    page.get_by_label("What is the token for?").fill("laptop")
    page.get_by_role("button", name="Log candidates from scripts and CI").click()
    page.get_by_role("button", name="Create access token").click()
    token = page.locator("#new-token").inner_text()
    page.goto(f"{live.url}/ada/churn/-/ml/experiments/1/candidates")
    page.get_by_role("heading", name="No candidate yet").wait_for()
    train(script, {"MLFLOW_TRACKING_TOKEN": token})
    page.locator(".table-grid tbody tr").first.wait_for(timeout=10_000)

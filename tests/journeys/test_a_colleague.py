"""An administrator brings a colleague in, from the list of members to their first page, and out of trouble."""

import pytest

from tests.conftest import LiveServer, World
from tests.journeys.conftest import OpenWindow, Window

pytestmark = pytest.mark.full

PROJECT = "/acme/churn"


def sign_in(window: Window, password: str) -> None:
    page = window.page
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(password)
    window.click("Sign in")


def test_a_colleague_gets_an_account_a_role_and_later_a_new_password(
    live: LiveServer, world: World, window: OpenWindow
) -> None:
    mine, theirs = window(live, world.administrator), window(live)
    page = mine.open(f"{PROJECT}/-/project_members")
    mine.click("Add member…", role="link")
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Username").fill("ada")
    dialog.get_by_role("button", name="Add member to churn").click()
    dialog.get_by_role("link", name="Create user ada").click()
    page.get_by_role("heading", name="Create user").wait_for()
    mine.click("Create user")
    password = page.locator("#new-password").inner_text()
    mine.click("Add ada as a member", role="link")
    mine.click("Add member to churn")
    page.get_by_text("ada is now a member of churn.").wait_for()

    theirs.open(PROJECT)
    sign_in(theirs, password)
    theirs.page.get_by_role("heading", name="churn", exact=True).wait_for()

    mine.open("/admin/users")
    mine.click("Actions on ada")
    mine.click("Make new password for ada…", role="menuitem")
    dialog.get_by_role("button", name="Make new password for ada").click()
    second = dialog.locator("#new-password").inner_text()
    assert second != password
    theirs.page.reload()
    sign_in(theirs, second)
    theirs.page.get_by_role("heading", name="churn", exact=True).wait_for()

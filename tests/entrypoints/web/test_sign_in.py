"""Signing in and out, and the first administrator's one-time page."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import update

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.passwords import NOBODYS_HASH, hash_password, password_matches
from modelyard.domains.accounts.sign_in import first_administrator_link
from modelyard.domains.accounts.tables import OneTimeLink, User
from modelyard.domains.accounts.users import block_user, create_user, find_user
from modelyard.domains.namespaces.groups import create_personal_namespace
from modelyard.platform.clock import now
from modelyard.platform.database import open_database
from modelyard.platform.proxies import Proxies
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import COOKIE, Browser, Page
from tests.entrypoints.web.conftest import Browse

PASSWORD = "four unlikely words together"


@pytest.fixture
def ada(live: LiveServer) -> str:
    """A person with a password."""
    with live.installation.database.write() as session:
        user = create_user(
            session, SYSTEM, username="ada", name="Ada", email="ada@example.org", password=hash_password(PASSWORD)
        )
        create_personal_namespace(session, SYSTEM, user)
    return "ada"


def sign_in(browser: Browser, login: str, password: str = PASSWORD, following: str = "") -> Page:
    fields: dict[str, str | list[str]] = {"login": login, "password": password, "next": following}
    return browser.post("/users/sign_in", fields)


def test_one_signs_in_by_name_or_address_and_goes_on(browse: Browse, ada: str) -> None:
    for login in (ada, "ADA", "ada@example.org"):
        page = sign_in(browse(), login, following="/groups/new")
        assert (page.status, page.location) == (303, "/groups/new")
        cookie = page.answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()


def test_signing_in_gives_a_new_session(browse: Browse, ada: str) -> None:
    browser = browse()
    sign_in(browser, ada)
    first = browser.client.cookies[COOKIE]
    sign_in(browser, ada)
    assert browser.client.cookies[COOKIE] != first


@pytest.mark.parametrize(("login", "password"), [("ada", "not this one"), ("nobody", PASSWORD), ("", "")])
def test_whatever_is_wrong_sounds_the_same(browse: Browse, ada: str, login: str, password: str) -> None:
    assert ada
    page = sign_in(browse(), login, password)
    assert page.status == 401
    assert page.texts(".error-summary") == ["The user name or the password is wrong."]
    assert password not in page.answer.text or not password


def test_guessing_is_slowed_down(browse: Browse, ada: str) -> None:
    browser = browse()
    pages = [sign_in(browser, ada, "wrong") for _ in range(11)]
    assert [page.status for page in pages] == [401] * 10 + [429]
    assert "Too many tries" in pages[-1].text


def test_signing_out_ends_the_session_on_the_server(browse: Browse, ada: str) -> None:
    browser = browse()
    sign_in(browser, ada)
    cookie = browser.client.cookies[COOKIE]
    assert browser.get("/").status == 200
    assert browser.post("/users/sign_out").location == "/users/sign_in"
    browser.client.cookies.set(COOKIE, cookie)
    assert browser.get("/").location.startswith("/users/sign_in")


def test_whoever_another_process_has_blocked_changes_nothing_more(
    browse: Browse, live: LiveServer, world: World
) -> None:
    root = browse(world.administrator)
    assert root.get("/admin/users").status == 200
    beside = open_database(live.installation.settings)
    with beside.write() as session:
        block_user(session, SYSTEM, session.get_one(User, world.administrator.actor.user_id))
    made = root.post("/admin/users", {"username": "friend", "password": PASSWORD, "administrator": "on"})
    assert made.status == 401
    with beside.read() as session:
        assert find_user(session, SYSTEM, "friend") is None
    beside.close()


def test_a_new_password_ends_other_sessions(browse: Browse, ada: str) -> None:
    mine, elsewhere = browse(), browse()
    sign_in(mine, ada)
    sign_in(elsewhere, ada)
    wrong = {"current_password": "wrong", "new_password": "another long password"}
    assert mine.post("/-/user_settings/password", {**wrong}).status == 422
    right = {"current_password": PASSWORD, "new_password": "another long password"}
    assert mine.post("/-/user_settings/password", {**right}).status == 303
    assert mine.get("/").status == 200
    assert elsewhere.get("/").location.startswith("/users/sign_in")


def test_the_first_administrator_comes_in_once(serve: Callable[[], LiveServer]) -> None:
    live = serve()
    with live.installation.database.write() as session:
        secret = first_administrator_link(session, live.installation.key)
    path = f"/-/first_administrator?token={secret}"
    browser = Browser(live.url, live.installation)
    told = browser.get("/users/sign_in")
    assert "modelyard admin sign-up-link" in told.text
    assert str(secret) not in told.answer.text
    assert browser.get(path).texts("h1") == ["Create the first administrator"]
    fields: dict[str, str | list[str]] = {"username": "root", "name": "Ada", "email": "ada@example.org"}
    weak = browser.post(path, {**fields, "password": "short"}, page=path)
    assert (weak.status, weak.texts(".error-summary")) == (422, ["A password needs at least 12 characters."])
    assert browser.post(path, {**fields, "password": PASSWORD}, page=path).location == "/"
    assert browser.get("/").texts("h1") == ["Your projects"]
    stranger = Browser(live.url, live.installation)
    for page in (stranger.get("/users/sign_in"), sign_in(stranger, "nobody")):
        assert "administer" not in page.text, "Once there is one, nobody learns how it came about."
    for used in (browser.get(path), stranger.get(path)):
        assert used.status == 410
        assert used.texts("h1") == ["This sign-up link opens nothing"]
        assert "This server has an administrator already" in used.text
    late = stranger.post(path, {**fields, "username": "late", "password": PASSWORD}, page="/users/sign_in")
    assert "This server has an administrator already" in late.text
    browser.close()
    stranger.close()


def test_a_link_that_is_too_old_or_made_up_says_how_to_get_another(serve: Callable[[], LiveServer]) -> None:
    live = serve()
    with live.installation.database.write() as session:
        secret = first_administrator_link(session, live.installation.key)
        session.execute(update(OneTimeLink).values(expires_at=now()))
    stranger = Browser(live.url, live.installation)
    for token in (secret, "myd_lnk_made_up"):
        page = stranger.get(f"/-/first_administrator?token={token}")
        assert page.status == 410
        assert "modelyard admin sign-up-link" in page.text
        assert not page.soup.select("form")
    stranger.close()


def test_passwords_wait_for_passwords_only(browse: Browse, ada: str) -> None:
    browser = browse()
    sign_in(browser, ada)
    crew, gate = browser.installation.passwords, threading.Event()
    for _ in range(crew.threads + crew.most_waiting):
        crew.go_on(gate.wait)
    try:
        refused = sign_in(browser, ada)
    finally:
        gate.set()
    assert refused.status == 429
    assert int(refused.answer.headers["retry-after"]) >= 1
    assert browser.get("/").status == 200
    assert sign_in(browser, ada).status == 303


def test_a_form_with_a_password_is_small(browse: Browse, ada: str) -> None:
    browser = browse()
    assert sign_in(browser, ada, "x" * 3000).status == 401
    page = sign_in(browser, ada, "x" * 5000)
    assert page.status == 413
    assert "4096 bytes" in page.text


def test_nobodys_password_takes_as_long_to_check() -> None:
    kept = hash_password(PASSWORD)
    assert NOBODYS_HASH.split("$")[:4] == kept.split("$")[:4]
    assert [len(part) for part in NOBODYS_HASH.split("$")] == [len(part) for part in kept.split("$")]
    assert not password_matches(None, PASSWORD)
    assert password_matches(kept, PASSWORD)


@pytest.mark.parametrize(("ranges", "statuses"), [("127.0.0.1", [401, 401]), ("", [429, 429])])
def test_behind_a_proxy_visitors_are_told_apart(
    browse: Browse, ada: str, ranges: str, statuses: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    browser = browse()
    browser.installation.proxies = Proxies(ranges)
    for number in range(10):
        browser.client.headers["X-Forwarded-For"] = "198.51.100.1"
        assert sign_in(browser, f"user-{number}").status == 401
    for index, address in enumerate(("198.51.100.2", "198.51.100.1, 198.51.100.3")):
        browser.client.headers["X-Forwarded-For"] = address
        assert sign_in(browser, f"{ada}-{index}").status == statuses[index]
    assert caplog.text.count("MODELYARD_TRUSTED_PROXIES does not name") == (0 if ranges else 1)

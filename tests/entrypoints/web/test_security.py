"""Forms are taken from our own pages only, and pages carry what keeps a browser on our side."""

import httpx
import pytest

from modelyard.entrypoints.web.security import check_csrf, csrf_token, local_path
from modelyard.platform.crypto import ServerKey
from modelyard.platform.errors import Forbidden
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import COOKIE, Browser
from tests.entrypoints.web.conftest import Browse


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/acme/churn?q=1", "/acme/churn?q=1"),
        ("//elsewhere.example/x", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("", "/"),
        ("acme", "/"),
    ],
)
def test_after_signing_in_one_stays_here(address: str, path: str) -> None:
    assert local_path(address) == path


def test_a_token_is_spelled_differently_each_time_and_good_each_time() -> None:
    key = ServerKey(b"a key of this test, long enough for it")
    tokens = [csrf_token(key, "cookie") for _ in range(3)]
    assert len(set(tokens)) == 3
    for token in tokens:
        check_csrf(key, "cookie", token)
    for wrong in ("", "00", "xyz", tokens[0][:-2], tokens[0][:64], "0" * 128, tokens[0] + "00"):
        with pytest.raises(Forbidden):
            check_csrf(key, "cookie", wrong)
    with pytest.raises(Forbidden):
        check_csrf(key, "another", tokens[0])
    with pytest.raises(Forbidden):
        check_csrf(key, "", csrf_token(key, ""))


def make_group(browser: Browser, token: str, **headers: str) -> int:
    fields = {"csrf_token": token, "name": "Other", "visibility": "private"}
    return browser.client.post("/groups", data=fields, headers=headers).status_code


def test_a_form_needs_the_token_of_its_own_browser(browse: Browse, world: World) -> None:
    mine, other = browse(world.owner), browse(world.developer)
    token = mine.token("/groups/new")
    assert make_group(mine, "") == 403
    assert make_group(mine, other.token("/groups/new")) == 403
    assert make_group(mine, token) == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(owner: Browser, headers: dict[str, str]) -> None:
    assert make_group(owner, owner.token("/groups/new"), **headers) == 403


def test_a_form_of_our_own_is_taken(owner: Browser, live: LiveServer) -> None:
    headers = {"Origin": live.url, "Sec-Fetch-Site": "same-origin"}
    assert make_group(owner, owner.token("/groups/new"), **headers) == 303


def test_a_page_says_what_a_browser_may_do_with_it(owner: Browser) -> None:
    headers = owner.get("/").answer.headers
    policy = headers["content-security-policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"):
        assert part in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_long_pages_are_compressed_for_browsers_that_take_it(owner: Browser) -> None:
    plain = owner.get("/-/styleguide", **{"Accept-Encoding": "identity"}).answer
    packed = owner.get("/-/styleguide", **{"Accept-Encoding": "gzip"}).answer
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3


def test_pages_have_no_inline_script_or_style(owner: Browser, world: World) -> None:
    soup = owner.get(f"/{world.project_path}").soup
    assert not soup.select("[style], style")
    assert not [name for tag in soup.find_all() for name in tag.attrs if name.startswith("on")]
    inline = [script for script in soup.select("script") if not script.get("src")]
    assert all(script.get("type") == "importmap" and script.get("nonce") for script in inline)


def test_a_token_opens_no_page(live: LiveServer, world: World) -> None:
    answer = httpx.get(f"{live.url}/", headers=world.owner.headers, trust_env=False)
    assert answer.status_code == 303


def test_a_broken_cookie_is_nobody(browse: Browse) -> None:
    stranger = browse()
    stranger.client.cookies.set(COOKIE, "myd_ses_nonsense")
    assert stranger.get("/").location == "/users/sign_in?next=%2F"


def test_too_large_a_form_is_refused(owner: Browser) -> None:
    page = owner.post("/groups", {"name": "x" * (2 * 1024 * 1024)})
    assert page.status == 413

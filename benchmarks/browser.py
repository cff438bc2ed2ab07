"""What a person's browser does to see our pages: it signs up at the link on the console and keeps its cookie."""

import http.client
import re
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from benchmarks.samples import Unmeasurable
from benchmarks.servers import ADMINISTRATOR, Server

LINK = re.compile(r"http\S+/-/first_administrator\?token=\S+")
FORM_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
PASSWORD = "a long password for an hour"  # noqa: S105 - of a server that lives as long as the benchmark


def sign_up(server: Server) -> None:
    """Become the server's first administrator, whom `bootstrap` then finds, and keep the session's cookie."""
    link = LINK.search((server.directory / "server.log").read_text())
    if link is None:
        raise Unmeasurable(f"{server.name} has printed no link for its first administrator.")
    address = urlsplit(link[0])
    path = f"{address.path}?{address.query}"
    form, cookies = _send(server, "GET", path, {})
    token = FORM_TOKEN.search(form)
    fields = {"username": ADMINISTRATOR, "name": "Ada", "email": "ada@example.com", "password": PASSWORD}
    _, fresh = _send(server, "POST", path, cookies, fields | {"csrf_token": token[1] if token else ""})
    server.cookies = cookies | fresh


def headers(server: Server) -> dict[str, str]:
    """What the browser sends to ask for a page."""
    cookies = "; ".join(f"{name}={value}" for name, value in server.cookies.items())
    return {"Accept": "text/html", "User-Agent": "Mozilla/5.0", "Cookie": cookies}


def page(server: Server, path: str) -> str:
    """A page's HTML; fails with its status when that is not a 200."""
    return _send(server, "GET", path, server.cookies)[0]


def _send(
    server: Server, method: str, path: str, cookies: dict[str, str], fields: dict[str, str] | None = None
) -> tuple[str, dict[str, str]]:
    """The page and the cookies it sets."""
    sent = {"Accept": "text/html", "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    if fields is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, urlencode(fields) if fields else None, sent)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    expected = {http.HTTPStatus.OK} if fields is None else {http.HTTPStatus.SEE_OTHER, http.HTTPStatus.FOUND}
    if response.status not in expected:
        raise Unmeasurable(f"{server.name} answered {response.status} to the page {urlsplit(path).path}: {text[:300]}")
    set_cookies = SimpleCookie("; ".join(response.headers.get_all("Set-Cookie") or ()))
    return text, {name: morsel.value for name, morsel in set_cookies.items() if morsel.value}

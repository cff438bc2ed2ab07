"""A browser without scripts: keeps cookies, sends forms with their token, reads pages."""

from dataclasses import dataclass

import httpx
from bs4 import BeautifulSoup

from modelyard.domains.accounts.sign_in import start_session
from modelyard.entrypoints.request import Installation
from tests.conftest import Somebody

COOKIE = "modelyard_session"
# Where many tests run at once, a page that writes has to wait for the disk longer than httpx does by itself.
LIMIT_S = 30
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@dataclass(frozen=True)
class Page:
    """An answer, and its markup if it has any."""

    answer: httpx.Response

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def soup(self) -> BeautifulSoup:
        return BeautifulSoup(self.answer.text, "html.parser")

    @property
    def text(self) -> str:
        """What a reader sees, with single spaces."""
        return " ".join(self.soup.get_text(" ").replace("\u202f", " ").split())

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements that match."""
        return [" ".join(found.get_text(" ").replace("\u202f", " ").split()) for found in self.soup.select(selector)]

    @property
    def copies(self) -> str:
        """What the copy buttons of the page put on the clipboard."""
        return "\n".join(str(found["value"]) for found in self.soup.select("my-copy"))

    @property
    def location(self) -> str:
        """Where the answer sends the browser."""
        headers = self.answer.headers
        return str(headers.get("location") or headers.get("hx-redirect", ""))


class Browser:
    """Somebody's browser, or a stranger's."""

    def __init__(self, url: str, installation: Installation, somebody: Somebody | None = None) -> None:
        self.installation = installation
        self.client = httpx.Client(
            base_url=url, follow_redirects=False, trust_env=False, headers={"Accept": "text/html"}, timeout=LIMIT_S
        )
        if somebody is not None and somebody.actor.user_id is not None:
            with installation.database.write() as session:
                signed_in = start_session(session, installation.key, somebody.actor.user_id)
            self.client.cookies.set(COOKIE, signed_in.secret)

    def get(self, path: str, **headers: str) -> Page:
        return Page(self.client.get(path, headers=headers))

    def region(self, path: str, target: str) -> Page:
        """What htmx gets when it asks for one region."""
        return self.get(path, **PARTIAL, **{"HX-Target": f"div#{target}"})

    def token(self, path: str) -> str:
        """The token that forms on a page carry."""
        found = self.get(path).soup.select_one('meta[name="csrf-token"]')
        assert found is not None, f"{path} is no page."
        return str(found["content"])

    def post(self, path: str, fields: dict[str, str | list[str]] | None = None, *, page: str = "/-/styleguide") -> Page:
        """Send a form with the token of `page`."""
        data = {"csrf_token": self.token(page), **(fields or {})}
        return Page(self.client.post(path, data=data))

    def follow(self, page: Page) -> Page:
        """Go where an answer sends the browser."""
        assert page.location, (page.status, page.text[:500])
        return self.get(page.location)

    def close(self) -> None:
        self.client.close()

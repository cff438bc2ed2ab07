"""A real browser: Debian's Chromium, driven by Playwright, with everything that goes wrong in a page collected."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from modelyard.domains.accounts.sign_in import start_session
from modelyard.entrypoints.web.assets import load_assets
from tests.conftest import LiveServer, Somebody

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
EXPECTED = "Failed to load resource: the server responded with a status of 4"


@pytest.fixture
def engine() -> str:
    """A journey is a person's, and pages look alike on both engines; it is walked on one."""
    return "sqlite"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Playwright's event loop counts as running while it is open, so it must not outlive its module."""
    program = os.environ.get("MODELYARD_CHROMIUM") or shutil.which("chromium")
    assert program, "Journeys need Chromium: apt-get install chromium."
    assert load_assets().are_built, "Journeys need the assets: python3 dev.py assets."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Window:
    """A browser window, and what its pages complained of."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    clicks: int = 0

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def click(self, name: str, *, role: str = "button") -> None:
        """Press what has this accessible name, and count it."""
        self.page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]  # one of ARIA's roles
        self.clicks += 1


OpenWindow = Callable[..., Window]


@pytest.fixture
def window(chromium: Browser) -> Iterator[OpenWindow]:
    """Opens a window on a server, for somebody or for nobody; nothing a page complains of goes unnoticed."""
    contexts: list[tuple[BrowserContext, Window]] = []

    def open_window(
        live: LiveServer,
        somebody: Somebody | None = None,
        *,
        width: int = 1280,
        theme: str = "light",
        **options: object,
    ) -> Window:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
            bypass_csp=bool(options.get("bypass_csp")),
        )
        if somebody is not None and somebody.actor.user_id is not None:
            with live.installation.database.write() as session:
                secret = start_session(session, live.installation.key, somebody.actor.user_id).secret
            context.add_cookies([{"name": "modelyard_session", "value": secret, "url": live.url}])
        opened = Window(context.new_page(), live.url)
        _listen(opened)
        contexts.append((context, opened))
        return opened

    yield open_window
    for context, opened in contexts:
        context.close()
        assert opened.complaints == []


def _listen(opened: Window) -> None:
    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(EXPECTED):
            opened.complaints.append(f"{opened.page.url}: {message.text}")

    opened.page.on("console", hear)
    opened.page.on("pageerror", lambda error: opened.complaints.append(f"{opened.page.url}: {error}"))
    opened.page.on("dialog", lambda dialog: opened.complaints.append(f"{opened.page.url}: {dialog.message}"))


@pytest.fixture
def script_folder(tmp_path: Path) -> Path:
    """Where a journey writes the scripts that its person runs."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    return folder

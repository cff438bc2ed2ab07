"""A page that fails names the request, as its lines in the log do."""

import pytest

from modelyard.entrypoints.web import home
from modelyard.platform.telemetry import TextFormatter
from tests.entrypoints.web.browser import PARTIAL, Browser


def fail(*_arguments: object, **_options: object) -> None:
    """Stand in for a part of a page that has a fault."""
    raise RuntimeError("a fault of ours")


def test_a_crash_page_and_its_log_line_carry_the_same_number(
    developer: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(home, "search_projects", fail)
    page = developer.get("/", **{"Accept-Encoding": "identity"})
    number = page.answer.headers["x-request-id"]
    assert (page.status, page.texts("h1")) == (500, ["The server could not do this"])
    assert f"as request {number}." in page.text
    line = next(record for record in caplog.records if record.exc_info)
    assert f"[{number} actor=" in TextFormatter().format(line)
    assert "a fault of ours" in TextFormatter().format(line)
    assert "a fault of ours" not in page.answer.text
    toast = developer.get("/", **PARTIAL)
    assert toast.answer.headers["x-request-id"] in toast.texts(".toast-text")[0]

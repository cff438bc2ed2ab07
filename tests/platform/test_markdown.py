"""Markdown of users is shown as text, tables and links, and nothing of it runs or reports."""

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from modelyard.platform.markdown import safe_html

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](https://elsewhere.example/track.png)",
    '<a href="x" onclick="alert(1)">x</a>',
    "<style>body{display:none}</style>",
    "<svg/onload=alert(1)>",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_it_runs(text: str) -> None:
    soup = BeautifulSoup(safe_html(text), "html.parser")
    assert not soup.select("script, img, style, svg, iframe")
    assert not [name for tag in soup.find_all() for name in tag.attrs if name.startswith("on") or name == "style"]
    assert all(str(link["href"]).startswith(("http", "mailto")) for link in soup.select("a[href]"))


def test_headings_begin_below_the_page_s_own() -> None:
    assert safe_html("# One\n\n###### Six") == "<h2>One</h2>\n<h6>Six</h6>\n"


def test_tables_and_links_are_kept() -> None:
    soup = BeautifulSoup(safe_html("| a | b |\n|--|--|\n| 1 | [x](https://a.example) |"), "html.parser")
    assert [cell.text for cell in soup.select("td")] == ["1", "x"]
    link = soup.select_one("a")
    assert link is not None
    assert link["rel"] == ["nofollow", "noopener", "noreferrer"]


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    assert "<script" not in safe_html(text).lower()

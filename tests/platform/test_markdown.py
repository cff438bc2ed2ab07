"""Markdown of users is shown as text, tables and links, and nothing of it runs or reports."""

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from modelyard.platform.markdown import CUT, MOST_CHARACTERS, MOST_MARKUP, safe_html

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


@pytest.mark.parametrize(
    "text",
    [
        "A sentence of a very long report.\n\n" * 5_000,
        "# Before\n\n" + "[a][b]" * 4_000 + "\n\n[b]: https://a.example/" + "x" * 30_000,
        "# Before\n\n" + "|a" * 2_000 + "|\n" + "|-" * 2_000 + "|\n" + "|\n" * 5_000,
    ],
    ids=["long", "one address a thousand times", "a ragged table"],
)
def test_what_is_too_long_is_cut_between_blocks(text: str) -> None:
    html = safe_html(text)
    assert html.endswith(CUT)
    assert len(html) < 2 * MOST_MARKUP
    assert html.startswith(("<h2>Before</h2>", "<p>A sentence"))


def test_the_longest_text_that_is_shown_whole() -> None:
    text = "word " * (MOST_CHARACTERS // 5)
    assert CUT not in safe_html(text)
    assert safe_html(text + text).endswith(CUT)


def test_a_block_that_makes_too_much_markup_is_shown_as_it_was_written() -> None:
    html = safe_html("- <\n" * 16_000)
    assert html.startswith("<pre><code>- &lt;\n- &lt;")
    assert CUT not in html

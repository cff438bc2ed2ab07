"""Markdown of users as HTML that is safe to show: CommonMark with tables, then an allow-list of elements."""

import functools
from collections.abc import Sequence
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

MOST_CHARACTERS = 64 * 1024
# Addresses that are written once and used often, and the cells of ragged tables, make much markup of little text.
MOST_MARKUP = 4 * MOST_CHARACTERS
LOWEST_HEADING = 6
CUT = "<p>The rest is too long to be shown here.</p>\n"

_parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
_ELEMENTS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}


def safe_html(text: str) -> str:
    """HTML without scripts, styles, images or addresses that run; links tell the other site nothing.

    Headings are one level lower than they were written: the first level is the page's own. A long text is cut, and
    shown as it was written when even its first block makes too much markup.
    """
    html, is_whole = _safe_html(text[:MOST_CHARACTERS])
    return html if is_whole and len(text) <= MOST_CHARACTERS else html + CUT


@functools.lru_cache(maxsize=64)
def _safe_html(text: str) -> tuple[str, bool]:
    """The same, and whether all of it is there. A paragraph costs milliseconds, and pages show the same ones often."""
    tokens = _parser.parse(text)
    kept = tokens[: _blocks_within(tokens, MOST_MARKUP)]
    if tokens and not kept:
        return f"<pre><code>{escape(text)}</code></pre>\n", True
    for token in kept:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 1, LOWEST_HEADING)}"
    html = nh3.clean(
        _parser.renderer.render(kept, _parser.options, {}),
        tags=_ELEMENTS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )
    return html, len(kept) == len(tokens)


def _blocks_within(tokens: Sequence[Token], most: int) -> int:
    """How many tokens make up the whole blocks whose markup is not longer than `most`."""
    length = end = 0
    for number, token in enumerate(tokens, start=1):
        length += sum(_length(part) for part in (token, *(token.children or ())))
        if length > most:
            break
        if token.level == 0 and token.nesting <= 0:
            end = number
    return end


def _length(token: Token) -> int:
    """About how long the markup of one token is."""
    return len(token.content) + len(token.tag) + 3 + sum(len(str(value)) for value in token.attrs.values())

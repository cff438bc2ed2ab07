"""Markdown of users as HTML that is safe to show: CommonMark with tables, then an allow-list of elements."""

import nh3
from markdown_it import MarkdownIt

MOST_CHARACTERS = 1024 * 1024
LOWEST_HEADING = 6

_parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
_ELEMENTS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}


def safe_html(text: str) -> str:
    """HTML without scripts, styles, images or addresses that run; links tell the other site nothing.

    Headings are one level lower than they were written: the first level is the page's own.
    """
    tokens = _parser.parse(text[:MOST_CHARACTERS])
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 1, LOWEST_HEADING)}"
    return nh3.clean(
        _parser.renderer.render(tokens, _parser.options, {}),
        tags=_ELEMENTS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )

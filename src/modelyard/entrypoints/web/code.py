"""Highlighted source code, as markup with Pygments' short class names (`static/src/css/code.css` colours them)."""

from functools import lru_cache

from markupsafe import Markup
from pygments import highlight as pygments_highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import TextLexer, get_lexer_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound

_FORMATTER = HtmlFormatter(nowrap=True)


@lru_cache(maxsize=256)
def highlight(code: str, language: str) -> Markup:
    """The code with its words marked up. Pygments escapes what it is given."""
    return _marked_up(code, get_lexer_by_name(language))


def highlighted_lines(code: str, file_name: str) -> list[Markup]:
    """The lines of a file, in the language that its name suggests; elements never span lines."""
    try:
        lexer = get_lexer_for_filename(file_name)
    except ClassNotFound:
        lexer = TextLexer()
    return [Markup(line) for line in _marked_up(code, lexer).split("\n")]  # noqa: S704 - split from escaped markup


def _marked_up(code: str, lexer: Lexer) -> Markup:
    return Markup(pygments_highlight(code, lexer, _FORMATTER).rstrip("\n"))  # noqa: S704 - Pygments escapes its input

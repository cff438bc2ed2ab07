"""Cuts a filter or an order into tokens in one pass, each with its place, so that errors can point at it."""

from dataclasses import dataclass
from enum import Enum, auto

from modelyard.platform.errors import Invalid

MAX_LENGTH = 65_536

RANGE = ".."
_QUOTES = "`\"'"
_COMPARING = "=<>!~"
_DIGITS = "0123456789"
_SIGNS = {"(": "OPEN", ")": "CLOSE", ",": "COMMA"}
_NUMBER_WORDS = {"inf", "infinity", "nan"}


class Kind(Enum):
    NAME = auto()  # a field or a keyword: `metrics.loss`, status, AND
    TEXT = auto()  # in single or double quotes
    NUMBER = auto()
    COMPARATOR = auto()
    OPEN = auto()
    CLOSE = auto()
    COMMA = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text as it was written. `head` and `key` are the unquoted parts of a name; a text has only a head.

    `is_quoted` tells a quoted head from a bare one, which may be a keyword.
    """

    kind: Kind
    written: str
    place: int
    head: str = ""
    key: str | None = None
    is_quoted: bool = False

    @property
    def keyword(self) -> str:
        """The upper-cased word, empty for what cannot be one."""
        return self.written.upper() if self.kind is Kind.NAME and self.key is None and not self.is_quoted else ""

    def __str__(self) -> str:
        return "the end" if self.kind is Kind.END else f"'{self.written}' at character {self.place + 1}"


class UnreadableFilter(Invalid):
    """A filter that cannot be read where it has `length` characters from `place` on, counted from 0."""

    def __init__(self, message: str, place: int, length: int = 1) -> None:
        super().__init__(message)
        self.place = place
        self.length = length


def tokens_of(text: str) -> list[Token]:
    """The tokens of `text`; the last one is always END.

    Raises:
        Invalid: it is too long, a quote is not closed, or a character belongs to nothing.
    """
    if len(text) > MAX_LENGTH:
        raise Invalid(f"The filter is {len(text)} characters long; at most {MAX_LENGTH} are read.")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid("Invalid clause(s) in filter string: it contains a character that no text can contain.")
    found: list[Token] = []
    place = 0
    while (place := _skip_spaces(text, place)) < len(text):
        token = _token_at(text, place)
        found.append(token)
        place += len(token.written)
    found.append(Token(Kind.END, "", len(text)))
    return found


def _skip_spaces(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _token_at(text: str, place: int) -> Token:
    character = text[place]
    if character in _SIGNS:
        return Token(Kind[_SIGNS[character]], character, place)
    if character in _COMPARING:
        return Token(Kind.COMPARATOR, text[place : _run(text, place, _COMPARING)], place)
    if character in "\"'":
        return _quoted_text(text, place)
    if character in _DIGITS or character in "+-.":
        return _number(text, place)
    if character == "`" or _is_word(character):
        return _name(text, place)
    if character == ";":
        raise UnreadableFilter(
            f"Search filter contained multiple expression {text!r}. Give one, joined by AND and OR, without a ';'.",
            place,
        )
    raise UnreadableFilter(
        f"Invalid clause(s) in filter string: '{character}' at character {place + 1} means nothing here. "
        "Put names and texts that contain it in quotes.",
        place,
    )


def _run(text: str, place: int, characters: str) -> int:
    while place < len(text) and text[place] in characters:
        place += 1
    return place


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _end_of_word(text: str, place: int, extra: str) -> int:
    while place < len(text) and (_is_word(text[place]) or text[place] in extra):
        place += 1
    return place


def _end_of_text(text: str, place: int) -> int:
    """Where the quote that opens at `place` closes; a doubled quote inside stands for itself."""
    quote = text[place]
    end = text.find(quote, place + 1)
    while end != -1 and text.startswith(quote, end + 1):
        end = text.find(quote, end + 2)
    return _closed(text, place, end)


def _closed(text: str, place: int, end: int) -> int:
    if end == -1:
        raise UnreadableFilter(
            f"Invalid clause(s) in filter string: the quote {text[place]} at character {place + 1} is never closed.",
            place,
            len(text) - place,
        )
    return end


def _quoted_text(text: str, place: int) -> Token:
    end = _end_of_text(text, place)
    quote = text[place]
    content = text[place + 1 : end].replace(quote * 2, quote)
    return Token(Kind.TEXT, text[place : end + 1], place, head=content, is_quoted=True)


def _name(text: str, place: int) -> Token:
    """A word, or `entity.key`; the entity may stand in backticks, the key in any quotes."""
    if is_quoted := text[place] == "`":
        end = _closed(text, place, text.find("`", place + 1)) + 1
        head = text[place + 1 : end - 1]
    else:
        end = _end_of_word(text, place, extra="")
        head = text[place:end]
    if not text.startswith(".", end):
        return _word_or_number(text[place:end], place, head, is_quoted=is_quoted)
    start = end + 1
    if start < len(text) and text[start] in _QUOTES:
        end = _closed(text, start, text.find(text[start], start + 1)) + 1
        key = text[start + 1 : end - 1]
    else:
        end = _end_of_word(text, start, extra=".-/:")
        key = text[start:end]
    return Token(Kind.NAME, text[place:end], place, head=head, key=key, is_quoted=is_quoted)


def _word_or_number(written: str, place: int, head: str, *, is_quoted: bool) -> Token:
    kind = Kind.NUMBER if not is_quoted and head.lower() in _NUMBER_WORDS else Kind.NAME
    return Token(kind, written, place, head=head, is_quoted=is_quoted)


def _number(text: str, place: int) -> Token:
    """Digits, a sign, points, an exponent; whether they make a number or a range is for the parser to say."""
    end = place + 1
    while end < len(text) and (_is_word(text[end]) or text[end] == "." or _is_inner_sign(text, end)):
        end += 1
    return Token(Kind.NUMBER, text[place:end], place)


def _is_inner_sign(text: str, place: int) -> bool:
    """The sign of an exponent, or of the second number of a range."""
    return text[place] in "+-" and (text[place - 1] in "eE" or text.endswith(RANGE, 0, place))

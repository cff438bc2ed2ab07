"""Whole numbers as people and addresses write them, never more digits than a column of the database holds."""

from modelyard.platform.errors import Invalid

MOST = 2**63 - 1
_MOST_DIGITS = len(str(MOST))


def whole_number(text: str, refusal: str, *, least: int = 0, most: int = MOST) -> int:
    """The number from `least` to `most` that was written in ASCII digits.

    Raises:
        Invalid: it is none, in the words of `refusal`.
    """
    digits = text.removeprefix("-")
    if len(digits) <= _MOST_DIGITS and digits.isascii() and digits.isdecimal() and least <= int(text) <= most:
        return int(text)
    raise Invalid(refusal)

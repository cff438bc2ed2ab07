"""Texts that users send, before they are kept."""

from collections.abc import Mapping

from modelyard.platform.errors import Invalid

MOST_EXPERIMENT_NAME = 500
MOST_EXPERIMENT_TAG = 20_000
MOST_KEY = 250
MOST_PARAMETER = 6_000
MOST_TAG = 8_000


def checked_text(value: str, what: str, most: int) -> str:
    """`value`, if it can be kept as it is.

    Raises:
        Invalid: it is too long, or has a character that PostgreSQL cannot keep.
    """
    if len(value) > most:
        raise Invalid(f"'{what}' exceeds the maximum length of {most} characters")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid(f"'{what}' contains a character that no text can contain.")
    return value


def checked_pairs(pairs: Mapping[str, str], most: int) -> dict[str, str]:
    """Keys and values of tags or parameters.

    Raises:
        Invalid: a key or value cannot be kept.
    """
    for key in pairs:
        if not checked_text(key, "key", MOST_KEY):
            raise Invalid("A key cannot be empty.")
    return {key: checked_text(value, "value", most) for key, value in pairs.items()}

"""Paging by key: an opaque cursor carries the sort values of the last row, never an offset."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from modelyard.platform.errors import Invalid

Item = TypeVar("Item")
CursorValue = str | int | float | None

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[CursorValue]).decode


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some rows of a list in its order, and the cursor of the next ones; None when these are the last."""

    items: Sequence[Item]
    next_cursor: str | None = None


def encode_cursor(values: Sequence[CursorValue]) -> str:
    """`values` as text that survives a URL."""
    return base64.urlsafe_b64encode(_encode(list(values))).decode().rstrip("=")


def decode_cursor(text: str, *, length: int) -> list[CursorValue]:
    """The values behind a cursor that `encode_cursor` made.

    Raises:
        Invalid: it was not made here, or for another order.
    """
    try:
        values = _decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        values = []
    if len(values) != length:
        raise Invalid("This page token is not valid. Begin again without one.")
    return values

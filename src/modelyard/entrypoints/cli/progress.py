"""Says now and then, on a terminal, how far long work has come."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from modelyard.platform.settings import MEBIBYTE

EVERY_S = 1.0


@contextmanager
def bytes_worked_off(what: str) -> Iterator[Callable[[int], None]]:
    """A function to tell of bytes; the line with their sum vanishes at the end."""
    total = 0
    shown_at = time.monotonic()
    is_terminal = sys.stderr.isatty()

    def tell(size_bytes: int) -> None:
        nonlocal total, shown_at
        total += size_bytes
        if is_terminal and time.monotonic() - shown_at > EVERY_S:
            shown_at = time.monotonic()
            print(f"\r{total / MEBIBYTE:.0f} MiB {what} ", end="", file=sys.stderr, flush=True)

    yield tell
    if is_terminal:
        print("\r\033[K", end="", file=sys.stderr, flush=True)

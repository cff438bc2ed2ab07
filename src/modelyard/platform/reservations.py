"""Room that bodies on their way have been promised, so that several at once do not each count on the same.

Of one process; the database has the last word when a body has arrived.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from modelyard.platform.errors import TooLarge


class Reservations:
    """Bytes that are on their way, by the number of the place they are for."""

    def __init__(self) -> None:
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, place: int, left_bytes: int | None, declared_bytes: int | None, refusal: str) -> Iterator["Hold"]:
        """Keep room for one body until the block ends; `left_bytes` are those that nobody uses, None for any number.

        Raises:
            TooLarge: with `refusal`, if the body says that it is larger than what is left.
        """
        held = Hold(self, place, left_bytes, refusal)
        try:
            held.grow_to(declared_bytes or 0)
            yield held
        finally:
            held.release()

    def take(self, place: int, more_bytes: int, left_bytes: int | None) -> bool:
        """Promise more bytes, if there are as many; fewer are given back by a negative number."""
        with self._lock:
            promised = self._held.get(place, 0) + more_bytes
            if left_bytes is not None and more_bytes > 0 and promised > left_bytes:
                return False
            if promised:
                self._held[place] = promised
            else:
                self._held.pop(place, None)
            return True


class Hold:
    """The room of one body."""

    def __init__(self, reservations: Reservations, place: int, left_bytes: int | None, refusal: str) -> None:
        self._reservations = reservations
        self._place = place
        self._left_bytes = left_bytes
        self._refusal = refusal
        self._bytes = 0

    def grow_to(self, size_bytes: int) -> None:
        """The body has, or will have, so many bytes.

        Raises:
            TooLarge: they are more than is left.
        """
        if size_bytes > self._bytes:
            if not self._reservations.take(self._place, size_bytes - self._bytes, self._left_bytes):
                raise TooLarge(self._refusal)
            self._bytes = size_bytes

    def release(self) -> None:
        """Give the room back: the body is stored and counted, or will not come."""
        self._reservations.take(self._place, -self._bytes, None)
        self._bytes = 0

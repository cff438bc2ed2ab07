"""What pages remember for a moment, as it is the same for everybody and dear to find out: counts, usual columns."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")
MOST_KNOWN = 2_000


class Recollection(Generic[Value]):
    """Values that are found out again after `lasts_s` seconds. Ask only for what the actor was allowed to see."""

    def __init__(self, lasts_s: float) -> None:
        self._lasts_s = lasts_s
        self._known: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, key: Hashable, find: Callable[[], Value]) -> Value:
        """What is known of `key`, else what `find` says."""
        moment = time.monotonic()
        with self._lock:
            found = self._known.get(key)
        if found is not None and found[0] > moment:
            return found[1]
        value = find()
        with self._lock:
            self._known[key] = (moment + self._lasts_s, value)
            self._known.move_to_end(key)
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return value

"""How often one address, and one account, may try a password: ten times a minute each, in this process."""

import threading
import time
from collections import OrderedDict, deque

from modelyard.platform.errors import Busy

MOST_TRIES = 10
WINDOW_S = 60.0
MOST_KNOWN = 20_000


class SignInThrottle:
    """Remembers the tries of the last minute. A server of several processes allows so many in each."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, client: str, login: str) -> None:
        """Count a try.

        Raises:
            Busy: there were too many.
        """
        with self._lock:
            waits = [self._wait(name) for name in (f"address {client}", f"account {login.strip().lower()}")]
        if max(waits) > 0:
            seconds = int(max(waits)) + 1
            raise Busy(f"Too many tries to sign in. Wait {seconds} seconds.", retry_after_s=seconds)

    def _wait(self, name: str) -> float:
        """Seconds until another try is allowed; counts it if that is now."""
        moment = time.monotonic()
        tries = self._tries.setdefault(name, deque())
        self._tries.move_to_end(name)
        while len(self._tries) > MOST_KNOWN:
            self._tries.popitem(last=False)
        while tries and tries[0] <= moment - WINDOW_S:
            tries.popleft()
        if len(tries) >= MOST_TRIES:
            return tries[0] + WINDOW_S - moment
        tries.append(moment)
        return 0.0

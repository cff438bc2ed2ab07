"""How often somebody may do something: buckets that fill up evenly, in the memory of one process.

Of several servers each allows as many. A bucket is one number, the moment at which it will be full again; threads that
meet at one may let a request too many pass, and need no lock.
"""

import time
from collections.abc import Hashable
from dataclasses import dataclass

from modelyard.platform.clock import now_ms
from modelyard.platform.errors import Busy

MOST_KNOWN = 50_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit after a request. `full_s` are the seconds until nothing counts any more."""

    name: str
    most: int
    remaining: int
    full_s: float

    def headers(self) -> dict[str, str]:
        """As GitLab tells it."""
        return {
            "RateLimit-Name": self.name,
            "RateLimit-Limit": str(self.most),
            "RateLimit-Observed": str(self.most - self.remaining),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(round(now_ms() / 1000 + self.full_s)),
        }


class LimitReachedError(Busy):
    """Too many requests of one kind by one client."""

    def __init__(self, message: str, allowance: Allowance, *, retry_after_s: int) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.allowance = allowance


class RateLimit:
    """`most` in each `window_s` for everybody who is counted; all at once, if they were quiet before."""

    def __init__(self, name: str, most: int, window_s: float, *, what: str) -> None:
        """`what` says in the refusal what there are too many of, such as `requests of one person`."""
        self.name = name
        self.most = most
        self.window_s = window_s
        self._what = what
        self._interval_s = window_s / most
        self._latest_s = window_s - self._interval_s
        self._full_at: dict[Hashable, float] = {}

    def take(self, who: Hashable) -> None:
        """Count a request.

        Raises:
            LimitReachedError: it is one too many, and does not count.
        """
        moment = time.monotonic()
        full_at = self._full_at.get(who, moment)
        if full_at - moment > self._latest_s:
            raise self._too_many(full_at - moment)
        if full_at <= moment:
            full_at = moment
            if len(self._full_at) >= MOST_KNOWN:
                self._forget(moment)
        self._full_at[who] = full_at + self._interval_s

    def allowance(self, who: Hashable) -> Allowance:
        """What is left now."""
        full_s = max(self._full_at.get(who, 0.0) - time.monotonic(), 0.0)
        return Allowance(self.name, self.most, max(int((self.window_s - full_s) / self._interval_s + 1e-6), 0), full_s)

    def _too_many(self, full_s: float) -> LimitReachedError:
        seconds = max(int(full_s - self._latest_s) + 1, 1)
        per = "minute" if self.window_s > 1 else "second"
        return LimitReachedError(
            f"Too many {self._what}: {self.most} a {per} are answered. Wait {seconds} seconds.",
            Allowance(self.name, self.most, 0, full_s),
            retry_after_s=seconds,
        )

    def _forget(self, moment: float) -> None:
        """Forget those whose bucket is full; if that are few, everybody: better than to grow, or to refuse them."""
        busy = {who: full_at for who, full_at in list(self._full_at.items()) if full_at > moment}
        self._full_at = busy if len(busy) < MOST_KNOWN // 2 else {}


def limit(name: str, most: int, window_s: float, *, what: str) -> RateLimit | None:
    """A limit, or none where it is switched off by 0."""
    return RateLimit(name, most, window_s, what=what) if most > 0 else None

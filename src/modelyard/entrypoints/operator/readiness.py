"""Whether a server can do its work at this moment, part by part."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass

from modelyard.platform.errors import ModelyardError

log = logging.getLogger(__name__)

LIMIT_S = 1.0
KEPT_S = 1.0

Check = Callable[[], None]
"""Returns when all is well and raises a ModelyardError that says what is not."""


@dataclass(frozen=True)
class Readiness:
    """What was found: for each part None, or the sentence about what is wrong with it."""

    parts: Mapping[str, str | None]

    @property
    def is_ready(self) -> bool:
        return all(trouble is None for trouble in self.parts.values())


class Prober:
    """Asks each part, at most once a second however many want to know."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._threads = ThreadPoolExecutor(max(1, len(checks)), thread_name_prefix="probe")
        self._lock = threading.Lock()
        self._known: tuple[float, Readiness] | None = None
        self._running: dict[str, Future[None]] = {}

    def probe(self) -> Readiness:
        """The state of now, or of a moment ago. It takes as long as the slowest part, at most a second."""
        with self._lock:
            if self._known is None or self._known[0] < time.monotonic() - KEPT_S:
                deadline = time.monotonic() + LIMIT_S
                for name, check in self._checks.items():
                    # An answer that is still awaited from last time is not asked for again.
                    if name not in self._running:
                        self._running[name] = self._threads.submit(check)
                found = Readiness({name: self._outcome(name, deadline) for name in self._checks})
                self._known = (time.monotonic(), found)
            return self._known[1]

    def _outcome(self, name: str, deadline: float) -> str | None:
        running = self._running[name]
        try:
            running.result(max(0.0, deadline - time.monotonic()))
        except TooSlow:
            return f"No answer within {LIMIT_S:.0f} s."
        except ModelyardError as error:
            problem: str | None = error.message
        except Exception as error:  # edge: a part that fails in an unknown way is not ready either
            log.warning("The readiness of %s could not be told.", name, exc_info=error)
            problem = f"It fails in a way that is not expected: {error}"
        else:
            problem = None
        del self._running[name]
        return problem

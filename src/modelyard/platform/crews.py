"""Threads in crews, one for each kind of work, whose queues have an end: no kind of work keeps another one waiting.

What would have to wait for too long is refused before anything is done for it; the same request may be sent again.
"""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from modelyard.platform.errors import Busy

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

LONGEST_WAIT_S = 10.0
# How much the newest piece of work counts in the average.
WEIGHT = 0.1


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew(ThreadPoolExecutor):
    """Some threads and their queue. At most `most_waiting` pieces of work wait, and none for long."""

    def __init__(self, name: str, threads: int, *, most_waiting: int) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self.name = name
        self.threads = threads
        self.most_waiting = most_waiting
        self.refused = 0
        # Written by all threads without a lock: an average may miss a piece of work.
        self._average_s = 0.0
        # When each thread that is at work began with that, on the clock of `time.perf_counter`.
        self._began_s: dict[int, float] = {}

    @property
    def waiting(self) -> int:
        """How many pieces of work nobody has begun."""
        return self._work_queue.qsize()

    def submit(
        self, work: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Have `work` done.

        Raises:
            Busy: too much is waiting.
        """
        wait_s = self._expected_wait_s()
        if self.waiting >= self.most_waiting or wait_s > LONGEST_WAIT_S:
            self.refused += 1
            raise Busy(
                "The server has more requests of this kind than it can answer now. Try again in a moment.",
                retry_after_s=round(min(max(wait_s, 1), LONGEST_WAIT_S)),
            )
        return self.go_on(work, *args, **kwargs)

    def _expected_wait_s(self) -> float:
        """How long new work would wait: what has run for some time is expected to run for as long again."""
        now = time.perf_counter()
        ages_s = [now - began_s for began_s in list(self._began_s.values())]
        able = self.threads - sum(age_s > LONGEST_WAIT_S for age_s in ages_s)
        if able <= 0:
            return min(ages_s)
        first_free_s = min(ages_s) if len(ages_s) >= self.threads else 0.0
        return first_free_s + self.waiting * self._average_s / able

    def go_on(
        self, work: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """The same for what was begun and must not be refused any more."""

        def timed() -> Result:
            thread = threading.get_ident()
            began_s = self._began_s[thread] = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                del self._began_s[thread]
                self._average_s += WEIGHT * (time.perf_counter() - began_s - self._average_s)

        return super().submit(timed)

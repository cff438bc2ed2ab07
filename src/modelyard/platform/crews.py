"""Threads in crews, one for each kind of work, whose queues have an end: no kind of work keeps another one waiting.

What would have to wait for too long is refused before anything is done for it; the same request may be sent again.
"""

import os
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
        waiting = self.waiting
        if waiting:
            wait_s = waiting * self._average_s / self.threads
            if waiting >= self.most_waiting or wait_s > LONGEST_WAIT_S:
                self.refused += 1
                raise Busy(
                    "The server has more requests of this kind than it can answer now. Try again in a moment.",
                    retry_after_s=round(min(max(wait_s, 1), LONGEST_WAIT_S)),
                )
        return self.go_on(work, *args, **kwargs)

    def go_on(
        self, work: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """The same for what was begun and must not be refused any more."""

        def timed() -> Result:
            started = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self._average_s += WEIGHT * (time.perf_counter() - started - self._average_s)

        return super().submit(timed)

"""The worker: delivers events, puts scheduled tasks in, claims what is due and does it, on two threads.

It wakes at once when a commit of its own process left work, and looks by itself otherwise.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence

from modelyard.platform.database import Database
from modelyard.platform.deadlines import unhurried
from modelyard.platform.errors import Busy, ModelyardError
from modelyard.platform.tasks.delivery import has_events, relay
from modelyard.platform.tasks.handlers import Handler, Schedule
from modelyard.platform.tasks.queue import LEASE, Claim, State, claim, enqueue, extend, fail, has_due

LOOK_EVERY_S = 1.0
TROUBLE_PAUSE_S = 5.0

log = logging.getLogger(__name__)


class Worker:
    """One worker of a process. `handlers` are all kinds of tasks that it can do; `heard` comes from `by_event`."""

    def __init__(
        self,
        database: Database,
        *,
        handlers: Mapping[str, Handler],
        schedules: Sequence[Schedule] = (),
        heard: Mapping[str, list[str]],
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._schedules = schedules
        self._heard = heard
        self._put_in: dict[str, int] = {}
        self._running: dict[int, Claim] = {}
        self._stopping = threading.Event()
        self._threads = [
            # Two, so that a long task does not keep the short ones waiting.
            threading.Thread(target=self._work_until_told, name="worker-1", daemon=True),
            threading.Thread(target=self._work_until_told, name="worker-2", daemon=True),
            threading.Thread(target=self._hold_leases, name="worker-leases", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, timeout_s: float = 30) -> None:
        """End after the tasks at hand; one that takes longer is left to its lease."""
        self._stopping.set()
        self._database.has_work.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def work_off(self) -> int:
        """Do all that is due now; how many tasks that were."""
        done = 0
        while self._turn():
            done += 1
        return done

    def _work_until_told(self) -> None:
        while not self._stopping.is_set():
            self._database.has_work.clear()
            try:
                while not self._stopping.is_set() and self._turn():
                    pass
            except ModelyardError as error:
                log.warning("The worker waits: %s", error.message)
                self._stopping.wait(TROUBLE_PAUSE_S)
            except Exception:  # edge: the worker's thread must outlive whatever one turn meets
                log.exception("The worker failed and goes on in a moment.")
                self._stopping.wait(TROUBLE_PAUSE_S)
            if not self._stopping.is_set():
                self._database.has_work.wait(LOOK_EVERY_S)

    def _turn(self) -> bool:
        """Deliver, put in, and do one task; whether there was one."""
        self._deliver()
        self._put_scheduled_in()
        kinds = self._handlers.keys()
        with self._database.read() as session:
            if not has_due(session, kinds):
                return False
        with self._database.write(changes_access=False, uses_reserve=True) as session:
            claims = claim(session, kinds)
        for claimed in claims:
            self._do(claimed)
        return bool(claims)

    def _deliver(self) -> None:
        while True:
            with self._database.read() as session:
                if not has_events(session):
                    return
            with self._database.write(changes_access=False, uses_reserve=True) as session:
                relayed = relay(session, self._heard)
            if not relayed:
                return

    def _put_scheduled_in(self) -> None:
        for schedule in self._schedules:
            tick = int(time.time() // schedule.every.total_seconds())
            if self._put_in.get(schedule.kind) != tick:
                with self._database.write(changes_access=False, uses_reserve=True) as session:
                    enqueue(session, schedule.kind, unique_key=f"{schedule.kind} {tick}")
                self._put_in[schedule.kind] = tick

    def _do(self, claimed: Claim) -> None:
        self._running[claimed.task_id] = claimed
        started = time.monotonic()
        try:
            with unhurried():
                self._handlers[claimed.kind](self._database, claimed)
        except Exception as error:  # edge: a task's failure is written down and tried again
            self._note_failure(claimed, error)
        else:
            log.debug("Task %s took %.0f ms.", claimed.kind, (time.monotonic() - started) * 1000)
        finally:
            del self._running[claimed.task_id]

    def _note_failure(self, claimed: Claim, error: Exception) -> None:
        is_expected = isinstance(error, Busy)
        log.log(
            logging.WARNING if is_expected else logging.ERROR,
            "Task %s failed at attempt %d: %s",
            claimed.kind,
            claimed.attempt,
            error,
            exc_info=None if is_expected else error,
        )
        with self._database.write(changes_access=False, uses_reserve=True) as session:
            state = fail(session, claimed, f"{type(error).__name__}: {error}")
        if state is State.DEAD:
            log.error("Task %d (%s) is given up; see `modelyard admin tasks`.", claimed.task_id, claimed.kind)

    def _hold_leases(self) -> None:
        while not self._stopping.wait(LEASE.total_seconds() / 4):
            running = list(self._running.values())
            if not running:
                continue
            try:
                with self._database.write(changes_access=False, uses_reserve=True) as session:
                    extend(session, running)
            except ModelyardError as error:
                log.warning("The leases of running tasks could not be extended: %s", error.message)

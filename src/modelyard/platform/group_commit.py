"""Group commit: all requests that wait at one moment share one transaction, and are answered after its COMMIT.

One thread writes. Where a commit does not wait for the disk (SQLite with durability normal) the event loop writes by
itself, once a turn, unless somebody else holds the pen. A request's own failure fails it alone: `apply` returns it as a
value. A failure of the group (a constraint lost to another process) undoes the group and tries its members one by one.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from modelyard.platform.database import Database
from modelyard.platform.errors import Busy, Conflict, Contended, ModelyardError, Unavailable, UnknownOutcome
from modelyard.platform.meters import CommitMeter
from modelyard.platform.raw import RawTransaction, RawWriter, open_writer

Operation = TypeVar("Operation")
Outcome = object
Deliver = Callable[[Outcome], None]
Apply = Callable[[RawTransaction, Sequence[Operation]], list[Outcome]]

MOST_IN_GROUP = 256
MOST_WAITING = 20_000
MOST_LINGER_S = 0.0005
LINGER_STEP_S = 0.00005

log = logging.getLogger(__name__)


class GroupCommit(Generic[Operation]):
    """The lane of one process. `apply` writes a group and returns one outcome, or one error, for each operation.

    `committed` hears each group after its commit, before the answers, on the thread that wrote it.
    """

    def __init__(
        self,
        database: Database,
        apply: Apply[Operation],
        *,
        committed: Callable[[Sequence[Operation], Sequence[Outcome]], None] = lambda _operations, _outcomes: None,
    ) -> None:
        self._database = database
        self._apply = apply
        self._committed = committed
        self._writer: RawWriter = open_writer(database)
        self._inline = database.is_sqlite and database.durability == "normal"
        self._queue: queue.SimpleQueue[tuple[Operation, Deliver] | None] = queue.SimpleQueue()
        self._turn: list[tuple[Operation, Deliver]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write_until_told, name="group-commit", daemon=True)
        self._stopped = False
        self._last_write_s = 0.0
        self.meter = CommitMeter()

    @property
    def waiting(self) -> int:
        """How many operations wait to be written."""
        return self._queue.qsize()

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin to write; outcomes are delivered on `loop`, or without one on the writing thread."""
        self._loop = loop
        self._thread.start()

    def deliver_on(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """From now on deliver outcomes on `loop`, for an event loop that begins after the lane or ends before it."""
        self._loop = loop

    def stop(self) -> None:
        """Finish what was submitted, then end."""
        self._stopped = True
        self._flush_turn()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()
        self._writer.close()

    def submit(self, operation: Operation, deliver: Deliver) -> None:
        """Have `operation` written; `deliver` gets its outcome or its error. Call it on the event loop.

        Raises:
            Busy: too many are waiting, the disk is nearly full, or the server is stopping.
        """
        self._refuse_what_cannot_be_done()
        if self._inline and self._loop is not None:
            if not self._turn:
                self._loop.call_soon(self._flush_turn)
            self._turn.append((operation, deliver))
        else:
            self._queue.put((operation, deliver))

    def submit_and_wait(self, operation: Operation, *, timeout_s: float = 60) -> Outcome:
        """Have `operation` written by a thread that may block.

        Raises:
            ModelyardError: its error.
        """
        self._refuse_what_cannot_be_done()
        done: Future[Outcome] = Future()
        self._queue.put((operation, done.set_result))
        outcome = done.result(timeout_s)
        if isinstance(outcome, ModelyardError):
            raise outcome
        return outcome

    def _refuse_what_cannot_be_done(self) -> None:
        if self._stopped or self._queue.qsize() > MOST_WAITING:
            raise Busy("The server has too much to write. Try again in a moment.")
        self._database.check_room()

    def _flush_turn(self) -> None:
        """Write what came in during one turn of the event loop, or hand it to the thread if the pen is taken."""
        waiting, self._turn = self._turn, []
        if not waiting:
            return
        if not self._queue.empty() or not self._database.pen.acquire(blocking=False):
            for entry in waiting:
                self._queue.put(entry)
            return
        try:
            outcomes = self._write([operation for operation, _ in waiting])
        finally:
            self._database.pen.release()
        _hand_out(waiting, outcomes)

    def _write_until_told(self) -> None:
        crowd = 1
        while (first := self._queue.get()) is not None:
            self._await_crowd(crowd)
            waiting, is_last = self._take(first)
            started = time.perf_counter()
            outcomes = self._write_holding_pen([operation for operation, _ in waiting])
            self._last_write_s = time.perf_counter() - started
            crowd = len(waiting) + self._queue.qsize()
            if self._loop is None or self._loop.is_closed():
                _hand_out(waiting, outcomes)
            else:
                self._loop.call_soon_threadsafe(_hand_out, waiting, outcomes)
            if is_last:
                return

    def _await_crowd(self, crowd: int) -> None:
        """Give those whose last requests were just answered a moment to send the next, where a flush takes longer.

        Clients that wait for each answer would otherwise fall into two halves, each waiting for the other's flush.
        """
        linger_s = min(MOST_LINGER_S, self._last_write_s / 4)
        if linger_s < LINGER_STEP_S:
            return
        until = time.perf_counter() + linger_s
        while self._queue.qsize() + 1 < crowd and time.perf_counter() < until and not self._stopped:
            time.sleep(LINGER_STEP_S)

    def _take(self, first: tuple[Operation, Deliver]) -> tuple[list[tuple[Operation, Deliver]], bool]:
        """`first` and what waits behind it, and whether the end was among that."""
        waiting = [first]
        while len(waiting) < MOST_IN_GROUP:
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                break
            if entry is None:
                return waiting, True
            waiting.append(entry)
        return waiting, False

    def _write_holding_pen(self, operations: list[Operation]) -> list[Outcome]:
        try:
            with self._database.pen_held():
                return self._write(operations)
        except Busy as busy:
            return [busy] * len(operations)

    def _write(self, operations: list[Operation]) -> list[Outcome]:
        """One transaction for all, or after a failure one for each."""
        try:
            return self._write_once(operations)
        except (Conflict, Contended):
            # Another process holds what some of them change; the others need not wait for it. Or another was quicker;
            # what it committed is seen by the next try, one operation at a time.
            return [outcome for operation in operations for outcome in self._write_alone(operation)]
        except ModelyardError as error:
            if len(operations) == 1 or isinstance(error, (Busy, UnknownOutcome)):
                return [error] * len(operations)
        return [outcome for operation in operations for outcome in self._write_alone(operation)]

    def _write_alone(self, operation: Operation) -> list[Outcome]:
        try:
            return self._write_once([operation], is_alone=True)
        except ModelyardError as error:
            return [error]

    def _write_once(self, operations: list[Operation], *, is_alone: bool = False) -> list[Outcome]:
        started = time.perf_counter()
        try:
            self._writer.begin(is_alone=is_alone)
            outcomes = self._apply(self._writer, operations)
            self._writer.commit()
        except ModelyardError:
            self._undo()
            raise
        except Exception as error:  # edge: the writing thread must outlive a fault in one group
            self._undo()
            self.meter.undone += 1
            known = self._writer.trouble(error)
            log.warning("A group of %d writes was undone: %s", len(operations), error, exc_info=known is None)
            raise known or Unavailable("The server failed; nothing was changed. Its log has the details.") from error
        self.meter.operations += len(operations)
        self.meter.durations.add(time.perf_counter() - started)
        self._committed(operations, outcomes)
        return outcomes

    def _undo(self) -> None:
        try:
            self._writer.rollback()
        except Exception as error:  # edge: what cannot be undone now is undone when the connection is opened again
            log.warning("The database could not undo: %s", error)


def _hand_out(waiting: Sequence[tuple[object, Deliver]], outcomes: Sequence[Outcome]) -> None:
    for (_, deliver), outcome in zip(waiting, outcomes, strict=True):
        try:
            deliver(outcome)
        except Exception:  # edge: an answer that cannot be given must not keep the others waiting
            log.exception("An answer could not be delivered.")

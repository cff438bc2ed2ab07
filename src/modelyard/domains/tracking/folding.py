"""Keeps folding metrics beside the hot lane: short transactions with pauses between them."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator

from modelyard.domains.tracking.hot.compaction import MOST_POINTS_AT_ONCE, Fold, prepare_fold, write_fold
from modelyard.domains.tracking.hot.gathered import Gathered
from modelyard.platform.database import Database
from modelyard.platform.deadlines import unhurried
from modelyard.platform.errors import Conflict, ModelyardError

LOOK_EVERY_S = 5.0
# After each fold so many times as long as it took is left to others.
REST_RATIO = 2.0
LEAST_REST_S = 0.001
# So many rows are deleted and written in one transaction: one large fold, or those of many short runs.
MOST_ROWS = 2000

log = logging.getLogger(__name__)


class Folder:
    """Folds what has gathered: once with `fold_all`, or every few seconds on a thread of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="folding", daemon=True)
        self._gathered = Gathered()
        self._failed: set[int] = set()
        self.segments = 0
        self.chunks = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the fold at hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @unhurried()
    def fold_all(self, *, everything: bool = False) -> None:
        """Fold whatever is worth it at this moment; with `everything`, all segments.

        What is logged meanwhile waits for the next time, when more of it is folded at once.
        """
        with self._database.read() as session:
            found = self._gathered.worth_folding(session, everything=everything)
        while found:
            written = [fold for folds in self._prepared(found) for fold in self._write(folds)]
            found = [fold.candidate_id for fold in written if fold.has_more]

    def _prepared(self, candidate_ids: Iterable[int]) -> Iterator[list[Fold]]:
        """A fold of each candidate, as many together as one short transaction takes."""
        gathered: list[Fold] = []
        for candidate_id in candidate_ids:
            if self._stopping.is_set():
                return
            fold = self._prepare(candidate_id)
            if fold is None:
                continue
            gathered.append(fold)
            weight = sum(len(fold.segment_ids) + len(fold.chunks) for fold in gathered)
            if weight >= MOST_ROWS or sum(fold.points for fold in gathered) >= MOST_POINTS_AT_ONCE:
                yield gathered
                gathered = []
        if gathered:
            yield gathered

    def _prepare(self, candidate_id: int) -> Fold | None:
        if candidate_id in self._failed:
            return None
        started = time.monotonic()
        try:
            with self._database.read() as session:
                fold = prepare_fold(session, candidate_id)
        except ModelyardError:
            raise
        except Exception:  # edge: a candidate that cannot be folded must not keep the others waiting
            log.exception("The metrics of candidate %d cannot be folded; they stay readable as they are.", candidate_id)
            self._failed.add(candidate_id)
            return None
        self._rest(started)
        return fold

    def _write(self, folds: list[Fold]) -> list[Fold]:
        """Those that were written: another process may have folded the same, or a candidate may be gone."""
        started = time.monotonic()
        try:
            with self._database.write(changes_access=False, uses_reserve=True) as session:
                written = [fold for fold in folds if write_fold(session, fold)]
        except Conflict:
            # One spoilt it for the others; alone, they are written.
            return [written for fold in folds for written in self._write([fold])] if len(folds) > 1 else []
        self._rest(started)
        self.segments += sum(len(fold.segment_ids) for fold in written)
        self.chunks += sum(len(fold.chunks) for fold in written)
        return written

    @staticmethod
    def _rest(started: float) -> None:
        time.sleep(max(LEAST_REST_S, (time.monotonic() - started) * REST_RATIO))

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self.fold_all()
            except ModelyardError as error:
                log.warning("Folding metrics waits: %s", error.message)
            except Exception:  # edge: folding goes on for as long as the server
                log.exception("Folding metrics failed; it begins again.")

"""Keeps folding metrics beside the hot lane: short transactions with pauses between them."""

import logging
import threading
import time

from modelyard.domains.tracking.hot.compaction import prepare_fold, write_fold
from modelyard.domains.tracking.hot.gathered import Gathered
from modelyard.platform.database import Database
from modelyard.platform.errors import Conflict, ModelyardError

LOOK_EVERY_S = 5.0
# After each fold so many times as long as it took is left to others.
REST_RATIO = 2.0
LEAST_REST_S = 0.005

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

    def fold_all(self, *, everything: bool = False) -> None:
        """Fold until nothing is worth it any more; with `everything`, until no segment is left."""
        while not self._stopping.is_set():
            with self._database.read() as session:
                found = self._gathered.worth_folding(session, everything=everything)
            progress = False
            for candidate_id in found:
                if candidate_id not in self._failed and not self._stopping.is_set():
                    progress |= self._fold(candidate_id)
            if not progress:
                return

    def _fold(self, candidate_id: int) -> bool:
        """One fold of a candidate and the rest after it; False when there was nothing to fold, or somebody else did."""
        started = time.monotonic()
        try:
            is_written = self._fold_once(candidate_id)
        except ModelyardError:
            raise
        except Exception:  # edge: a candidate that cannot be folded must not keep the others waiting
            log.exception("The metrics of candidate %d cannot be folded; they stay readable as they are.", candidate_id)
            self._failed.add(candidate_id)
            return False
        time.sleep(max(LEAST_REST_S, (time.monotonic() - started) * REST_RATIO))
        return is_written

    def _fold_once(self, candidate_id: int) -> bool:
        with self._database.read() as session:
            fold = prepare_fold(session, candidate_id)
        if fold is None:
            return False
        try:
            with self._database.write(changes_access=False, uses_reserve=True) as session:
                is_written = write_fold(session, fold)
        except Conflict:
            return False
        if is_written:
            self.segments += len(fold.segment_ids)
            self.chunks += len(fold.chunks)
        return is_written

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self.fold_all()
            except ModelyardError as error:
                log.warning("Folding metrics waits: %s", error.message)

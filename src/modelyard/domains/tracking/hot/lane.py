"""The lane as its callers see it: start it, find a candidate's place, submit an operation."""

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.tracking.hot.operations import CandidateInfo, CandidatePlace, CreateCandidate, Operation
from modelyard.domains.tracking.hot.writing import GroupWriter
from modelyard.domains.tracking.tables import Candidate, Experiment
from modelyard.platform.database import Database
from modelyard.platform.group_commit import GroupCommit
from modelyard.platform.meters import CommitMeter

MOST_PLACES = 100_000


class Lane:
    """One per process. `submit` is for the event loop, `submit_and_wait` for a thread."""

    def __init__(self, database: Database) -> None:
        self._group_writer = GroupWriter()
        self._commits: GroupCommit[Operation] = GroupCommit(database, self._group_writer, committed=self._committed)
        self._places: dict[str, CandidatePlace] = {}

    @property
    def meter(self) -> CommitMeter:
        """What was committed so far."""
        return self._commits.meter

    @property
    def waiting(self) -> int:
        """How many operations wait to be written."""
        return self._commits.waiting

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin to write."""
        self._commits.start(loop)

    def deliver_on(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """From now on deliver outcomes on `loop`."""
        self._commits.deliver_on(loop)

    def stop(self) -> None:
        """Write what was submitted, then end."""
        self._commits.stop()

    def submit(self, operation: Operation, deliver: Callable[[object], None]) -> None:
        """Have `operation` written; `deliver` gets a `CandidateInfo`, None, or an error once it is committed.

        Raises:
            Busy
        """
        self._commits.submit(operation, deliver)

    def submit_and_wait(self, operation: Operation) -> object:
        """The same for a thread that may block.

        Raises:
            ModelyardError
        """
        return self._commits.submit_and_wait(operation)

    def known_place(self, run_id: str) -> CandidatePlace | None:
        """Where a candidate lives, if this process has met it."""
        return self._places.get(run_id)

    def find_place(self, session: Session, run_id: str) -> CandidatePlace | None:
        """Where a candidate lives, None when there is none; deleted ones have a place too."""
        known = self._places.get(run_id)
        if known is not None:
            return known
        row = session.execute(
            select(Candidate.id, Candidate.project_id, Candidate.experiment_id, Experiment.iid, Candidate.iid)
            .join(Experiment, Experiment.id == Candidate.experiment_id)
            .where(Candidate.run_id == run_id)
        ).one_or_none()
        return None if row is None else self._remember(CandidatePlace(row[0], row[1], row[2], row[3], row[4], run_id))

    def _remember(self, place: CandidatePlace) -> CandidatePlace:
        if len(self._places) >= MOST_PLACES:
            self._places = {}
        self._places[place.run_id] = place
        return place

    def _committed(self, operations: Sequence[Operation], outcomes: Sequence[object]) -> None:
        self._group_writer.committed(operations, outcomes)
        for operation, outcome in zip(operations, outcomes, strict=True):
            if isinstance(operation, CreateCandidate) and isinstance(outcome, CandidateInfo):
                self._remember(outcome.place)

"""What was deleted: since when, and until when it can be restored."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelyard.domains.tracking.states import GOING_MS
from modelyard.entrypoints.web.formatting import day, relative
from modelyard.platform.clock import from_ms, now

REMOVED_SOON = "about to be removed for good"


@dataclass(frozen=True, slots=True)
class Deletion:
    """`until` is None once the time to restore it is over, `at` while it is being removed."""

    at: datetime | None
    until: datetime | None

    @property
    def way_back(self) -> str:
        """Until when it can be restored, in words."""
        return REMOVED_SOON if self.until is None else f"restorable until {day(self.until)}"

    @property
    def sentence(self) -> str:
        """The same as a fact about the thing."""
        return self.way_back if self.at is None else f"deleted {relative(self.at)}, {self.way_back}"


def deletion_of(deleted_ms: int | None, days: int) -> Deletion | None:
    """The deletion of something that is kept for so many days; None if it is not deleted."""
    if deleted_ms is None:
        return None
    if deleted_ms == GOING_MS:
        return Deletion(None, None)
    at = from_ms(deleted_ms)
    until = at + timedelta(days=days)
    return Deletion(at, until if until > now() else None)

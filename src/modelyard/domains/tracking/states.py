"""The states of logged models, as numbers in rows and names for clients, and the views of lists."""

from enum import IntEnum

from modelyard.platform.clock import from_ms

# Deleted "then" is what is being removed for good: it is not found any more, so nothing restores half of it.
GOING_MS = 0
GOING_AT = from_ms(GOING_MS)


class LoggedModelStatus(IntEnum):
    """How far the upload of a logged model has come."""

    UNSPECIFIED = 0
    PENDING = 1
    READY = 2
    FAILED = 3


class View(IntEnum):
    """Which rows a list shows, of those that are deleted and those that are not."""

    ACTIVE = 1
    DELETED = 2
    ALL = 3

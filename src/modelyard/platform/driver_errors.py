"""What a failure of the database means for whoever asked, whichever driver tells of it, and how."""

import re
import sqlite3

from modelyard.platform.errors import Busy, Conflict, Invalid, ModelyardError, Unavailable

LOST_RACE = "Somebody else wrote the same thing, or deleted what this belongs to. Look again."
FULL = re.compile(r"disk is full|no space left|disk full")
THE_REQUESTS_FAULTS = (
    (
        re.compile(r"^interrupted|statement timeout"),
        "This takes the database too long, so it was stopped; nothing was changed. Narrow it, and ask again.",
    ),
    (
        re.compile(r"nul \(0x00\)|invalid byte sequence"),
        "A text contains a character that cannot be kept, such as NUL.",
    ),
)
UNKEEPABLE_NUMBER = re.compile(r"too large to convert|out of range|overflow")


def sqlite_trouble(error: sqlite3.Error) -> ModelyardError:
    """The same for an error of SQLite's own driver."""
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict(LOST_RACE)
    is_away = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR"))
    return trouble(error, is_away=is_away)


def trouble(error: BaseException | None, *, is_away: bool, is_contended: bool = False) -> ModelyardError:
    """A driver's error in the product's words; nothing of the transaction that it ended was kept.

    What cannot be seen from its text is the caller's to say: the connection or the server failed (`is_away`), or
    others were changing the same things (`is_contended`).
    """
    text = str(error).lower()
    if FULL.search(text):
        return Busy("The server's disk is full; nothing was changed. Ask its operator to make room.", retry_after_s=10)
    for pattern, sentence in THE_REQUESTS_FAULTS:
        if pattern.search(text):
            return Invalid(sentence)
    if is_contended:
        return Busy("Others are changing the same things. Try again in a moment.")
    if is_away:
        return Busy("The database is away; nothing was changed. Try again in a moment.", retry_after_s=2)
    if UNKEEPABLE_NUMBER.search(text):
        return Invalid("A number is too large to be stored.")
    return Unavailable("The database failed in a way that is not expected. The server's log has the details.")

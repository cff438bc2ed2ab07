"""The time, in one place: aware UTC inside, integer milliseconds where a protocol wants them."""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def now() -> datetime:
    """The current moment, aware, cut to the milliseconds that the database keeps."""
    return from_ms(now_ms())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (moment - EPOCH) // MILLISECOND


# What a moment can be: the years 1 to 9999.
EARLIEST_MS = to_ms(datetime.min.replace(tzinfo=UTC))
LATEST_MS = to_ms(datetime.max.replace(tzinfo=UTC))


def from_ms(milliseconds: int) -> datetime:
    """The moment so many milliseconds after 1970 began; the nearest there is for numbers that reach beyond."""
    return EPOCH + min(max(milliseconds, EARLIEST_MS), LATEST_MS) * MILLISECOND

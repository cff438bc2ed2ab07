"""Buckets that fill up evenly."""

import time

import pytest

from modelyard.platform import rates
from modelyard.platform.rates import LimitReachedError, RateLimit, limit


class Clock:
    """A clock that a test moves."""

    moment = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.moment)
    return made


def taken(bucket: RateLimit, who: object, times: int) -> int:
    """How many of so many tries were allowed."""
    allowed = 0
    for _ in range(times):
        try:
            bucket.take(str(who))
        except LimitReachedError:
            continue
        allowed += 1
    return allowed


def test_a_bucket_gives_all_at_once_and_fills_up_evenly(clock: Clock) -> None:
    bucket = RateLimit("user", 60, 60, what="requests")
    assert taken(bucket, "ada", 100) == 60
    assert taken(bucket, "grace", 1) == 1
    clock.moment += 0.9
    assert taken(bucket, "ada", 5) == 0
    clock.moment += 10.2
    assert taken(bucket, "ada", 50) == 11
    clock.moment += 1000
    assert taken(bucket, "ada", 100) == 60


def test_a_refusal_says_how_long_to_wait(clock: Clock) -> None:
    bucket = RateLimit("user", 10, 60, what="requests of one user")
    assert taken(bucket, "ada", 10) == 10
    with pytest.raises(LimitReachedError) as refused:
        bucket.take("ada")
    assert refused.value.message == "Too many requests of one user: 10 a minute are answered. Wait 7 seconds."
    clock.moment += refused.value.retry_after_s
    bucket.take("ada")


def test_what_is_left_is_told_as_gitlab_does(clock: Clock) -> None:
    bucket = RateLimit("user", 10, 60, what="requests")
    assert bucket.allowance("ada").remaining == 10
    assert taken(bucket, "ada", 4) == 4
    told = bucket.allowance("ada").headers()
    assert int(told.pop("RateLimit-Reset")) > 1_700_000_000
    assert told == {
        "RateLimit-Name": "user",
        "RateLimit-Limit": "10",
        "RateLimit-Observed": "4",
        "RateLimit-Remaining": "6",
    }
    clock.moment += 24
    assert bucket.allowance("ada").remaining == 10


def test_buckets_do_not_grow_without_end(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_KNOWN", 100)
    bucket = RateLimit("address", 2, 60, what="requests")
    for number in range(1000):
        bucket.take(number)
    assert len(bucket._full_at) <= 100
    assert taken(bucket, "ada", 3) == 2
    clock.moment += 61
    for number in range(100):
        bucket.take(number)
    assert taken(bucket, "ada", 3) == 2


def test_a_limit_of_nothing_is_none() -> None:
    assert limit("user", 0, 60, what="requests") is None

"""Moments as milliseconds."""

import pytest

from modelyard.platform.clock import EARLIEST_MS, LATEST_MS, from_ms, now, now_ms, to_ms


def test_now_survives_the_way_there_and_back() -> None:
    moment = now()
    assert from_ms(to_ms(moment)) == moment
    assert abs(now_ms() - to_ms(moment)) < 60_000


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), LATEST_MS + 1, EARLIEST_MS - 1])
def test_a_number_beyond_the_calendar_is_the_nearest_moment(number: int) -> None:
    assert from_ms(number).year in {1, 9999}

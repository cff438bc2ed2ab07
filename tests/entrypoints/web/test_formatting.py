"""How facts are written. Pure, so no engine."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.entrypoints.web import formatting
from modelyard.platform.clock import from_ms

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.94123456, "0.9412"),
        (0.887, "0.8870"),
        (91.0, "91"),
        (-3.5, "\u22123.500"),
        (12345.678, "12346"),
        (1.2345e-7, "1.235e\u22127"),
        (5e9, "5e9"),
        (9999.7, "10000"),
        (-9999.4, "\u22129999"),
        (999999.4, "999999"),
        (999999.7, "1e6"),
        (9.99996e-5, "0.0001000"),
        (9.9994e-5, "9.999e\u22125"),
        (0.0, "0"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "\u2212∞"),
        (None, "\u2013"),
    ],
)
def test_a_measured_value_has_four_digits(value: float | None, text: str) -> None:
    assert formatting.measure(value) == text


@given(st.floats(min_value=-1e300, max_value=1e300))
def test_a_shown_value_is_near_the_value(value: float) -> None:
    shown = float(formatting.measure(value).replace("\u2212", "-"))
    assert math.isclose(shown, value, rel_tol=1e-3)


@given(st.floats())
def test_the_exact_value_can_be_read_back(value: float) -> None:
    read = float(formatting.exact(value))
    assert read == value or (math.isnan(read) and math.isnan(value))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12 ms"), (3.21, "3.2 s"), (42, "42 s"), (125, "2 min 5 s"), (7500, "2 h 5 min"), (90_000, "1 d 1 h")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=70), "2 months ago"),
        (-timedelta(days=3), "in 3 days"),
    ],
)
def test_a_moment_is_told_in_words(distance: timedelta, text: str) -> None:
    assert formatting.relative(NOW - distance, NOW) == text


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_both_ways_to_write_a_moment_agree(moment_ms: int) -> None:
    assert formatting.iso_of_ms(moment_ms) == formatting.iso(from_ms(moment_ms))


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 * 1024**3, "5.0 GiB")],
)
def test_sizes_are_binary(size_bytes: int, text: str) -> None:
    assert formatting.size(size_bytes) == text


@given(st.text())
def test_every_name_has_a_tile_and_an_initial(name: str) -> None:
    assert 1 <= formatting.tile(name) <= 8
    assert formatting.initial(name)

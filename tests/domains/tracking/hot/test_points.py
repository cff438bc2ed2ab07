"""Packing of points: what goes in comes out."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domains.tracking.hot.points import (
    Points,
    in_order,
    joined,
    pack_chunk,
    points_of_key,
    unpack_chunk,
    unpack_segments,
)
from modelyard.domains.tracking.hot.segments import pack_segment

INTEGERS = st.integers(-(2**63), 2**63 - 1)
POINT = st.tuples(INTEGERS, INTEGERS, st.floats(allow_nan=True, allow_infinity=True))
SMALL_POINT = st.tuples(
    st.integers(0, 2), st.integers(0, 2), st.sampled_from([0.0, 1.5, math.nan, math.inf, -math.inf])
)


def points_of(rows: list[tuple[int, int, float]]) -> Points:
    """Rows (step, timestamp, value) as columns."""
    return Points(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
    )


def rows_of(points: Points) -> list[tuple[int, int, str]]:
    """Columns as rows (step, timestamp, value's text), so that NaN equals NaN."""
    return [
        (int(step), int(timestamp), repr(float(value)))
        for step, timestamp, value in zip(points.steps, points.timestamps_ms, points.values, strict=True)
    ]


def segment_of(rows: list[tuple[int, tuple[int, int, float]]]) -> bytes:
    points = [point for _, point in rows]
    return pack_segment(
        [key for key, _ in rows], [p[0] for p in points], [p[1] for p in points], [p[2] for p in points]
    )


@given(st.lists(st.lists(st.tuples(st.integers(0, 2**32 - 1), POINT), min_size=1, max_size=3), max_size=20))
def test_segments_keep_every_point_in_order(segments: list[list[tuple[int, tuple[int, int, float]]]]) -> None:
    rows = [row for segment in segments for row in segment]
    payloads = [segment_of(segment) for segment in segments]
    keys, unpacked = unpack_segments(payloads)
    assert keys.tolist() == [key for key, _ in rows]
    assert rows_of(unpacked) == rows_of(points_of([point for _, point in rows]))
    for key in keys.tolist():
        assert rows_of(points_of_key(key, payloads)) == rows_of(points_of([it for number, it in rows if number == key]))


@given(st.lists(POINT, min_size=1, max_size=50))
def test_a_chunk_keeps_every_point(rows: list[tuple[int, int, float]]) -> None:
    points = points_of(rows)
    assert rows_of(unpack_chunk(pack_chunk(points), len(points))) == rows_of(points)


@given(st.lists(SMALL_POINT, max_size=40))
def test_order_is_by_timestamp_step_value_and_each_point_stands_once(rows: list[tuple[int, int, float]]) -> None:
    distinct = {(timestamp, step, repr(value)): value for step, timestamp, value in rows}
    expected = sorted(distinct, key=lambda key: (key[0], key[1], math.isnan(distinct[key]), distinct[key]))
    found = rows_of(in_order(points_of(rows)))
    assert [(timestamp, step, value) for step, timestamp, value in found] == expected


def test_joining_nothing_is_an_empty_series() -> None:
    assert len(joined([])) == 0
    assert len(in_order(joined([]))) == 0


def test_a_smooth_curve_takes_few_bytes() -> None:
    count = 8192
    noise = np.random.default_rng(0).normal(size=count)
    points = Points(np.arange(count), 1_700_000_000_000 + 37 * np.arange(count), np.cumsum(noise))
    assert len(pack_chunk(points)) / count < 9

"""Points of metrics as NumPy's columns: out of segments, and in and out of chunks, to which segments are folded.

A chunk has one key: steps and timestamps as differences, values as they are, each column with its bytes sorted by
significance (the same byte of all numbers side by side), and zstd.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from modelyard.domains.tracking.hot.segments import POINT_BYTES

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CHUNK_POINTS = 8192
COLUMN_BYTES = 8
COMPRESSION_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Points:
    """Points of one series, columns of equal length."""

    steps: Integers
    timestamps_ms: Integers
    values: Floats

    def __len__(self) -> int:
        return len(self.steps)


def unpack_segments(payloads: Sequence[bytes]) -> tuple[npt.NDArray[np.uint32], Points]:
    """Key ids and the points beside them of many segments, in the order of arrival.

    Segments of equal size that follow one another are unpacked at once: a training loop logs thousands of them, and
    Python's part in each would cost more than its points.
    """
    keys: list[npt.NDArray[np.uint32]] = []
    parts: list[Points] = []
    for size_bytes, alike in itertools.groupby(payloads, key=len):
        count = size_bytes // POINT_BYTES
        rows = np.frombuffer(b"".join(alike), dtype=np.uint8).reshape(-1, size_bytes)
        columns = (rows[:, 4 * count + n * COLUMN_BYTES * count :][:, : COLUMN_BYTES * count] for n in range(3))
        steps, timestamps, values = (np.ascontiguousarray(column).ravel() for column in columns)
        keys.append(np.ascontiguousarray(rows[:, : 4 * count]).ravel().view("<u4"))
        parts.append(Points(steps.view("<i8"), timestamps.view("<i8"), values.view("<f8")))
    return (np.concatenate(keys) if keys else np.empty(0, dtype=np.uint32)), joined(parts)


def points_of_key(key_id: int, payloads: Sequence[bytes]) -> Points:
    """The points of one series in these segments, in the order of arrival."""
    keys, points = unpack_segments(payloads)
    chosen = keys == key_id
    if chosen.all():
        return points
    return Points(points.steps[chosen], points.timestamps_ms[chosen], points.values[chosen])


def in_order(points: Points) -> Points:
    """Sorted by (timestamp, step, value), each distinct point once: MLflow's order, in which a repeat is no new point.

    NaN equals NaN here and comes after every number.
    """
    steps, timestamps, values = points.steps, points.timestamps_ms, points.values
    if not _strictly_later(steps, timestamps):
        order = np.lexsort((values, steps, timestamps))
        steps, timestamps, values = steps[order], timestamps[order], values[order]
    if len(steps) > 1:
        same = (steps[1:] == steps[:-1]) & (timestamps[1:] == timestamps[:-1])
        same &= (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
        if same.any():
            keep = np.concatenate(([True], ~same))
            return Points(steps[keep], timestamps[keep], values[keep])
    return Points(steps, timestamps, values)


def _strictly_later(steps: Integers, timestamps_ms: Integers) -> bool:
    """Whether each point already comes after the one before it, as a single training loop logs them."""
    later = timestamps_ms[1:] > timestamps_ms[:-1]
    later |= (timestamps_ms[1:] == timestamps_ms[:-1]) & (steps[1:] > steps[:-1])
    return bool(later.all())


def joined(parts: Sequence[Points]) -> Points:
    """All parts one after the other, unsorted."""
    if not parts:
        empty = np.empty(0, dtype=np.int64)
        return Points(empty, empty, np.empty(0, dtype=np.float64))
    if len(parts) == 1:
        return parts[0]
    return Points(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.timestamps_ms for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def pack_chunk(points: Points) -> bytes:
    """A chunk's payload."""
    columns = (_differences(points.steps), _differences(points.timestamps_ms), np.ascontiguousarray(points.values))
    shuffled = b"".join(_by_significance(column) for column in columns)
    return zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(shuffled)


def unpack_chunk(payload: bytes, count: int) -> Points:
    """The points of a chunk that holds `count` of them."""
    shuffled = zstandard.ZstdDecompressor().decompress(payload, max_output_size=3 * COLUMN_BYTES * count)
    columns = np.frombuffer(shuffled, dtype=np.uint8).reshape(3, COLUMN_BYTES, count)
    steps, timestamps, values = (np.ascontiguousarray(column.T) for column in columns)
    return Points(
        np.cumsum(steps.view("<i8").ravel(), dtype=np.int64),
        np.cumsum(timestamps.view("<i8").ravel(), dtype=np.int64),
        values.view("<f8").ravel(),
    )


def _differences(column: Integers) -> Integers:
    # The first number is its own difference from nothing; the sums wrap around like the differences did.
    return np.diff(column, prepend=np.int64(0))


def _by_significance(column: npt.NDArray[Any]) -> bytes:
    return np.ascontiguousarray(column.view(np.uint8).reshape(-1, COLUMN_BYTES).T).tobytes()

"""How a segment is written, without NumPy, which the server does without until somebody reads points.

It is little-endian columns one after the other: key ids (uint32), steps (int64), timestamps (int64, milliseconds),
values (float64); 28 bytes a point.
"""

import struct
from collections.abc import Sequence

POINT_BYTES = 28


def pack_segment(
    key_ids: Sequence[int], steps: Sequence[int], timestamps_ms: Sequence[int], values: Sequence[float]
) -> bytes:
    """The columns as a segment."""
    count = len(key_ids)
    return struct.pack(f"<{count}I{count}q{count}q{count}d", *key_ids, *steps, *timestamps_ms, *values)

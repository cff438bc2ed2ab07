"""The free space that is kept for the day when somebody has to make room."""

import os
import time
from pathlib import Path

from modelyard.platform.errors import Busy

LOOK_EVERY_S = 1.0


class DiskReserve:
    """Refuses writes while a directory's disk has less than `least_bytes` free. It looks once a second at most."""

    def __init__(self, directory: Path, least_bytes: int) -> None:
        self._directory = directory
        self.least_bytes = least_bytes
        self._looks_again = 0.0
        self._is_reached = False

    def free_bytes(self) -> int:
        """What is free at this moment for programs without privileges."""
        disk = os.statvfs(self._directory)
        return disk.f_bavail * disk.f_frsize

    def check(self) -> None:
        """Let the caller write.

        Raises:
            Busy: the reserve is reached.
        """
        moment = time.monotonic()
        if moment >= self._looks_again:
            self._looks_again = moment + LOOK_EVERY_S
            self._is_reached = self.free_bytes() < self.least_bytes
        if self._is_reached:
            raise Busy(
                "The server's disk is nearly full, so it takes nothing more; nothing was changed."
                " Ask its operator to make room.",
                retry_after_s=10,
            )

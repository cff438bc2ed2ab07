"""One server process to a data directory."""

import fcntl
import os
from pathlib import Path

from modelyard.platform.errors import Conflict

LOCK_FILE = "server.lock"


class DataLock:
    """Held from `acquire` to the end of the process or `release`; the kernel lets go when the process dies."""

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK_FILE
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the directory.

        Raises:
            Conflict: another server has it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 20).decode("ascii", "replace")
            os.close(descriptor)
            process = f" (process {holder})" if holder.isdigit() else ""
            raise Conflict(
                f"Another Modelyard server{process} uses {self._path.parent}."
                " Stop it, or choose another directory with --data."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another server have the directory."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(data: Path) -> bool:
    """Whether a server uses the directory at this moment."""
    try:
        descriptor = os.open(data / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def prepare_data_directory(data: Path) -> None:
    """Make the directory if it is missing, readable by its owner only."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    data.chmod(0o700)

"""The three digests that package conventions want, in one pass over the bytes."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

WORTH_A_THREAD = 256 * 1024

# MD5 is the slowest of the three; beside the other two it costs nothing. hashlib lets other threads run meanwhile.
_beside = ThreadPoolExecutor(max_workers=4, thread_name_prefix="md5")


@dataclass(frozen=True)
class Digests:
    """What bytes are, and how many."""

    sha256: str
    md5: str
    sha1: str
    size_bytes: int


class Digester:
    """Counts and digests bytes as they pass."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size_bytes = 0

    def update(self, data: bytes) -> None:
        if len(data) < WORTH_A_THREAD:
            self._md5.update(data)
            self._sha256.update(data)
            self._sha1.update(data)
        else:
            running = _beside.submit(self._md5.update, data)
            self._sha256.update(data)
            self._sha1.update(data)
            running.result()
        self.size_bytes += len(data)

    def result(self) -> Digests:
        return Digests(self._sha256.hexdigest(), self._md5.hexdigest(), self._sha1.hexdigest(), self.size_bytes)

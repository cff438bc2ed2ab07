"""What open pages follow: each thing is asked for once a second, however many pages follow it. For the event loop.

A `Topic` is one project, experiment or candidate. It is watched as long as somebody follows it, and tells its followers
when it is no longer what it was; what they then may see, each finds out for themselves.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterator

from modelyard.entrypoints.request import Installation
from modelyard.platform.errors import Busy, ModelyardError

EVERY_S = 1.0
MOST_STREAMS = 50

log = logging.getLogger(__name__)


class Topic:
    """Something that pages follow, as it was when it was last asked for."""

    def __init__(self) -> None:
        self.version = ""
        self.turn = 0
        self.is_over = False
        self.followers = 0
        self.watching: asyncio.Task[None] | None = None
        self._turned = asyncio.Event()

    def become(self, version: str) -> None:
        """Note its version, and tell the followers if that is another one."""
        if version != self.version:
            self.version = version
            self._turn()

    def end(self) -> None:
        """Tell the followers that nobody watches it any more."""
        self.is_over = True
        self._turn()

    async def turned(self, turn: int, *, within_s: float) -> bool:
        """Wait for a change after `turn`; whether one came."""
        if self.turn == turn:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._turned.wait(), within_s)
        return self.turn != turn

    def _turn(self) -> None:
        self.turn += 1
        self._turned.set()
        self._turned = asyncio.Event()


class Following:
    """The topics that are followed in one process, and how many streams each reader has open."""

    def __init__(self) -> None:
        self._topics: dict[Hashable, Topic] = {}
        self._streams: Counter[Hashable] = Counter()

    @contextlib.contextmanager
    def admitted(self, reader: Hashable) -> Iterator[None]:
        """One more stream of a reader, as long as this lasts.

        Raises:
            Busy: there are too many already.
        """
        if self._streams[reader] >= MOST_STREAMS:
            raise Busy(f"You have {MOST_STREAMS} pages open that are kept up to date. Close some, or reload by hand.")
        self._streams[reader] += 1
        try:
            yield
        finally:
            self._streams[reader] -= 1
            if not self._streams[reader]:
                del self._streams[reader]

    @contextlib.asynccontextmanager
    async def followed(
        self, installation: Installation, key: Hashable, find_version: Callable[[], str]
    ) -> AsyncIterator[Topic]:
        """The topic with this key, watched as long as this lasts. `find_version` runs on a thread."""
        topic = self._topics.get(key)
        if topic is None or topic.is_over:
            topic = self._topics[key] = Topic()
            topic.watching = asyncio.create_task(self._watch(installation, key, topic, find_version))
        topic.followers += 1
        try:
            yield topic
        finally:
            topic.followers -= 1
            if not topic.followers and topic.watching is not None:
                self._forget(key, topic)
                topic.watching.cancel()

    async def _watch(
        self, installation: Installation, key: Hashable, topic: Topic, find_version: Callable[[], str]
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not installation.is_stopping:
                # Many writers, say, keep this look from its turn; the next one comes soon.
                with contextlib.suppress(Busy):
                    topic.become(await loop.run_in_executor(installation.pool, find_version))
                await asyncio.sleep(EVERY_S)
        except (ModelyardError, RuntimeError):
            pass  # it is gone, or the server is stopping: whoever follows it asks again and learns which
        except Exception:  # edge: whatever ends the task, its followers must hear of it
            log.exception("Watching %s for open pages failed.", key)
        finally:
            topic.end()
            self._forget(key, topic)

    def _forget(self, key: Hashable, topic: Topic) -> None:
        if self._topics.get(key) is topic:
            del self._topics[key]

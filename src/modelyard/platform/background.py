"""What runs beside the requests of a process, started and stopped together."""

import logging
import os
import signal
import threading
from types import FrameType
from typing import Protocol

log = logging.getLogger(__name__)


class Service(Protocol):
    """Something with threads of its own."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """End what is under way, then return."""
        ...


class Background:
    """The services of one process."""

    def __init__(self) -> None:
        self._services: list[Service] = []
        self._started: list[Service] = []

    def add(self, *services: Service) -> None:
        """Have these started with the others."""
        self._services.extend(services)

    def start(self) -> None:
        """Start all."""
        for service in self._services:
            service.start()
            self._started.append(service)

    def stop(self) -> None:
        """Stop what was started, last first."""
        while self._started:
            self._started.pop().stop()


def end_at_the_latest(seconds: float) -> None:
    """End this process when stopping it gently takes so long. Nothing that was answered is lost by that."""

    def end() -> None:
        log.error("Stopping took longer than %.0f s; the process ends at once.", seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def wait_for_signal() -> None:
    """Return after the first signal to stop; a second one ends the process at once."""
    told = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        if told.is_set():
            os._exit(128 + number)
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    told.wait()

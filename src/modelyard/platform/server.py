"""The HTTP server of a process: uvicorn's, with an end for slow clients and a stop that loses nobody's request."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from modelyard.platform.http import HttpProtocol
from modelyard.platform.listening import let_nobody_new_in

# When the server stops, connections may bring one more request for so long; its answer ends them.
FAREWELL_SECONDS = 1.0
FAREWELL_LOOK_SECONDS = 0.02
# How long those who are half in may take to come in.
HANDSHAKE_SECONDS = 0.1


async def end_slow_clients(connections: Iterable[object]) -> None:
    """End, once a second and for ever, connections whose headers, body or taking of answers is overdue."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1)
        moment = loop.time()
        for connection in list(connections):
            if isinstance(connection, HttpProtocol):
                connection.end_if_overdue(moment)


class HttpServer(Server):
    """uvicorn's server with the end of slow clients, and a word when it listens and when it begins to stop.

    A signal stops it gently, and it then returns as if nobody had sent one; a second signal ends the process at once.
    """

    def __init__(
        self,
        config: Config,
        *,
        listening: Callable[[], None] = lambda: None,
        stopping: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._listening = listening
        self._stopping = stopping
        self._sweeper: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # a signal handler's signature
        if self.should_exit:
            # Nothing answered is lost by this: answers are given after the commit.
            os._exit(128 + sig)
        self.should_exit = True

    async def startup(self, sockets: Sequence[Any] | None = None) -> None:
        await super().startup(sockets=list(sockets) if sockets else None)
        if self.started:
            self._sweeper = asyncio.create_task(end_slow_clients(self.server_state.connections))
            self._listening()

    async def shutdown(self, sockets: Sequence[Any] | None = None) -> None:
        self._stopping()
        await self._stop_listening()
        await self._say_goodbye()
        if self._sweeper is not None:
            self._sweeper.cancel()
        await super().shutdown(sockets=list(sockets) if sockets else None)

    async def _stop_listening(self) -> None:
        """Take whoever has already been let in by the kernel, and nobody after that.

        Closing a listener resets the connections that wait behind it, whose clients may have sent their request.
        """
        # Copies, because uvloop closes its own at once.
        listeners = [
            socket.socket(fileno=os.dup(listener.fileno())) for server in self.servers for listener in server.sockets
        ]
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.setblocking(False)
            let_nobody_new_in(listener)
        await self._let_in(listeners)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        await self._let_in(listeners)
        for listener in listeners:
            listener.close()

    async def _let_in(self, listeners: Iterable[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for listener in listeners:
            with contextlib.suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    accepted.setblocking(False)
                    with contextlib.suppress(OSError):
                        await loop.connect_accepted_socket(self._new_protocol, accepted)

    def _new_protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def _say_goodbye(self) -> None:
        """Let clients that keep connections hear of the end with an answer, rather than lose a request to it."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpProtocol):
                connection.end_after_next_answer()
        for _ in range(int(FAREWELL_SECONDS / FAREWELL_LOOK_SECONDS)):
            if not self.server_state.connections:
                break
            await asyncio.sleep(FAREWELL_LOOK_SECONDS)

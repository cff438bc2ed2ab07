"""REST, made after the server listens: FastAPI takes as long to load as the rest of the server together.

The server begins to build it as soon as it listens; the first request that is quicker waits.
"""

import asyncio
import importlib
import threading
from typing import cast

from modelyard.entrypoints.request import Installation
from modelyard.platform.http import Asgi, Receive, Scope, Send


class LateRest:
    """An ASGI application that becomes `create_rest`'s at the first call or with `build`, whichever comes first."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._application: Asgi | None = None
        self._building = threading.Lock()

    def build(self) -> Asgi:
        """Load and assemble, once.

        Raises:
            UndeclaredRouteError: a route says nothing about who may use it.
        """
        with self._building:
            built = self._application
            if built is None:
                module = importlib.import_module("modelyard.entrypoints.rest.app")
                self._application = built = cast("Asgi", module.create_rest(self._installation))
            return built

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below /api/v4."""
        application = self._application
        if application is None:
            application = await asyncio.to_thread(self.build)
        await application(scope, receive, send)

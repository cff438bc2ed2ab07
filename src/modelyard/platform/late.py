"""Parts that are loaded after the server listens.

Pages and REST take longer to load than everything else together, and MLflow's clients need neither. The server begins
to load them as soon as it listens; a request that is quicker waits.
"""

import asyncio
import importlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from modelyard.platform.http import Asgi, Receive, Scope, Send


class LateApplication:
    """Becomes what `module.function(*given)` makes, at the first call or with `build`, whichever comes first."""

    def __init__(self, module: str, function: str, given: Sequence[object]) -> None:
        self._module = module
        self._function = function
        self._given = given
        self._application: Asgi | None = None
        self._building = threading.Lock()

    def build(self) -> Asgi:
        """Load and assemble, once. Whatever goes wrong there is raised here, again at each call."""
        with self._building:
            built = self._application
            if built is not None:
                return built
            make: Callable[..., Asgi] = getattr(importlib.import_module(self._module), self._function)
            self._application = made = make(*self._given)
            return made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        application = self._application
        if application is None:
            application = await asyncio.to_thread(self.build)
        await application(scope, receive, send)


class LateFunction:
    """The function of a module that is loaded at the first call."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *given: Any) -> Any:  # noqa: ANN401  # whatever the function takes and returns
        return getattr(importlib.import_module(self._module), self._name)(*given)

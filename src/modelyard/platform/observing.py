"""Sees every request after its answer: counts it, and writes its line in the log.

A direct request is one of thousands a second, so its line is written only at level debug, or when it went wrong.
"""

import logging
import time

from modelyard.platform.http import Asgi, Call, Direct, Message, Receive, Scope, Send
from modelyard.platform.meters import RequestMeter
from modelyard.platform.telemetry import REQUEST_LOGGER, Facts, log_request, on_behalf_of

FIRST_FAULT = 500
SLOW_S = 5.0
ROUTE_KEY = "modelyard.route"
"""In an ASGI scope: the template of the route, where the framework does not note it itself."""


class Observer:
    """One of a server; it is called on the event loop only."""

    def __init__(self) -> None:
        self.meter = RequestMeter()
        self._is_detailed = logging.getLogger(REQUEST_LOGGER).isEnabledFor(logging.DEBUG)

    def direct(self, direct: Direct, call: Call, status: int, seconds: float) -> None:
        """A direct request was answered."""
        self.meter.add(direct.route, status, seconds)
        if self._is_detailed or status >= FIRST_FAULT or seconds > SLOW_S:
            level = logging.WARNING if status >= FIRST_FAULT or seconds > SLOW_S else logging.DEBUG
            method, _, route = direct.route.rpartition(" ")
            log_request(call.facts or Facts(), method or call.method, route, status, seconds, level=level)

    def around(self, application: Asgi) -> Asgi:
        """`application`, observed; each answer carries the number of its request."""

        async def observed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._run(application, scope, receive, send)
            else:
                await application(scope, receive, send)

        return observed

    async def _run(self, application: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
        facts = Facts()
        status = 499  # the client went away before it was answered

        async def numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                number = (b"x-request-id", facts.request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), number]}
            await send(message)

        started = time.perf_counter()
        with on_behalf_of(facts):
            try:
                await application(scope, receive, numbered)
            except Exception:  # edge: seen here, answered by the server
                status = FIRST_FAULT
                raise
            finally:
                seconds = time.perf_counter() - started
                route = _route(scope)
                self.meter.add(f"{scope['method']} {route}", status, seconds)
                level = logging.WARNING if status >= FIRST_FAULT else logging.INFO
                log_request(facts, scope["method"], route, status, seconds, level=level)


def under_route(template: str, application: Asgi) -> Asgi:
    """`application`, whose requests count under this template."""

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = template
        await application(scope, receive, send)

    return noted


def _route(scope: Scope) -> str:
    """The template under which the request was found: never what the client wrote."""
    noted = scope.get(ROUTE_KEY)
    if isinstance(noted, str):
        return noted
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "unknown"

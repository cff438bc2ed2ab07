"""One outbound client for the whole product: nothing but `platform/egress` may connect to where a user points."""

from collections.abc import Iterator

from tools.house.exceptions import Exceptions
from tools.house.sources import Finding, Source, is_within

RULE = "egress"
_CLIENTS = (
    "aiohttp", "boto3", "ftplib", "http.client", "httpcore", "httpx", "httpx2", "pycurl", "requests", "smtplib",
    "socket.create_connection", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc.client",
)  # fmt: skip
_CALLS = {"asyncio.open_connection", "open_connection", "socket.create_connection", "create_connection", "urlopen"}
_ALLOWED = "modelyard.platform.egress"


def check(source: Source, exceptions: Exceptions) -> Iterator[Finding]:
    """Imports of HTTP and socket clients, and calls that connect, in the server's code."""
    if not source.module.startswith("modelyard.") or is_within(source.module, _ALLOWED):
        return
    imported = [(line, name) for line, name in source.imports() if is_within(name, *_CLIENTS)]
    called = [
        (call.lineno, function)
        for call, function in source.calls()
        if function in _CALLS or function.endswith((".sock_connect", ".connect_ex"))
    ]
    if (imported or called) and not exceptions.allow(RULE, source.module):
        for line, name in sorted({*imported, *called}):
            yield Finding(source.path, line, RULE, f"{name} connects outward; only platform/egress does.")

"""Connections to checked addresses, with one deadline for everything that happens on them."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from typing import Any

import httpcore

from modelyard.platform.egress.addresses import is_public

Resolve = Callable[[str, int], list[str]]
"""All addresses of a host; raises OSError when the resolver does not know or does not answer."""
Connect = Callable[[str, int, float], socket.socket]
"""A connection to an address within so many seconds."""

_resolving = ThreadPoolExecutor(4, thread_name_prefix="resolve")


def resolved(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(entry[4][0]) for entry in found]


def connected(address: str, port: int, timeout_s: float) -> socket.socket:
    """A connection to one address."""
    return socket.create_connection((address, port), timeout_s)


class Deadline:
    """The moment by which a whole exchange is over."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self, most_s: float | None = None) -> float:
        """Seconds that are left, at most `most_s`.

        Raises:
            httpcore.TimeoutException: none.
        """
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout("The time for this exchange is over.")
        return left_s if most_s is None else min(left_s, most_s)


class CheckedNetwork(httpcore.NetworkBackend):
    """Connects to public addresses only, or to where `allows` says so for this very host and port."""

    def __init__(
        self, deadline: Deadline, *, resolve: Resolve, connect: Connect, allows: Callable[[str, int], bool]
    ) -> None:
        self._deadline = deadline
        self._resolve = resolve
        self._connect = connect
        self._allows = allows

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  # httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  # httpcore's signature
    ) -> httpcore.NetworkStream:
        """Resolve, check every address, connect to the first."""
        addresses = self._addresses(host, port)
        if not self._allows(host, port) and not all(is_public(address) for address in addresses):
            raise httpcore.ConnectError("An address of this host is not public.")
        try:
            return _Stream(self._connect(addresses[0], port, self._deadline.left(timeout)), self._deadline)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002  # httpcore's signature
        timeout: float | None = None,  # noqa: ARG002  # httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  # httpcore's signature
    ) -> httpcore.NetworkStream:
        """Never."""
        raise httpcore.ConnectError("Only TCP leaves this server.")

    def _addresses(self, host: str, port: int) -> list[str]:
        # The system's resolver knows no deadline; a thread of its own is left to it.
        asked = _resolving.submit(self._resolve, host, port)
        try:
            found = asked.result(self._deadline.left())
        except (OSError, UnicodeError, TooSlow) as error:
            raise httpcore.ConnectError("The host could not be resolved.") from error
        if not found:
            raise httpcore.ConnectError("The host has no address.")
        return found


class _Stream(httpcore.NetworkStream):
    """A connection whose every step must fit into the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._connection.settimeout(self._deadline.left(timeout))
            return self._connection.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        try:
            while view:
                self._connection.settimeout(self._deadline.left(timeout))
                view = view[self._connection.send(view) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._connection.settimeout(self._deadline.left(timeout))
            secured = ssl_context.wrap_socket(self._connection, server_hostname=server_hostname)
        except OSError as error:
            self.close()
            raise httpcore.ConnectError(str(error)) from error
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  # httpcore's signature
        """Nothing is told about the connection; it serves one exchange."""
        return None if info != "is_readable" else False

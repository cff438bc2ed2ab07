"""Takes the address of a server, before anything is opened or announced for it."""

import errno
import os
import socket

from modelyard.platform.errors import Invalid, Unavailable

QUEUED_CONNECTIONS = 2048
LAST_PORT = 65_535
# What a machine without IPv6 says of the second address of `localhost`.
NOT_ON_THIS_MACHINE = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address that this machine has under the name `host`.

    Raises:
        Invalid: there is no such port.
        Unavailable: another program listens there, or this one cannot.
    """
    if not 0 < port <= LAST_PORT:
        raise Invalid(
            f"A port is a number from 1 to {LAST_PORT}, not {port}. Choose one with --port or MODELYARD_PORT."
        )
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise _refused(host, port, str(error.strerror)) from None
    listeners: list[socket.socket] = []
    faults: list[int] = []
    for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
        try:
            listeners.append(socket.create_server(address, family=family, backlog=QUEUED_CONNECTIONS))
        except OSError as error:
            faults.append(error.errno or 0)
    if listeners and NOT_ON_THIS_MACHINE.issuperset(faults):
        return listeners
    for listener in listeners:
        listener.close()
    if errno.EADDRINUSE in faults:
        raise Unavailable(
            f"Another program listens on port {port} of {host} already. Choose another port with --port or"
            " MODELYARD_PORT, or stop that program."
        )
    raise _refused(host, port, os.strerror(faults[0]))


def _refused(host: str, port: int, reason: str) -> Unavailable:
    return Unavailable(
        f"This server cannot listen on port {port} of {host}: {reason}. Choose another address with --host and --port,"
        " or MODELYARD_HOST and MODELYARD_PORT."
    )

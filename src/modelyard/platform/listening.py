"""Takes the address of a server, before anything is opened or announced for it, and gives it up without a loss."""

import contextlib
import ctypes
import errno
import os
import socket
import struct
import sys

from modelyard.platform.errors import Invalid, Unavailable

QUEUED_CONNECTIONS = 2048
LAST_PORT = 65_535
# What a machine without IPv6 says of the second address of `localhost`.
NOT_ON_THIS_MACHINE = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
# Linux's option that has the kernel run a program on each packet that comes to a socket, and such a program, in the
# words of the classic Berkeley Packet Filter (operation, jump if true, jump if false, operand).
SO_ATTACH_FILTER = 26
NO_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the flags of TCP
    (0x54, 0, 0, 0x12),  # look at SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone asks for a connection:
    (0x06, 0, 0, 0),  # it is dropped, as if nobody had heard
    (0x06, 0, 0, 0xFFFFFFFF),  # anything else is taken
)


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


def let_nobody_new_in(listener: socket.socket) -> None:
    """Have the kernel ignore who asks for a connection from now on; those who are half in still come in.

    They ask again after a second, and are refused then, or let in by the next process. A socket that just closed would
    reset whoever came in since the last `accept`, maybe with a request sent already. Only Linux can do this.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in NO_NEW_CONNECTIONS))
    pointer = struct.pack("HL", len(NO_NEW_CONNECTIONS), ctypes.addressof(program))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


def _refused(host: str, port: int, reason: str) -> Unavailable:
    return Unavailable(
        f"This server cannot listen on port {port} of {host}: {reason}. Choose another address with --host and --port,"
        " or MODELYARD_HOST and MODELYARD_PORT."
    )

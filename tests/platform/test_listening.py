"""How the address of a server is given up."""

import socket

import pytest

from modelyard.platform.listening import let_nobody_new_in


def test_whoever_is_in_is_taken_and_who_comes_later_is_refused_at_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as early, socket.socket() as late:
            early.sendall(b"a request")
            let_nobody_new_in(listener)
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(9) == b"a request"
            late.settimeout(0.1)
            with pytest.raises(TimeoutError):
                late.connect(address)
    with socket.socket() as later, pytest.raises(ConnectionRefusedError):
        later.connect(address)

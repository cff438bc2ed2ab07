"""A request with a foreign host name gets nothing, on any kind of route."""

import http.client
import socket
from urllib.parse import urlsplit

import pytest

from modelyard.platform.hosts import admits_hosts_of
from modelyard.platform.settings import Settings
from tests.conftest import LiveServer

LOCAL = Settings()
EVERYWHERE = Settings(host="0.0.0.0")  # noqa: S104  # not bound
NAMED = Settings(host="0.0.0.0", external_url="https://models.example.org", allowed_hosts="other.example, third")  # noqa: S104


@pytest.mark.parametrize(
    ("settings", "host", "expected"),
    [
        (LOCAL, "127.0.0.1:8000", True),
        (LOCAL, "localhost:8000", True),
        (LOCAL, "[::1]:8000", True),
        (LOCAL, "LocalHost", True),
        (LOCAL, "evil.example", False),
        (LOCAL, "127.0.0.1.evil.example", False),
        (LOCAL, "10.0.0.7", False),
        (LOCAL, "", False),
        (LOCAL, "[broken", False),
        (EVERYWHERE, "10.0.0.7:8000", True),
        (EVERYWHERE, "evil.example", False),
        (NAMED, "models.example.org", True),
        (NAMED, "other.example:443", True),
        (NAMED, "third", True),
        (NAMED, "example.org", False),
        (Settings(allowed_hosts="*"), "evil.example", True),
    ],
)
def test_a_server_answers_to_its_own_names(settings: Settings, host: str, *, expected: bool) -> None:
    assert admits_hosts_of(settings)([(b"accept", b"*/*"), (b"host", host.encode())]) is expected


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/version", "/api/v4/version", "/api/2.0/mlflow/runs/log-metric", "/-/static/x.css"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_route_refuses_a_foreign_name(live: LiveServer, path: str, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(live.url).port or 0)
    connection.request(method, path, b"{}" if method == "POST" else None, {"Host": "evil.example"})
    answer = connection.getresponse()
    assert (answer.status, b"host name" in answer.read()) == (421, True)
    connection.close()


def test_a_foreign_name_is_refused_before_its_body_comes(live: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(live.url).port or 0)) as connection:
        connection.settimeout(5)
        connection.sendall(b"POST /version HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000000000\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 421 ")


def test_the_own_address_can_be_opened_as_it_is() -> None:
    assert Settings(host="::1", port=8000).url == "http://[::1]:8000"
    assert Settings(host="127.0.0.1", port=8000).url == "http://127.0.0.1:8000"
    assert Settings(host="::1", external_url="https://models.example.org/").url == "https://models.example.org"

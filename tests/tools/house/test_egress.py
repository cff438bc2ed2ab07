from collections.abc import Callable

import pytest

from tools.house import egress

FoundBy = Callable[..., list[str]]
MODULE = "modelyard.domains.activity.webhooks"


@pytest.mark.parametrize(
    "line",
    [
        "import requests",
        "import urllib.request",
        "from urllib import request",
        "from urllib.request import urlopen",
        "import http.client",
        "from http import client",
        "import httpx as web",
        "async def f():\n    import aiohttp",
        "from socket import create_connection",
        "import socket\nsocket.create_connection(address)",
        "await asyncio.open_connection(host, port)",
        "loop.sock_connect(s, address)",
        "importlib.import_module('requests.adapters')",
    ],
)
def test_no_other_module_connects_outward(found_by: FoundBy, line: str) -> None:
    assert found_by(egress, line, MODULE) != []


@pytest.mark.parametrize(
    "line",
    ["from urllib.parse import urlsplit", "import socket", "from http import HTTPStatus", "import requests_like"],
)
def test_what_does_not_connect_is_fine(found_by: FoundBy, line: str) -> None:
    assert found_by(egress, line, MODULE) == []


def test_the_egress_client_may_connect(found_by: FoundBy) -> None:
    assert found_by(egress, "import httpx", "modelyard.platform.egress") == []
    assert found_by(egress, "import httpx", "modelyard.platform.egress.client") == []


def test_a_listed_module_may_connect(found_by: FoundBy) -> None:
    listed = {"modelyard.entrypoints.cli.demo": "it talks to its own server"}
    assert found_by(egress, "import httpx", "modelyard.entrypoints.cli.demo", listed) == []

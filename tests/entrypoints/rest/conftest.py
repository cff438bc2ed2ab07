"""Bare requests to REST, where a client would be in the way."""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import LiveServer, Somebody, World


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # whatever was sent
        return json.loads(self.content)


Call = Callable[..., Answered]


@pytest.fixture
def call(live: LiveServer, world: World) -> Iterator[Call]:  # noqa: ARG001  # its people call
    """Sends a request below /api/v4; `body` that is no bytes goes as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", live.installation.settings.port)

    def send(
        method: str,
        path: str,
        who: Somebody | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = {} if isinstance(body, bytes | None) else {"Content-Type": "application/json"}
        shown = {**kind, **(who.headers if who else {}), **(headers or {})}
        connection.request(method, f"/api/v4{path}", content, shown)
        response = connection.getresponse()
        return Answered(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )

    yield send
    connection.close()

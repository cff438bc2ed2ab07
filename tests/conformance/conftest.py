"""Clients of the live server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import gitlab
import pytest

from tests.conftest import LiveServer, Somebody, World

Connect = Callable[[Somebody | str | None], gitlab.Gitlab]


@pytest.fixture
def connect(live: LiveServer) -> Iterator[Connect]:
    """Makes a client for somebody, for a bare token, or for nobody."""
    with ExitStack() as open_clients:

        def made(who: Somebody | str | None) -> gitlab.Gitlab:
            token = who.token if isinstance(who, Somebody) else who
            return open_clients.enter_context(gitlab.Gitlab(live.url, private_token=token))

        yield made


@pytest.fixture
def root(connect: Connect, world: World) -> gitlab.Gitlab:
    """The administrator's client."""
    return connect(world.administrator)


@pytest.fixture
def owner(connect: Connect, world: World) -> gitlab.Gitlab:
    """The client of the group's owner."""
    return connect(world.owner)

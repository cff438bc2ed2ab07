"""The command line in this process: quick enough to try every command on both engines."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from modelyard.entrypoints.cli.main import main
from modelyard.platform.settings import Settings

Run = Callable[..., "Ended"]


class Ended(NamedTuple):
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs `modelyard WORDS…` on the installation of `settings`; `given` comes by the standard input."""
    monkeypatch.setenv("MODELYARD_DATA", str(settings.data))
    monkeypatch.setenv("MODELYARD_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("MODELYARD_PORT", str(settings.port))
    before = os.umask(0o077)

    def start(*words: str, given: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["modelyard", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        said = capsys.readouterr()
        return Ended(status, said.out, said.err)

    yield start
    os.umask(before)

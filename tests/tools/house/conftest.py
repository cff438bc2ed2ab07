"""Plants a few lines as if they were a file of the project, and asks one rule what it finds."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from tools.house.exceptions import Exceptions
from tools.house.sources import Source

FoundBy = Callable[..., list[str]]


@pytest.fixture
def found_by() -> FoundBy:
    """The messages of one rule about a text that stands in `module`, with the given exceptions."""

    def find(rule: ModuleType, text: str, module: str, exceptions: dict[str, str] | None = None) -> list[str]:
        source = Source(f"src/{module.replace('.', '/')}.py", module, dedent(text))
        table = Exceptions({rule.RULE: exceptions or {}})
        return [f"{finding.line}: {finding.message}" for finding in rule.check(source, table)]

    return find


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project under git."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path

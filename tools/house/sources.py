"""What the rules look at: Python files with their syntax trees, and what they find there."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = Path("src/modelyard")


@dataclass(frozen=True, order=True)
class Finding:
    """One breach of one rule, with the sentence for whoever wrote the line."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Source:
    """A Python file: its path from the project's root, its dotted name, its text and its tree."""

    path: str
    module: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call with the dotted text of what is called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node, ast.unparse(node.func)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full dotted name of everything imported: `from urllib import request` is `urllib.request`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        for call, function in self.calls():
            if function in {"__import__", "import_module", "importlib.import_module"} and call.args:
                name = call.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield call.lineno, name.value


def read_sources(root: Path) -> list[Source]:
    """Every Python file that is tracked, or new and not ignored."""
    return [_read(root, name) for name in project_files(root) if name.endswith(".py")]


def project_files(root: Path) -> list[str]:
    """The project's files by path from its root: what git tracks, and what is new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in set(listing.split("\0")) if name and (root / name).is_file())


def is_within(name: str, *parents: str) -> bool:
    """Whether a dotted name is one of these or lies below it."""
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


def _read(root: Path, name: str) -> Source:
    module = name.removesuffix(".py").removeprefix("src/").replace("/", ".").removesuffix(".__init__")
    return Source(name, module, (root / name).read_text(encoding="utf-8"))

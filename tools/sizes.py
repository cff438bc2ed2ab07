"""The longest files and functions: looked at before a release, because length is where subjects get mixed."""

import ast
import subprocess
from pathlib import Path

SHOWN = 20


def report(root: Path) -> str:
    """Two lists, longest first: lines of each Python file, and of each function in them."""
    paths = [root / name for name in _tracked_python_files(root)]
    files = sorted(((len(_lines(path)), str(path.relative_to(root))) for path in paths), reverse=True)
    functions = sorted((entry for path in paths for entry in _functions(path, root)), reverse=True)
    return "\n".join([
        "Longest files (lines)", *_table(files[:SHOWN]), "",
        "Longest functions (lines)", *_table(functions[:SHOWN]),
    ])  # fmt: skip


def _tracked_python_files(root: Path) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [name for name in listing.splitlines() if (root / name).exists()]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _functions(path: Path, root: Path) -> list[tuple[int, str]]:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        (node.end_lineno - node.lineno + 1, f"{path.relative_to(root)}:{node.lineno} {node.name}")
        for node in found
        if node.end_lineno is not None
    ]


def _table(entries: list[tuple[int, str]]) -> list[str]:
    return [f"{count:>6}  {name}" for count, name in entries]

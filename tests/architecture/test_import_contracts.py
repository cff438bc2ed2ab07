"""The contracts of `pyproject.toml` must refuse what they are there for: each breach is planted in a small tree."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREE = (
    "app.py",
    "entrypoints/request.py",
    "entrypoints/rest/projects.py",
    "entrypoints/web/projects.py",
    "domains/tracking/candidates.py",
    "domains/tracking/search.py",
    "domains/packages/files.py",
    "domains/namespaces/projects.py",
    "domains/accounts/users.py",
    "platform/database.py",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package with the project's shape and contracts, and nothing in it."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    package = tmp_path / "src" / "modelyard"
    for name in TREE:
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(tree / "src")}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def test_an_empty_tree_keeps_every_contract(tree: Path) -> None:
    result = lint(tree)
    assert "6 kept, 0 broken" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("name", "line", "broken"),
    [
        ("domains/tracking/candidates.py", "import modelyard.entrypoints.request", "Floors"),
        ("platform/database.py", "import modelyard.domains.accounts.users", "Floors"),
        ("entrypoints/web/projects.py", "import modelyard.app", "Floors"),
        ("helpers.py", "", "Floors"),
        ("entrypoints/web/projects.py", "import modelyard.entrypoints.rest.projects", "Ways in"),
        ("entrypoints/soap/__init__.py", "", "Ways in"),
        ("domains/packages/files.py", "import modelyard.domains.tracking.candidates", "Domains depend downward"),
        ("domains/accounts/users.py", "def f():\n    import modelyard.domains.namespaces.projects", "Domains depend"),
        ("domains/billing/__init__.py", "", "Domains depend downward"),
        ("domains/tracking/candidates.py", "from starlette.requests import Request", "No web framework"),
        ("platform/database.py", "import fastapi", "No web framework"),
        ("entrypoints/rest/projects.py", "from sqlalchemy import select", "No SQL"),
    ],
)
def test_an_import_in_the_wrong_direction_is_refused(tree: Path, name: str, line: str, broken: str) -> None:
    path = tree / "src" / "modelyard" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{line}\n", encoding="utf-8")
    result = lint(tree)
    assert result.returncode == 1, result.stdout + result.stderr
    kept_or_broken = [report for report in result.stdout.splitlines() if report.startswith(broken)]
    assert any(report.endswith("BROKEN") for report in kept_or_broken), result.stdout


def test_two_files_of_one_package_may_not_import_each_other(tree: Path) -> None:
    tracking = tree / "src" / "modelyard" / "domains" / "tracking"
    (tracking / "candidates.py").write_text("import modelyard.domains.tracking.search\n", encoding="utf-8")
    (tracking / "search.py").write_text("import modelyard.domains.tracking.candidates\n", encoding="utf-8")
    result = lint(tree)
    assert "No cycles, not even inside a package BROKEN" in result.stdout, result.stdout + result.stderr

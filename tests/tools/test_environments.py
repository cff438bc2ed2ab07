import importlib.machinery
import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tools import environments
from tools.environments import DEVELOPMENT, RUN, Environment, EnvironmentFault

ROOT = Path(__file__).parents[2]


@pytest.fixture
def main_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of `.venv`."""
    folder = tmp_path / "venv"
    monkeypatch.setattr(environments, "MAIN_FOLDER", folder)
    monkeypatch.setattr(environments, "UV", folder / "bin" / "uv")
    return folder


def stamp(environment: Environment) -> None:
    """Leave in its folder what a finished environment leaves."""
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    (environment.folder / "modelyard-stamp").write_text(environments.fingerprint(environment), encoding="utf-8")


def test_a_python_without_ensurepip_is_told_which_package_to_install(
    main_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec

    def without_ensurepip(name: str) -> importlib.machinery.ModuleSpec | None:
        return None if name == "ensurepip" else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", without_ensurepip)
    with pytest.raises(EnvironmentFault, match="apt-get install python3-venv"):
        environments.ensure_uv()
    assert not main_folder.exists()


def test_an_environment_is_made_again_when_its_lock_changes(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("one\n", encoding="utf-8")
    environment = Environment("some", tmp_path / "venv", (str(lock),), holds_project=False)
    before = environments.fingerprint(environment)
    assert environments.fingerprint(environment) == before
    lock.write_text("two\n", encoding="utf-8")
    assert environments.fingerprint(environment) != before


def test_an_environment_that_is_current_is_left_alone(tmp_path: Path) -> None:
    environment = Environment("some", tmp_path / "venv", (), holds_project=False)
    stamp(environment)
    assert environments.ensure(environment) == environment
    assert sorted(path.name for path in environment.folder.iterdir()) == ["bin", "modelyard-stamp"]


def test_a_developers_environment_serves_too(tmp_path: Path) -> None:
    developers = replace(DEVELOPMENT, folder=tmp_path)
    stamp(developers)
    assert environments.ensure(replace(RUN, folder=tmp_path)) == developers


def test_a_program_that_fails_is_named() -> None:
    with pytest.raises(EnvironmentFault, match="ended with status 3"):
        environments.run(sys.executable, "-c", "raise SystemExit(3)")


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--help"], 0), (["deploy"], 2)])
def test_dev_py_lists_its_commands(arguments: list[str], status: int) -> None:
    command = [sys.executable, str(ROOT / "dev.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == status
    assert "python3 dev.py serve [ARGS]" in result.stdout

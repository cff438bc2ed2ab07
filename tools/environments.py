"""Makes the virtual environments of development from hashed requirements, and knows when one is already right.

Standard library only: it runs on the bare Python of the machine, before anything is installed.
"""

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAIN_FOLDER = ROOT / ".venv"
UV = MAIN_FOLDER / "bin" / "uv"
_BOOTSTRAP = ROOT / "requirements" / "bootstrap.txt"
_STAMP = "modelyard-stamp"


class EnvironmentFault(Exception):
    """An environment cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment: where it lies, the locks it is made from, and whether the project itself is in it."""

    name: str
    folder: Path
    locks: tuple[str, ...]
    holds_project: bool

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def program(self, name: str) -> Path:
        """A command that one of its packages installed."""
        return self.folder / "bin" / name


RUN = Environment("run", MAIN_FOLDER, ("run.txt", "build.txt"), holds_project=True)
DEVELOPMENT = Environment("development", MAIN_FOLDER, ("dev.txt",), holds_project=True)
MLFLOW_2 = Environment("mlflow2", ROOT / ".venv-mlflow2", ("mlflow2.txt",), holds_project=False)


def ensure(environment: Environment) -> Environment:
    """Make the environment unless it is as its locks say; what was made, which may hold more than was asked for."""
    if environment.holds_project:
        environment = _with_what_is_there(environment)
    if _is_current(environment):
        return environment
    with _alone():
        if not _is_current(environment):
            print(f"Making {environment.folder.name} ({environment.name}) from the hashed requirements …", flush=True)
            _make(environment)
    return environment


def ensure_uv() -> Path:
    """The installer, itself installed by pip from a hash."""
    if not UV.exists():
        with _alone():
            _create_main_folder()
    return UV


def run(*command: str | Path, extra: dict[str, str] | None = None) -> None:
    """Run a program in the project's folder; a failure ends with its own message above ours."""
    result = subprocess.run([str(part) for part in command], cwd=ROOT, env=os.environ | (extra or {}), check=False)
    if result.returncode != 0:
        raise EnvironmentFault(f"{Path(command[0]).name} ended with status {result.returncode}; see its message above.")


def _with_what_is_there(environment: Environment) -> Environment:
    """A developer's environment serves too, and is not stripped down to what serving needs."""
    is_developers = _read_stamp(environment.folder).startswith(f"{DEVELOPMENT.name} ")
    return replace(DEVELOPMENT, folder=environment.folder) if is_developers else environment


def _is_current(environment: Environment) -> bool:
    return environment.python.exists() and _read_stamp(environment.folder) == fingerprint(environment)


def _read_stamp(folder: Path) -> str:
    stamp = folder / _STAMP
    return stamp.read_text(encoding="utf-8") if stamp.exists() else ""


def fingerprint(environment: Environment) -> str:
    """A hash of what the environment is made from: Python, its locks, and how the project is packaged."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {environment.folder}".encode())
    for path in [_BOOTSTRAP, *(ROOT / "requirements" / lock for lock in environment.locks)]:
        digest.update(path.read_bytes())
    if environment.holds_project:
        with (ROOT / "pyproject.toml").open("rb") as file:
            project = tomllib.load(file)
        digest.update(repr((project["project"], project["build-system"], project["tool"]["hatch"])).encode())
    return f"{environment.name} {digest.hexdigest()}"


@contextmanager
def _alone() -> Generator[None]:
    """One process at a time makes environments; others wait for it."""
    with Path(__file__).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(environment: Environment) -> None:
    stamp = environment.folder / _STAMP
    stamp.unlink(missing_ok=True)
    _create_main_folder()
    locks = [ROOT / "requirements" / lock for lock in environment.locks]
    if environment.folder != MAIN_FOLDER:
        run(UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment.folder)
    else:
        locks.append(_BOOTSTRAP)
    run(UV, "pip", "sync", "--quiet", "--python", environment.python, "--require-hashes", *locks)
    if environment.holds_project:
        editable = ("--no-deps", "--no-build-isolation", "--editable", ROOT)
        run(UV, "pip", "install", "--quiet", "--python", environment.python, *editable)
    stamp.write_text(fingerprint(environment), encoding="utf-8")


def _create_main_folder() -> None:
    if UV.exists() and (MAIN_FOLDER / "bin" / "python").exists():
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise EnvironmentFault(
            "This Python cannot make virtual environments, because its module ensurepip is missing. "
            "On Debian and Ubuntu install it with `apt-get install python3-venv`, then run the same command again."
        )
    venv.create(MAIN_FOLDER, clear=True, with_pip=True)
    pip = (MAIN_FOLDER / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "-r", _BOOTSTRAP)

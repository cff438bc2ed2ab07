"""Locks name packages by hash and never say where from, hold all that is asked for, and leave PyTorch out."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tools.house.sources import Finding

RULE = "locks"
_ADDRESS = re.compile(r"://|^--(index|extra-index|find-links|trusted)")
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)")
_REQUIRED = re.compile(r"^[A-Za-z0-9._-]+")
# Its plain release brings gigabytes of CUDA; tests that want it take what the machine has.
_LEFT_OUT = {"torch"}


def check_locks(root: Path) -> Iterator[Finding]:
    """The requirement files and the npm lock."""
    for path in sorted((root / "requirements").glob("*.txt")):
        yield from _check_requirements(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    yield from _check_npm(root / "package-lock.json")
    yield from _check_complete(root)


def _check_requirements(name: str, text: str) -> Iterator[Finding]:
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if _ADDRESS.search(line):
            yield Finding(name, number, RULE, "A lock names no address and no index; write it with `dev.py lock`.")
        pin = _PINNED.match(line)
        if pin and "--hash=" not in " ".join(lines[number - 1 : number + 1]):
            yield Finding(name, number, RULE, f"{pin['name']} has no hash.")
        if pin and pin["name"].lower() in _LEFT_OUT:
            yield Finding(name, number, RULE, f"{pin['name']} stays out of the locks.")


def _check_npm(path: Path) -> Iterator[Finding]:
    packages = json.loads(path.read_bytes())["packages"]
    for name, package in packages.items():
        if "resolved" in package:
            yield Finding(path.name, 1, RULE, f"{name} says where it came from; write the lock with `dev.py lock`.")
        if name and "integrity" not in package:
            yield Finding(path.name, 1, RULE, f"{name} has no hash.")


def _check_complete(root: Path) -> Iterator[Finding]:
    with (root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    asked = {"run": project["project"]["dependencies"], **project["dependency-groups"]}
    for lock, requirements in asked.items():
        name = f"requirements/{lock}.txt"
        text = (root / name).read_text(encoding="utf-8") if (root / name).exists() else ""
        pinned = {_canonical(pin["name"]) for pin in map(_PINNED.match, text.splitlines()) if pin}
        for requirement in requirements:
            wanted = _REQUIRED.match(requirement)
            if wanted and _canonical(wanted[0]) not in pinned:
                yield Finding(name, 1, RULE, f"{wanted[0]} is missing; run `python3 dev.py lock`.")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

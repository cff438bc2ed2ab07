import json
from pathlib import Path

import pytest

from tools.house.locks import check_locks

PIN = "wheel==1.0 \\\n    --hash=sha256:00\n"
NPM = {"packages": {"": {"name": "x"}, "node_modules/a": {"version": "1.0.0", "integrity": "sha512-x"}}}


@pytest.fixture
def locked(project: Path) -> Path:
    """A project whose one dependency is locked."""
    (project / "pyproject.toml").write_text(
        '[project]\ndependencies = ["Wheel>=1"]\n[dependency-groups]\ndev = ["wheel"]\n', encoding="utf-8"
    )
    (project / "requirements").mkdir()
    for lock in ("run", "dev"):
        (project / "requirements" / f"{lock}.txt").write_text(PIN, encoding="utf-8")
    (project / "package-lock.json").write_text(json.dumps(NPM), encoding="utf-8")
    return project


def messages(project: Path) -> list[str]:
    return [finding.message for finding in check_locks(project)]


def test_hashed_locks_without_addresses_pass(locked: Path) -> None:
    assert messages(locked) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url x",
        "--extra-index-url x",
        "--find-links x",
        "--trusted-host x",
        "a @ https:" + "//example.test/a.whl",
    ],
)
def test_an_address_is_refused(locked: Path, line: str) -> None:
    (locked / "requirements" / "run.txt").write_text(f"{PIN}{line}\n", encoding="utf-8")
    (message,) = messages(locked)
    assert "no address" in message


def test_a_pin_without_hash_is_refused(locked: Path) -> None:
    (locked / "requirements" / "run.txt").write_text(f"{PIN}other==2.0\n", encoding="utf-8")
    assert messages(locked) == ["other has no hash."]


def test_pytorch_stays_out(locked: Path) -> None:
    (locked / "requirements" / "run.txt").write_text(PIN + PIN.replace("wheel", "torch"), encoding="utf-8")
    assert messages(locked) == ["torch stays out of the locks."]


def test_a_dependency_that_is_not_locked_is_named(locked: Path) -> None:
    (locked / "requirements" / "dev.txt").write_text("", encoding="utf-8")
    (message,) = messages(locked)
    assert message.startswith("wheel is missing")


def test_the_npm_lock_says_what_but_not_where(locked: Path) -> None:
    package = {"version": "1.0.0", "resolved": "somewhere"}
    (locked / "package-lock.json").write_text(json.dumps({"packages": {"node_modules/a": package}}), encoding="utf-8")
    assert len(messages(locked)) == 2

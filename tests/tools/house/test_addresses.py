from pathlib import Path

import pytest

from tools.house.addresses import check_addresses


@pytest.mark.parametrize("host", ["files.python" + "hosted.org", "registry.npm" + "js.org", "Py" + "PI.org"])
def test_the_host_of_a_registry_is_found_where_it_stands(project: Path, host: str) -> None:
    (project / "docs.md").write_text(f"one\ntwo {host} three\n", encoding="utf-8")
    (finding,) = check_addresses(project)
    assert (finding.path, finding.line) == ("docs.md", 2)


def test_names_of_registries_are_words(project: Path) -> None:
    (project / "docs.md").write_text("It installs from PyPI and npm.\n", encoding="utf-8")
    assert list(check_addresses(project)) == []


def test_ignored_and_binary_files_are_left_alone(project: Path) -> None:
    host = "py" + "pi.org"
    (project / ".gitignore").write_text("cache\n", encoding="utf-8")
    (project / "cache").write_text(host, encoding="utf-8")
    (project / "image.png").write_bytes(b"\x89PNG\0" + host.encode())
    assert list(check_addresses(project)) == []

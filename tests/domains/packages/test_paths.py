import posixpath
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domains.packages.paths import (
    ancestors,
    file_path,
    folded,
    folder_path,
    generic_file_path,
    package_name,
    package_version,
)
from modelyard.platform.errors import Invalid
from tests.hostile_paths import hostile_paths

HARMLESS = [
    "model.pkl",
    "a/b/c.txt",
    "with space/and (brackets).txt",
    "100%.txt",
    "100%25.txt",
    "a%2Fb",
    "a..b/..c/d..",
    "...",
    "~/x",
    "naïve/日本語/😀.png",
    "a:b.txt"[2:],
    "loss:train.png",
    "con",
    "a" * 255,
    "/".join(["a" * 255] * 4),
    "-rf",
    "$(reboot)",
    "'; DROP TABLE package_files; --",
    "?query=1",
    "a&b=c",
]


@pytest.mark.parametrize("path", HARMLESS)
def test_an_ordinary_path_is_taken_as_it_is(path: str) -> None:
    assert file_path(path) == path
    assert folder_path(path) == path


def test_there_are_hundreds_of_hostile_paths() -> None:
    assert len(hostile_paths()) > 400


@pytest.mark.parametrize("path", hostile_paths(), ids=ascii)
def test_a_hostile_path_is_refused_in_a_sentence(path: str) -> None:
    with pytest.raises(Invalid) as refused:
        file_path(path)
    assert refused.value.message.endswith(".")
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 3000


def test_both_spellings_of_a_letter_are_one_name() -> None:
    assert file_path("cafe\u0301.txt") == file_path("caf\u00e9.txt") == "caf\u00e9.txt"


def test_no_path_is_the_package_itself() -> None:
    assert folder_path("") == ""


paths = (
    st.lists(st.text(st.sampled_from("ab.%25eEfF/\\:#\0 é\u0301C"), max_size=8), max_size=6).map("/".join) | st.text()
)


@given(paths)
def test_what_is_accepted_stays_inside_every_folder_that_a_client_writes_to(text: str) -> None:
    try:
        path = file_path(text)
    except Invalid:
        return
    assert file_path(path) == path == unicodedata.normalize("NFC", text)
    assert len(path.encode()) <= 1024
    decoded = path
    for _ in range(12):
        assert posixpath.normpath(posixpath.join("/folder", decoded)).startswith("/folder/")
        assert not PurePosixPath(decoded).is_absolute()
        assert not PureWindowsPath(decoded).is_absolute()
        assert not PureWindowsPath(decoded).drive
        assert ".." not in PureWindowsPath(decoded).parts
        assert "\\" not in decoded
        assert not any(unicodedata.category(character) == "Cc" for character in decoded)
        decoded = unquote(decoded)


def test_ancestors_are_the_folders_above() -> None:
    assert ancestors("a/b/c.txt") == ["a", "a/b"]
    assert ancestors("c.txt") == []


def test_twins_fold_to_the_same() -> None:
    assert folded("Model/Straße.TXT") == folded("model/STRASSE.txt")
    assert folded("\ufb01le") == folded("FILE")
    assert folded("a") != folded("b")


@given(st.text())
def test_folding_is_final(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize("name", ["my-package", "ml_candidate_7", "a+b~c@d.e", "-", "1.0.0", "x" * 255])
def test_names_and_versions_of_generic_packages(name: str) -> None:
    assert package_name(name) == package_version(name) == name


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "ü", "x" * 256, ".", "..", "a\n", "a%20b", "#", "a:b"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(Invalid, match="package name"):
        package_name(name)
    with pytest.raises(Invalid, match="package version"):
        package_version(name)


def test_files_of_generic_packages_have_folders_of_such_names() -> None:
    assert generic_file_path("folder/sub.dir/file-1.0+x.tar.gz") == "folder/sub.dir/file-1.0+x.tar.gz"
    for path in ("a b", "folder/ü", "a//b", "../a", "a:b"):
        with pytest.raises(Invalid):
            generic_file_path(path)

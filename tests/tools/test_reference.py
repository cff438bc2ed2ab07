"""The reference pages say what the code does."""

from pathlib import Path

import pytest

from modelyard.domains.accounts.actor import Scope
from modelyard.domains.namespaces.access import Ability
from modelyard.platform.settings import declarations
from tools import reference

ROOT = Path(__file__).parents[2]


def test_the_pages_are_up_to_date() -> None:
    assert reference.stale(ROOT) == [], "Run `python -m tools.reference` and commit what it writes."


def test_a_page_that_is_changed_or_missing_is_stale(tmp_path: Path) -> None:
    folder = tmp_path / reference.FOLDER
    folder.mkdir(parents=True)
    for name, write in reference.PAGES.items():
        (folder / name).write_text(write(), encoding="utf-8")
    assert reference.stale(tmp_path) == []
    (folder / "settings.md").write_text("something else", encoding="utf-8")
    (folder / "permissions.md").unlink()
    assert reference.stale(tmp_path) == ["permissions.md", "settings.md"]


def test_nothing_is_left_out() -> None:
    permissions, settings = reference.permissions(), reference.settings()
    for ability in Ability:
        assert f"| {ability.value}" in permissions
    for scope in Scope:
        assert f"| `{scope}` |" in permissions
    for declared in declarations():
        assert f"| `{declared.name}` | `{declared.variable}` |" in settings


@pytest.mark.parametrize("write", reference.PAGES.values(), ids=reference.PAGES)
def test_every_row_of_a_table_has_the_cells_of_its_head(write: object) -> None:
    assert callable(write)
    heads = 0
    for line in str(write()).splitlines():
        cells = line.replace("\\|", "").count("|")
        if cells and not heads:
            heads = cells
        assert not cells or cells == heads
        heads = heads if cells else 0

from pathlib import Path

import pytest

from tools.assets.sprite import UnknownIconError, build_sprite, icon_names

SVG = (
    '<!-- @license --><svg xmlns="http:' + '//www.w3.org/2000/svg" width="24"><path d="M1 1h2" /><circle r="8" /></svg>'
)


@pytest.fixture
def icons(tmp_path: Path) -> Path:
    for name in ("box", "search"):
        (tmp_path / f"{name}.svg").write_text(SVG, encoding="utf-8")
    return tmp_path


def test_names_are_read_without_remarks_and_once() -> None:
    assert icon_names("search  # top bar\n\n# a remark\nbox\nsearch\n") == ["box", "search"]


def test_each_icon_is_a_symbol_that_takes_the_text_colour(icons: Path) -> None:
    sprite = build_sprite(["box", "search"], icons).decode()
    assert sprite.count("<symbol ") == 2
    assert '<symbol id="box" viewBox="0 0 24 24" fill="none" stroke="currentColor"' in sprite
    assert '<path d="M1 1h2" /><circle r="8" />' in sprite
    assert "license" not in sprite


def test_an_unknown_icon_is_named_with_its_neighbours(icons: Path) -> None:
    with pytest.raises(UnknownIconError, match=r"'serach'.*Near: search"):
        build_sprite(["serach"], icons)

"""One file of icons: a `<symbol>` for each name in `icons.txt`, to be shown by `<use href="…#name">`."""

import difflib
from pathlib import Path
from xml.etree.ElementTree import parse, register_namespace, tostring

_SVG = "http://www.w3.org/2000/svg"
_PAINT = (
    'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round"'
)


class UnknownIconError(ValueError):
    """A name in `icons.txt` that the icon set does not have."""


def icon_names(listing: str) -> list[str]:
    """The names in `icons.txt`, sorted and each once; `#` begins a remark."""
    lines = (line.split("#")[0].strip() for line in listing.splitlines())
    return sorted({line for line in lines if line})


def build_sprite(names: list[str], icons: Path) -> bytes:
    """The sprite of these icons, drawn from a folder of `NAME.svg` files."""
    symbols = "".join(f'<symbol id="{name}" {_PAINT}>{_shapes(name, icons)}</symbol>' for name in names)
    return f'<svg xmlns="{_SVG}">{symbols}</svg>\n'.encode()


def _shapes(name: str, icons: Path) -> str:
    path = icons / f"{name}.svg"
    if not path.is_file():
        near = difflib.get_close_matches(name, [icon.stem for icon in icons.glob("*.svg")])
        raise UnknownIconError(
            f"icons.txt names {name!r}, which lucide does not have. Near: {', '.join(near) or 'none'}."
        )
    register_namespace("", _SVG)
    drawing = parse(path).getroot()  # noqa: S314 - a file of a hashed package, not a stranger's
    shapes = (tostring(shape, encoding="unicode").strip() for shape in drawing)
    return "".join(shape.replace(f' xmlns="{_SVG}"', "") for shape in shapes)

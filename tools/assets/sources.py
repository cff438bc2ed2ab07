"""Where each asset comes from, by the logical name the pages ask for."""

from pathlib import Path

from tools.assets.links import imported_styles, inline_imports, without_source_map
from tools.assets.sprite import build_sprite, icon_names

STATIC = Path("src/modelyard/entrypoints/web/static")
SPRITE = "images/icons.svg"
LICENCES = "licences.txt"
_FONTS = "@fontsource-variable"

# Logical name -> file inside node_modules.
VENDOR = {
    "fonts/inter-latin.woff2": f"{_FONTS}/inter/files/inter-latin-wght-normal.woff2",
    "fonts/jetbrains-mono-latin.woff2": f"{_FONTS}/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
    "vendor/htmx.js": "htmx.org/dist/htmx.esm.min.js",
    "vendor/uplot.js": "uplot/dist/uPlot.esm.js",
}

# What a module writes after `from` -> logical name. Our own modules are added as "modelyard/<path under js>".
VENDOR_IMPORTS = {
    "htmx.org": "vendor/htmx.js",
    "uplot": "vendor/uplot.js",
}


def own_assets(root: Path) -> dict[str, bytes]:
    """Our styles, modules and images by logical name, such as `css/app.css`."""
    source = root / STATIC / "src"
    paths = (path for folder in ("css", "js", "images") for path in sorted((source / folder).rglob("*")))
    files = {path.relative_to(source).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    styles = {name: content.decode() for name, content in files.items() if name.endswith(".css")}
    served = styles.keys() - imported_styles(styles)
    others = {name: content for name, content in files.items() if name not in styles}
    return others | {name: inline_imports(name, styles).encode() for name in sorted(served)}


def vendor_assets(root: Path, modules: Path) -> dict[str, bytes]:
    """Third parties' files, the icon sprite and all their licences, by logical name."""
    assets = {name: (modules / path).read_bytes() for name, path in VENDOR.items()}
    assets |= {name: without_source_map(content) for name, content in assets.items() if name.endswith(".js")}
    listing = root / STATIC / "src" / "icons.txt"
    names = icon_names(listing.read_text(encoding="utf-8")) if listing.exists() else []
    return {
        **assets,
        SPRITE: build_sprite(names, modules / "lucide-static" / "icons"),
        LICENCES: _licences(modules),
    }


def import_names(assets: dict[str, bytes]) -> dict[str, str]:
    """Bare module name -> logical name: the import map before hashing."""
    own = {f"modelyard/{name.removeprefix('js/')}": name for name in assets if name.startswith("js/")}
    return VENDOR_IMPORTS | own


def _licences(modules: Path) -> bytes:
    texts = []
    for path in sorted(modules.glob("**/LICENSE*")):
        package = path.parent.relative_to(modules).as_posix()
        texts.append(f"{package}\n{'=' * len(package)}\n\n{path.read_text(encoding='utf-8').strip()}\n")
    return "\n\n".join(texts).encode()

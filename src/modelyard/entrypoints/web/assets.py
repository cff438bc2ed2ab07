"""What browsers load beside pages: found by logical name, served under a name that carries its hash.

`tools/assets` builds `static/dist` with a `manifest.json`; without it pages still work, unstyled.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

DIST = Path(__file__).parent / "static" / "dist"
URL_PREFIX = "/-/static/"
_SPRITE = "images/icons.svg"
# What `app.js` imports on every page, so that a browser need not find out one after the other.
MODULES = (
    "vendor/htmx.js", "js/dialogs.js", "js/dom.js", "js/elements/copy.js", "js/elements/menu.js", "js/mlflow_links.js",
    "js/preferences.js", "js/requests.js", "js/shortcuts.js", "js/times.js", "js/toasts.js",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asset:
    """One built file: where it is served and what a browser may check it against."""

    url: str
    integrity: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All built files by logical name, such as `css/app.css`; empty when nothing was built."""

    files: Mapping[str, Asset] = field(default_factory=dict)
    import_map: str = ""

    @property
    def are_built(self) -> bool:
        return bool(self.files)

    def url(self, name: str) -> str:
        """The address of a file; empty when nothing was built, a `KeyError` when the build does not have it."""
        return self.files[name].url if self.files else ""

    def integrity(self, name: str) -> str:
        return self.files[name].integrity if self.files else ""

    def icon(self, name: str, classes: str = "icon") -> Markup:
        """An icon of the sprite, hidden from assistive technology: words stand beside it or name its button."""
        return Markup('<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>').format(
            classes, self.url(_SPRITE), name
        )


def load_assets(dist: Path = DIST) -> Assets:
    """Read the manifest of a build; `Assets()` where there is none."""
    manifest = dist / "manifest.json"
    if not manifest.exists():
        return Assets()
    built = json.loads(manifest.read_bytes())
    files = {name: Asset(URL_PREFIX + entry["path"], entry["integrity"]) for name, entry in built["files"].items()}
    imports = {name: URL_PREFIX + path for name, path in built["imports"].items()}
    return Assets(files, _script_json({"imports": imports}))


def _script_json(value: object) -> Markup:
    """JSON that may stand inside `<script>`: nothing in it can end the element."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))  # noqa: S704 - escaped in this line

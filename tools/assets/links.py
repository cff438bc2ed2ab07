"""Keeps links between files true once their names carry a hash: `url(…)` in styles, bare names in modules."""

import posixpath
import re
from collections.abc import Callable, Collection, Mapping

_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_IMPORT = re.compile(
    r"""@import\s+(?:url\(\s*)?(?P<quote>["'])(?P<target>[^"']+)(?P=quote)\s*\)?\s*(?:layer\((?P<layer>[\w.-]+)\))?\s*;"""
)
_CSS_LINK = re.compile(r"""url\(\s*(?P<quote>["']?)(?P<target>[^"')\s]+)(?P=quote)\s*\)""")
_JS_COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*$", re.DOTALL | re.MULTILINE)
_JS_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](?P<target>[^"']+)["']""")
_SOURCE_MAP = re.compile(rb"^//# sourceMappingURL=.*$\n?", re.MULTILINE)


class BrokenLinkError(ValueError):
    """A file of ours refers to one that will not be there."""


def inline_imports(name: str, styles: Mapping[str, str], above: tuple[str, ...] = ()) -> str:
    """The style sheet with each `@import` replaced by what it names, so that a page asks for one file."""
    if name in above:
        raise BrokenLinkError(f"Style sheets import each other in a circle: {' -> '.join([*above, name])}.")

    def replace(statement: re.Match[str]) -> str:
        target = imported_style(name, statement["target"])
        if target not in styles:
            raise BrokenLinkError(f"{name} imports {target}, which does not exist.")
        css = inline_imports(target, styles, (*above, name))
        return f"@layer {statement['layer']} {{\n{css}}}" if statement["layer"] else css

    css = _CSS_IMPORT.sub(replace, _CSS_COMMENT.sub("", styles[name]))
    if "@import" in css:
        raise BrokenLinkError(f'{name} has an @import that is not of the form `@import "file.css" layer(name);`.')
    return css


def imported_styles(styles: Mapping[str, str]) -> set[str]:
    """The style sheets that another one imports, which therefore need not be served themselves."""
    return {
        imported_style(name, statement["target"])
        for name, css in styles.items()
        for statement in _CSS_IMPORT.finditer(_CSS_COMMENT.sub("", css))
    }


def imported_style(name: str, target: str) -> str:
    """The logical name of an imported sheet. All sheets lie in one folder, so that links in them stay true."""
    if "/" in target:
        raise BrokenLinkError(f"{name} imports {target}; style sheets lie beside each other.")
    return posixpath.join(posixpath.dirname(name), target)


def link_styles(name: str, css: str, hashed_name: Callable[[str], str]) -> str:
    """The style sheet with its relative links pointing at hashed names; `data:` and `#fragment` links stay."""

    def replace(link: re.Match[str]) -> str:
        target = link["target"]
        if target.startswith(("data:", "#")):
            return link[0]
        if ":" in target or target.startswith("/"):
            raise BrokenLinkError(
                f"{name} links to {target}; pages load nothing from elsewhere, so link to a file here."
            )
        path, mark, fragment = target.partition("#")
        logical = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        return f'url("{posixpath.relpath(hashed_name(logical), posixpath.dirname(name))}{mark}{fragment}")'

    return _CSS_LINK.sub(replace, css)


def check_imports(name: str, script: str, known: Collection[str]) -> None:
    """Refuse an import that the import map will not answer: relative paths miss the hash, unknown names miss a file."""
    for link in _JS_IMPORT.finditer(_JS_COMMENT.sub("", script)):
        target = link["target"]
        if target.startswith((".", "/")):
            raise BrokenLinkError(f'{name} imports {target}; write the bare name instead, such as "modelyard/dom.js".')
        if target not in known:
            raise BrokenLinkError(f"{name} imports {target}, which the import map does not have.")


def without_source_map(script: bytes) -> bytes:
    """A third party's script without the line that names a source map we do not ship."""
    return _SOURCE_MAP.sub(b"", script)

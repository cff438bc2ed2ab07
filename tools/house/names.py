"""Files are named after their subject; a name that fits everything gathers everything."""

from collections.abc import Iterator

from tools.house.exceptions import Exceptions
from tools.house.sources import Finding, Source

RULE = "names"
_EMPTY = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def check(source: Source, exceptions: Exceptions) -> Iterator[Finding]:
    """Modules and packages, anywhere, whose name says nothing."""
    empty = _EMPTY & set(source.module.split("."))
    if empty and not exceptions.allow(RULE, source.module):
        yield Finding(source.path, 1, RULE, f"{min(empty)!r} says nothing; name the module after its subject.")

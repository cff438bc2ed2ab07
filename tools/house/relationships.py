"""Relationships never load by surprise: `lazy="raise"` on each, and no `backref`, which no reader can find."""

import ast
from collections.abc import Iterator

from tools.house.exceptions import Exceptions
from tools.house.sources import Finding, Source

RULE = "relationships"


def check(source: Source, exceptions: Exceptions) -> Iterator[Finding]:
    """Calls of `relationship` in the server's code."""
    if not source.module.startswith("modelyard."):
        return
    for call, function in source.calls():
        if function.split(".")[-1] != "relationship" or exceptions.allow(RULE, source.module):
            continue
        options = {keyword.arg: keyword.value for keyword in call.keywords}
        if "backref" in options:
            yield Finding(source.path, call.lineno, RULE, "Write both sides with back_populates instead of backref.")
        lazy = options.get("lazy")
        if not isinstance(lazy, ast.Constant) or lazy.value != "raise":
            yield Finding(source.path, call.lineno, RULE, 'Say lazy="raise", and load what is needed in the query.')

"""`except Exception` belongs at the edge of a request, a task or a thread, and says so: `# edge: <reason>`."""

import ast
import re
from collections.abc import Iterator

from tools.house.exceptions import Exceptions
from tools.house.sources import Finding, Source

RULE = "edges"
_REASON = re.compile(r"#\s*edge: \S")
_BROAD = {"Exception", "BaseException"}


def check(source: Source, exceptions: Exceptions) -> Iterator[Finding]:
    """Handlers that catch everything without a reason on their line, in any Python file."""
    for handler in ast.walk(source.tree):
        if not isinstance(handler, ast.ExceptHandler) or not _is_broad(handler):
            continue
        if not _REASON.search(source.lines[handler.lineno - 1]) and not exceptions.allow(RULE, source.module):
            message = "Catch what you can handle; at an edge write `# edge: ` and why on this line."
            yield Finding(source.path, handler.lineno, RULE, message)


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(kind).removeprefix("builtins.") in _BROAD for kind in caught)

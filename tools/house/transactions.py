"""Only the edge commits: one request or task is one transaction, and use cases must compose within it."""

import ast
from collections.abc import Iterator

from tools.house.exceptions import Exceptions
from tools.house.sources import Finding, Source

RULE = "transactions"
_ENDING = {"begin", "commit"}
_STATEMENTS = ("BEGIN", "COMMIT", "END TRANSACTION", "START TRANSACTION")


def check(source: Source, exceptions: Exceptions) -> Iterator[Finding]:
    """Calls of `commit` and `begin`, and the same said in SQL, in the server's code."""
    if not source.module.startswith("modelyard."):
        return
    lines = [call.lineno for call, _ in source.calls() if _ends_transaction(call)]
    if lines and not exceptions.allow(RULE, source.module):
        message = "Only platform/database.py and the group commit end transactions; leave it to the edge."
        yield from (Finding(source.path, line, RULE, message) for line in lines)


def _ends_transaction(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr in _ENDING:
        return True
    says = [argument.value for argument in ast.walk(call) if isinstance(argument, ast.Constant)]
    return "exec" in call.func.attr and any(isinstance(it, str) and it.upper().startswith(_STATEMENTS) for it in says)

"""A use case begins `(session, actor, …)`, so that nobody can call one without saying for whom."""

import ast
from collections.abc import Iterator

from tools.house.exceptions import Exceptions
from tools.house.sources import Finding, Source, is_within

RULE = "use-cases"


def check(source: Source, exceptions: Exceptions) -> Iterator[Finding]:
    """Public functions of a domain that take a session and do not begin `(session, actor, …)`."""
    if not is_within(source.module, "modelyard.domains"):
        return
    for function in source.tree.body:
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.name.startswith("_"):
            continue
        if not _takes_session(function) or _begins_rightly(function):
            continue
        name = f"{source.module}.{function.name}"
        if not exceptions.allow(RULE, name):
            message = (
                f"{function.name} takes a session, so it begins `(session, actor, …)`, or is listed with a reason."
            )
            yield Finding(source.path, function.lineno, RULE, message)


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args]


def _takes_session(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    parameters = [*_parameters(function), *function.args.kwonlyargs]
    annotations = [ast.unparse(parameter.annotation) for parameter in parameters if parameter.annotation]
    return any(annotation.strip("'\"").split(".")[-1].endswith("Session") for annotation in annotations)


def _begins_rightly(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return [parameter.arg for parameter in _parameters(function)[:2]] == ["session", "actor"]

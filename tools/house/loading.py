"""The server never runs what a user uploaded: it imports nothing that unpickles or loads models."""

import ast
from collections.abc import Iterator

from tools.house.exceptions import Exceptions
from tools.house.sources import Finding, Source, is_within

RULE = "loading"
_LOADERS = (
    "_pickle", "cloudpickle", "dill", "joblib", "keras", "marshal", "onnxruntime", "pickle", "shelve", "skops",
    "tensorflow", "torch",
)  # fmt: skip


def check(source: Source, exceptions: Exceptions) -> Iterator[Finding]:
    """Imports of what loads code, and numpy's `allow_pickle`, in the server's code."""
    if not source.module.startswith("modelyard."):
        return
    found = [(line, name) for line, name in source.imports() if is_within(name, *_LOADERS)]
    found += [(call.lineno, "allow_pickle") for call, _ in source.calls() if _allows_pickle(call)]
    if found and not exceptions.allow(RULE, source.module):
        for line, name in found:
            yield Finding(source.path, line, RULE, f"{name} can run what a user uploaded; the server never loads it.")


def _allows_pickle(call: ast.Call) -> bool:
    return any(
        keyword.arg == "allow_pickle" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        for keyword in call.keywords
    )

from collections.abc import Callable

import pytest

from tools.house import loading

FoundBy = Callable[..., list[str]]
MODULE = "modelyard.domains.packages.previews"


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib",
        "def f():\n    import torch",
        "import cloudpickle",
        "numpy.load(path, allow_pickle=True)",
        "numpy.load(path, allow_pickle=flag)",
        "__import__('pickle')",
    ],
)
def test_the_server_loads_no_code(found_by: FoundBy, line: str) -> None:
    assert len(found_by(loading, line, MODULE)) == 1


@pytest.mark.parametrize("line", ["import json", "import pickletools", "numpy.load(path, allow_pickle=False)"])
def test_reading_data_is_fine(found_by: FoundBy, line: str) -> None:
    assert found_by(loading, line, MODULE) == []


def test_tests_may_pickle(found_by: FoundBy) -> None:
    assert found_by(loading, "import pickle", "tests.conformance.test_models") == []

from collections.abc import Callable

import pytest

from tools.house import names

FoundBy = Callable[..., list[str]]


@pytest.mark.parametrize("module", ["modelyard.platform.utils", "modelyard.common.dates", "tools.helpers"])
def test_a_name_that_says_nothing_is_refused(found_by: FoundBy, module: str) -> None:
    assert len(found_by(names, "", module)) == 1


def test_a_subject_is_a_name(found_by: FoundBy) -> None:
    assert found_by(names, "", "modelyard.platform.database") == []

from collections.abc import Callable

import pytest

from tools.house import edges

FoundBy = Callable[..., list[str]]


@pytest.mark.parametrize(
    "handler",
    [
        "except Exception:",
        "except BaseException as error:",
        "except (ValueError, Exception):",
        "except:",
        "except Exception:  # edge:",
        "except Exception:  # noqa: BLE001",
    ],
)
def test_catching_everything_needs_a_reason(found_by: FoundBy, handler: str) -> None:
    assert len(found_by(edges, f"try:\n    work()\n{handler}\n    pass\n", "modelyard.platform.tasks.loop")) == 1


@pytest.mark.parametrize(
    "handler", ["except Exception:  # edge: one bad task must not stop the worker", "except ValueError:"]
)
def test_a_reason_or_a_narrow_handler_passes(found_by: FoundBy, handler: str) -> None:
    assert found_by(edges, f"try:\n    work()\n{handler}\n    pass\n", "modelyard.platform.tasks.loop") == []

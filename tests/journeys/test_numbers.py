"""Numbers of curves are written by the browser as the server writes them."""

import pytest

from modelyard.entrypoints.web.formatting import measure
from tests.conftest import LiveServer, World
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.full

SIZES = (
    0.0,
    1.5,
    0.887,
    91.0,
    12345.678,
    9999.4,
    9999.7,
    999999.4,
    999999.7,
    1e6,
    5e9,
    1.2345e-7,
    9.99996e-5,
    9.9994e-5,
)
FORMAT = "async (values) => values.map((await import('modelyard/numbers.js')).formatValue)"


def test_a_number_looks_alike_wherever_it_is_written(live: LiveServer, world: World, window: OpenWindow) -> None:
    values = [sign * size for size in SIZES for sign in (1, -1)]
    page = window(live, world.developer).open("/")
    assert page.evaluate(FORMAT, values) == [measure(value) for value in values]

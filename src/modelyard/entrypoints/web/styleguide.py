"""Every component on one page, for people who build pages and for the tests."""

from starlette.responses import Response

from modelyard.entrypoints.request import public
from modelyard.entrypoints.web.choices import VISIBILITIES
from modelyard.entrypoints.web.chrome import HOME, FormState, Link
from modelyard.entrypoints.web.grid import SortLink
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.clock import now

PATH = "/-/styleguide"
TOKENS = (
    "bg", "surface", "sunken", "sidebar", "raised", "selected", "border", "border-strong", "text", "muted", "subtle",
    "primary", "success", "running", "warning", "danger", "neutral", "info", "stale",
    "chart-1", "chart-2", "chart-3", "chart-4", "chart-5", "chart-6", "chart-7", "chart-8",
)  # fmt: skip
SNIPPET = 'import mlflow\n\nwith mlflow.start_run():\n    mlflow.log_metric("loss", 0.25, step=1)'


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    pages.get(PATH, public("Shows components with made-up content only."), show_styleguide)


def show_styleguide(visit: Visit) -> Response:
    with visit.read():
        pass
    return visit.page(
        "styleguide.html",
        Where(("Style guide",), HOME, (Link("Style guide", PATH),)),
        tokens=TOKENS,
        now=now(),
        snippet=SNIPPET,
        visibilities=VISIBILITIES,
        example_tabs=(Link("Overview", PATH, current=True), Link("Candidates", PATH, count=1240)),
        example_sort=SortLink("Name", PATH, "ascending"),
        example_form=FormState(
            {"name": "churn-xgb", "visibility": "private"},
            {"name": "An experiment of this project has this name already."},
            "Nothing was saved. Correct the marked field.",
        ),
    )

"""All pages together, in the order in which addresses are tried."""

from starlette.applications import Starlette

from modelyard.entrypoints.request import Installation
from modelyard.entrypoints.web import (
    artifacts,
    candidate_selection,
    candidates,
    candidates_csv,
    completions,
    experiment_candidates,
    experiments,
    groups,
    home,
    live,
    members,
    mlflow_links,
    packages,
    preferences,
    projects,
    settings,
    sign_in,
    styleguide,
    tokens,
    users,
)
from modelyard.entrypoints.web.routing import Pages, create_pages


def all_pages() -> Pages:
    """Every page. The most used come first, the ones whose address fits everything last."""
    pages = Pages()
    for noun in (
        experiment_candidates, candidates_csv, completions, candidate_selection, candidates, experiments, artifacts,
        live, packages, members, tokens, settings, sign_in, home, preferences, users, styleguide, mlflow_links,
        projects, groups,
    ):  # fmt: skip
        noun.mount(pages)
    projects.mount_last(pages)
    return pages


def create_site(installation: Installation) -> Starlette:
    """The pages as an ASGI application.

    Raises:
        UndeclaredRouteError: a page says nothing about who may see it.
    """
    return create_pages(installation, all_pages())

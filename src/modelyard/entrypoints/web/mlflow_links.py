"""Addresses that MLflow's client prints, such as …/ml/mlflow/#/experiments/3/runs/9f8e…, lead to our pages."""

import contextlib
import re

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.tracking.places import find_candidate_place
from modelyard.entrypoints.request import SIGNED_IN, public
from modelyard.entrypoints.web.candidate_lists import CANDIDATES
from modelyard.entrypoints.web.navigation import EXPERIMENTS, project_url
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.database import Session
from modelyard.platform.errors import Forbidden, Hidden, NotFound

_ADDRESS = re.compile(r"/experiments/(?P<experiment>\d{1,18})(/runs/(?P<run>[0-9a-f]{32}))?(/.*)?")


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    says_nothing = public("Says nothing of what is there; its script hands the address over to be looked up.")
    for path in ("/api/v4/projects/{reference}/ml/mlflow", "/api/v4/projects/{reference}/ml/mlflow/"):
        pages.get(path, says_nothing, show_doorstep)
    pages.get("/-/mlflow", SIGNED_IN, follow)


def show_doorstep(visit: Visit) -> Response:
    """Where a person lands who opens what the client printed: its fragment is known to the browser only."""
    with visit.read():
        pass
    return visit.page("mlflow_link.html", Where(("MLflow",)), project=visit.variable("reference"))


def follow(visit: Visit) -> Response:
    """Go to the candidate, the experiment or the project that an address of MLflow's means."""
    found = _ADDRESS.fullmatch(visit.query("address"))
    with visit.read() as (session, actor):
        if found is not None and found["run"]:
            return visit.go(_candidate_url(session, actor, found["run"]))
        reference = visit.query("project")
        if not reference:
            visit.require_person()
            return visit.go("/")
        url = project_url(get_project(session, actor, reference))
    return visit.go(f"{url}{EXPERIMENTS}/{found['experiment']}/candidates" if found else url)


def _candidate_url(session: Session, actor: Actor, run_id: str) -> str:
    """The page of a run; one that the actor cannot see is like one that is not there.

    Raises:
        Hidden
    """
    place = find_candidate_place(session, run_id)
    if place is not None:
        with contextlib.suppress(NotFound, Forbidden):
            project = get_project(session, actor, place.project_id)
            require(session, actor, Ability.READ_TRACKING, project)
            return f"{project_url(project)}{CANDIDATES}/{place.candidate_iid}"
    raise Hidden("There is no such run, or you cannot see it.")

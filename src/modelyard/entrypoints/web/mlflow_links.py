"""The links that MLflow's client prints at the end of a run, led to our pages.

It prints `ADDRESS/#/experiments/3/runs/ID`. What follows the `#` never reaches a server, so a script of ours reads it
in the browser (`mlflow-links.js`) and asks for `/-/mlflow/open`.
"""

from starlette.responses import Response

from modelyard.domains.namespaces.projects import get_project
from modelyard.entrypoints.request import SIGNED_IN, named_project, public
from modelyard.entrypoints.web.chrome import HOME, Link
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.database import Session
from modelyard.platform.errors import NotFound

PATH = "/-/mlflow"


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    pages.get(PATH, public("Holds nothing; its script reads the address and goes on."), show_way)
    pages.get(f"{PATH}/open", SIGNED_IN, open_link)


def show_way(visit: Visit) -> Response:
    """Where a browser lands that opens an MLflow address; with scripts off it says what to do."""
    with visit.read():
        pass
    return visit.page("mlflow_link.html", Where(("MLflow address",), HOME, (Link("MLflow address", PATH),)))


def open_link(visit: Visit) -> Response:
    """Go to the candidate, else the experiment, else the project that a link names."""
    with visit.read() as (session, _):
        visit.require_person()
        return visit.go(_target(visit, session))


def _target(visit: Visit, session: Session) -> str:
    run_id, experiment = visit.query("run"), visit.query("experiment")
    if run_id:
        place = visit.installation.lane.find_place(session, run_id)
        if place is None:
            raise NotFound("There is no candidate with this run ID, or you cannot see it.")
        project = get_project(session, visit.actor, place.project_id)
        return f"/{project.full_path}/-/ml/candidates/{place.iid}"
    project = named_project(session, visit.actor, visit.query("project"))
    if experiment.isdecimal():
        return f"/{project.full_path}/-/ml/experiments/{experiment}/candidates"
    return f"/{project.full_path}"

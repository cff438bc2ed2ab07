"""The experiments of a project: listed, made, renamed, archived, deleted and restored; and one of them."""

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.users import get_user
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.experiment_search import (
    Activity,
    ExperimentQuery,
    ExperimentRow,
    activity_of,
    count_experiments,
    search_experiments,
)
from modelyard.domains.tracking.experiments import (
    archive_experiment,
    choose_primary_metric,
    create_experiment,
    delete_experiment,
    get_experiment,
    restore_experiment,
    unarchive_experiment,
    update_experiment,
)
from modelyard.domains.tracking.news import version_of_project
from modelyard.domains.tracking.overviews import recent_candidates, statuses_of
from modelyard.domains.tracking.states import View
from modelyard.domains.tracking.tables import Experiment
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web import snippets
from modelyard.entrypoints.web.candidate_lists import STATUS_WORDS, short_rows
from modelyard.entrypoints.web.chrome import FormState, Link, Toast
from modelyard.entrypoints.web.deletions import Deletion, deletion_of
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.experiment_pages import (
    CURRENT,
    OpenedExperiment,
    abilities,
    open_experiment,
    shown_experiment,
    state_of,
)
from modelyard.entrypoints.web.formatting import count
from modelyard.entrypoints.web.grid import SortLink
from modelyard.entrypoints.web.listing import shown_of
from modelyard.entrypoints.web.navigation import EXPERIMENTS, PROJECT_ROUTE, Opened, open_place
from modelyard.entrypoints.web.places import described
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Paging, Visit, search_address
from modelyard.platform.clock import from_ms
from modelyard.platform.database import Session
from modelyard.platform.errors import Conflict, Invalid

PER_PAGE = 50
SORTS = {"name": "name", "created": "creation_time", "updated": "last_update_time"}
FIRST_NAME = "first-experiment"


@dataclass(frozen=True, slots=True)
class ListedExperiment:
    """An experiment as the list shows it."""

    iid: int
    name: str
    url: str
    state: str
    deletion: Deletion | None
    candidate_count: int
    running_count: int
    updated_at: datetime
    created_at: datetime
    owner: User | None


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    read, write = needs(Ability.READ_TRACKING), needs(Ability.WRITE_TRACKING)
    url = PROJECT_ROUTE + EXPERIMENTS
    one = url + "/{experiment:int}"
    pages.get(url, read, show_experiments, is_heavy=True)
    pages.post(url, write, add)
    pages.get(url + "/new", write, show_new)
    pages.get(one, read, show_experiment)
    pages.get(one + "/edit", write, show_edit)
    pages.post(one + "/edit", write, edit)
    pages.get(one + "/delete", write, show_deletion)
    pages.post(one + "/delete", write, remove)
    pages.post(one + "/restore", write, restore)
    pages.post(one + "/archive", write, archive)
    pages.post(one + "/unarchive", write, unarchive)


# The list


def show_experiments(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_place(visit, session, actor, CURRENT, Ability.READ_TRACKING, title="Experiments")
        return _list(visit, session, actor, opened)


def _list(visit: Visit, session: Session, actor: Actor, opened: Opened) -> Response:
    project = _project(opened)
    version = version_of_project(session, actor, project)  # first, so that nothing that comes meanwhile is missed
    query, state, sort = visit.query("q"), visit.query("state") or "active", visit.query("sort")
    totals = {name: count_experiments(session, actor, project, _query("", name)) for name in _STATES}
    wanted = _query(query, state, sort)
    page = search_experiments(
        session, actor, project, wanted, max_results=PER_PAGE, token=visit.query("cursor") or None
    )
    activities = activity_of(session, actor, project, [row.iid for row in page.items])
    url = opened.url + EXPERIMENTS
    here = {"q": query, "state": visit.query("state"), "sort": sort}
    days = visit.installation.settings.deletion_days
    rows = [
        _listed(row, activities[row.iid], url, _person(visit, session, actor, row), deletion_of(row.deleted_ms, days))
        for row in page.items
    ]
    next_url = search_address(url, **here, cursor=page.next_cursor or "") if page.next_cursor else ""
    matches = count_experiments(session, actor, project, wanted) if query else totals[state]
    return visit.page(
        "experiments/_list.html" if visit.wants_region("experiments") else "experiments/index.html",
        opened.where,
        version=version,
        project={"name": project.name, "url": opened.url},
        list_url=url,
        is_empty=not any(totals.values()),
        query=query,
        state=state,
        sort=sort,
        states=_state_links(url, query, sort, state, totals),
        sorts={name: _sort_link(url, here, name) for name in SORTS},
        experiments=rows,
        may=abilities(opened.standing),
        snippet=snippets.log_candidate(visit.installation.settings.url, project, FIRST_NAME),
        page=Paging(search_address(url, **here) if visit.query("cursor") else "", next_url),
        page_sentence=shown_of(len(rows), matches, "experiment"),
        nothing_title="No experiment matches" if query else f"No {state} experiment",
        nothing_text=f"No {state} experiment of {project.name} has “{query}” in its name."
        if query
        else _ABSENCES[state],
    )


_STATES = ("active", "archived", "deleted")
_ABSENCES = {
    "active": "All experiments of this project are archived or deleted.",
    "archived": "Archived experiments keep their candidates and files, out of the way.",
    "deleted": "Deleted experiments can be restored from here for a while.",
}


def _query(text: str, state: str, sort: str = "") -> ExperimentQuery:
    if state not in _STATES:
        raise Invalid(f"Experiments are {', '.join(_STATES)}, not {state}.")
    name = sort.removeprefix("-")
    if name and name not in SORTS:
        raise Invalid(f"Experiments are sorted by {', '.join(SORTS)}.")
    order = (f"{SORTS[name]} {'DESC' if sort.startswith('-') else 'ASC'}",) if name else ("last_update_time DESC",)
    pattern = text.replace("'", "''")
    return ExperimentQuery(
        filter=f"name ~ '{pattern}'" if text else "",
        order_by=order,
        view=View.DELETED if state == "deleted" else View.ACTIVE,
        is_archived=None if state == "deleted" else state == "archived",
    )


def _sort_link(url: str, here: dict[str, str], name: str) -> SortLink:
    labels = {"name": "Name", "created": "Created", "updated": "Last activity"}
    sort = here["sort"] or "-updated"
    directions = {name: "ascending", f"-{name}": "descending"}
    turned = name if sort == f"-{name}" or (sort != name and name == "name") else f"-{name}"
    return SortLink(labels[name], search_address(url, **(here | {"sort": turned})), directions.get(sort, ""))


def _state_links(url: str, query: str, sort: str, current: str, totals: dict[str, int]) -> list[Link]:
    return [
        Link(
            state.capitalize(),
            search_address(url, q=query, sort=sort, state="" if state == "active" else state),
            count=totals[state],
            current=state == current,
        )
        for state in _STATES
    ]


def _listed(
    row: ExperimentRow, activity: Activity, url: str, owner: User | None, deletion: Deletion | None
) -> ListedExperiment:
    return ListedExperiment(
        iid=row.iid,
        name=row.name,
        url=f"{url}/{row.iid}",
        state=state_of(row),
        deletion=deletion,
        candidate_count=activity.candidates,
        running_count=activity.running,
        updated_at=from_ms(max(row.updated_ms, activity.last_ms or 0)),
        created_at=from_ms(row.created_ms),
        owner=owner,
    )


def _person(visit: Visit, session: Session, actor: Actor, row: ExperimentRow) -> User | None:
    """Who made an experiment; people are known to people only."""
    return get_user(session, actor, row.creator_id, with_deleted=True) if row.creator_id and visit.viewer else None


def _project(opened: Opened) -> Project:
    assert isinstance(opened.place, Project)  # noqa: S101  # these addresses name projects only
    return opened.place


# One


def show_experiment(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_experiment(visit, session, actor)
        recent = recent_candidates(session, actor, opened.project, experiment_id=opened.experiment.id)
        statuses = statuses_of(session, actor, opened.project, opened.experiment.id)
        owner = _person(visit, session, actor, opened.experiment)
    row = opened.experiment
    return visit.page(
        "experiments/_overview.html" if visit.wants_region("experiment") else "experiments/show.html",
        opened.where,
        experiment=shown_experiment(opened)
        | {
            "id": row.iid,
            "version": opened.version,
            "owner": owner,
            "created_at": from_ms(row.created_ms),
            "updated_at": from_ms(max(row.updated_ms, opened.activity.last_ms or 0)),
            "tags": [pair for pair in row.tags.items() if not pair[0].startswith("mlflow.")],
            "description_html": described(row.description),
        },
        heading_facts=opened.facts(),
        experiment_tabs=opened.tabs("Overview"),
        may=opened.may,
        statuses=[(STATUS_WORDS[status], number) for status, number in statuses],
        recent=short_rows(recent),
        snippet=snippets.log_candidate(visit.installation.settings.url, opened.project, row.name),
    )


# Making and changing


def show_new(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_place(visit, session, actor, CURRENT, Ability.WRITE_TRACKING, title="Create experiment")
    return _new_page(visit, opened, FormState())


def add(visit: Visit) -> Response:
    try:
        with visit.write(changes_access=False) as (session, actor):
            opened = open_place(visit, session, actor, CURRENT, Ability.WRITE_TRACKING)
            experiment = create_experiment(session, actor, _project(opened), name=visit.field("name").strip())
            _describe(visit, session, actor, experiment)
    except (Invalid, Conflict) as refused:
        with visit.read() as (session, actor):
            opened = open_place(visit, session, actor, CURRENT, Ability.WRITE_TRACKING, title="Create experiment")
        return _new_page(visit, opened, _refused(visit, refused), status_of(refused))
    return visit.go(
        f"{opened.url}{EXPERIMENTS}/{experiment.iid}/candidates", Toast(f"Experiment {experiment.name} created.")
    )


def show_edit(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_experiment(visit, session, actor, Ability.WRITE_TRACKING, title="Edit")
    row = opened.experiment
    values = {
        "name": row.name,
        "description": row.description,
        "primary_metric": row.primary_metric or "",
        "better": "lower" if row.primary_metric_is_lower_better else "higher",
    }
    return _edit_page(visit, opened, FormState(values))


def edit(visit: Visit) -> Response:
    try:
        with visit.write(changes_access=False) as (session, actor):
            opened, experiment = _experiment(visit, session, actor)
            update_experiment(session, actor, experiment, name=visit.field("name").strip())
            _describe(visit, session, actor, experiment)
            name = experiment.name
    except (Invalid, Conflict) as refused:
        with visit.read() as (session, actor):
            shown = open_experiment(visit, session, actor, Ability.WRITE_TRACKING, title="Edit")
        return _edit_page(visit, shown, _refused(visit, refused), status_of(refused))
    return visit.go(f"{opened.url}{EXPERIMENTS}/{experiment.iid}/candidates", Toast(f"Experiment {name} saved."))


def _refused(visit: Visit, refused: Invalid | Conflict) -> FormState:
    """The form again, with what is wrong; a name that is taken is said beside the name."""
    if isinstance(refused, Conflict):
        taken = "An experiment of this project has this name already. Deleted ones keep theirs."
        return FormState(visit.fields(), {"name": taken})
    return FormState(visit.fields(), problem=refused.message)


def _describe(visit: Visit, session: Session, actor: Actor, experiment: Experiment) -> None:
    """What both forms ask for beside the name."""
    description, metric = visit.field("description"), visit.field("primary_metric").strip() or None
    is_lower_better = visit.field("better") == "lower" if metric else None
    if description != experiment.description:
        update_experiment(session, actor, experiment, description=description)
    if (metric, is_lower_better) != (experiment.primary_metric, experiment.primary_metric_is_lower_better):
        choose_primary_metric(session, actor, experiment, metric, is_lower_better=is_lower_better)


def archive(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        opened, experiment = _experiment(visit, session, actor)
        archive_experiment(session, actor, experiment)
    toast = Toast(
        f"Experiment {experiment.name} archived.",
        undo_label="Unarchive experiment",
        undo_url=f"{opened.url}{EXPERIMENTS}/{experiment.iid}/unarchive",
    )
    return visit.go(opened.url + EXPERIMENTS, toast)


def unarchive(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        opened, experiment = _experiment(visit, session, actor)
        unarchive_experiment(session, actor, experiment)
    return visit.go(opened.url + EXPERIMENTS, Toast(f"Experiment {experiment.name} is listed again."))


def show_deletion(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_experiment(visit, session, actor, Ability.WRITE_TRACKING, title="Delete")
    number = opened.activity.candidates
    days = visit.installation.settings.deletion_days
    inside = (
        f"Its {count(number)} candidate{'' if number == 1 else 's'} go with it." if number else "It has no candidates."
    )
    return visit.task(
        "layouts/confirm.html",
        opened.where,
        heading=f"Delete experiment {opened.experiment.name}",
        action=f"{opened.url}/delete",
        form_state=FormState(),
        sentences=[f"{inside} Scripts that log to it are refused.", f"It can be restored for {days} days."],
        phrase="",
        submit_label=f"Delete experiment {opened.experiment.name}",
        cancel_url=opened.list_url,
    )


def remove(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        opened, experiment = _experiment(visit, session, actor)
        delete_experiment(session, actor, experiment)
    days = visit.installation.settings.deletion_days
    toast = Toast(
        f"Experiment {experiment.name} deleted. Restorable for {days} days.",
        undo_label="Restore experiment",
        undo_url=f"{opened.url}{EXPERIMENTS}/{experiment.iid}/restore",
    )
    return visit.go(opened.url + EXPERIMENTS, toast)


def restore(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        opened, experiment = _experiment(visit, session, actor)
        restore_experiment(session, actor, experiment)
    url = f"{opened.url}{EXPERIMENTS}/{experiment.iid}/candidates"
    return visit.go(url, Toast(f"Experiment {experiment.name} and its candidates restored."))


def _experiment(visit: Visit, session: Session, actor: Actor) -> tuple[Opened, Experiment]:
    opened = open_place(visit, session, actor, CURRENT, Ability.WRITE_TRACKING)
    return opened, get_experiment(session, actor, _project(opened), visit.number("experiment"))


def _new_page(visit: Visit, opened: Opened, form: FormState, status: int = 200) -> Response:
    return visit.task(
        "experiments/form.html",
        opened.where,
        status=status,
        heading=f"Create experiment in {opened.place.name}",
        action=opened.url + EXPERIMENTS,
        form_state=form,
        submit_label="Create experiment",
        cancel_url=opened.url + EXPERIMENTS,
    )


def _edit_page(visit: Visit, opened: OpenedExperiment, form: FormState, status: int = 200) -> Response:
    return visit.task(
        "experiments/form.html",
        opened.where,
        status=status,
        heading=f"Edit experiment {opened.experiment.name}",
        action=f"{opened.url}/edit",
        form_state=form,
        submit_label=f"Save experiment {opened.experiment.name}",
        cancel_url=f"{opened.url}/candidates",
    )

"""MLflow's experiments."""

import re

import msgspec

from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.datasets import datasets_of
from modelyard.domains.tracking.defaults import DEFAULT_IID, DEFAULT_NAME
from modelyard.domains.tracking.experiment_search import (
    ExperimentQuery,
    ExperimentRow,
    read_experiment,
    read_experiment_by_name,
    search_experiments,
)
from modelyard.domains.tracking.experiments import (
    create_experiment,
    default_experiment,
    delete_experiment,
    delete_experiment_tag,
    get_experiment,
    restore_experiment,
    set_experiment_tag,
    update_experiment,
)
from modelyard.domains.tracking.locations import experiment_location
from modelyard.domains.tracking.states import View
from modelyard.entrypoints.mlflow.names import check_name
from modelyard.entrypoints.mlflow.repeats import make_once
from modelyard.entrypoints.mlflow.router import Asked, Routes, always
from modelyard.entrypoints.mlflow.runs import KeyValue, key_values
from modelyard.entrypoints.mlflow.wire import invalid_value, missing_parameter
from modelyard.entrypoints.request import needs
from modelyard.platform.errors import Forbidden, Invalid, NotFound

MOST_SUMMARIZED = 20
MOST_SUMMARIES = 1000

_NUMBER = re.compile(r"[0-9]{1,18}")
_VIEWS = {
    "ACTIVE_ONLY": View.ACTIVE,
    "DELETED_ONLY": View.DELETED,
    "ALL": View.ALL,
    "1": View.ACTIVE,
    "2": View.DELETED,
    "3": View.ALL,
}


class CreateExperiment(msgspec.Struct):
    """Body of `experiments/create`."""

    name: str
    artifact_location: str = ""
    tags: list[KeyValue] = []


class NamedExperiment(msgspec.Struct):
    """Body or query that names an experiment by its id."""

    experiment_id: str | int


class GetByName(msgspec.Struct):
    """Query of `experiments/get-by-name`."""

    experiment_name: str


class UpdateExperiment(msgspec.Struct):
    """Body of `experiments/update`."""

    experiment_id: str | int
    new_name: str


class SetTag(msgspec.Struct):
    """Body of `experiments/set-experiment-tag`."""

    experiment_id: str | int
    key: str
    value: str = ""


class DeleteTag(msgspec.Struct):
    """Body of `experiments/delete-experiment-tag`."""

    experiment_id: str | int
    key: str


class SearchExperiments(msgspec.Struct):
    """Body or query of `experiments/search`. There is no default for `max_results`."""

    max_results: int = 0
    filter: str = ""
    order_by: list[str] = []
    page_token: str = ""
    view_type: str | int = "ACTIVE_ONLY"


class SearchDatasets(msgspec.Struct):
    """Body of `experiments/search-datasets`."""

    experiment_ids: list[str | int]


class Experiment(msgspec.Struct, omit_defaults=True):
    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int
    creation_time: int
    tags: list[KeyValue] = []


class ExperimentAnswer(msgspec.Struct):
    experiment: Experiment


class ExperimentIdAnswer(msgspec.Struct):
    experiment_id: str


class ExperimentsAnswer(msgspec.Struct, omit_defaults=True):
    experiments: list[Experiment] = []
    next_page_token: str | None = None


class DatasetSummary(msgspec.Struct, omit_defaults=True):
    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class DatasetSummaries(msgspec.Struct, omit_defaults=True):
    dataset_summaries: list[DatasetSummary] = []


def create(asked: Asked, body: CreateExperiment) -> object:
    """MLflow's `experiments/create`."""
    check_present(body.name, "name")
    tags = {tag.key: tag.value for tag in body.tags}
    for key in tags:
        check_name(key, "key")
    with asked.write() as (session, actor, project):

        def make() -> str:
            made = create_experiment(
                session, actor, project, name=body.name, tags=tags, artifact_location=body.artifact_location
            )
            return str(made.iid)

        return ExperimentIdAnswer(make_once(session, actor, project, asked.call, kind="experiment", make=make))


def get(asked: Asked, query: NamedExperiment) -> object:
    """MLflow's `experiments/get`, deleted ones too. Clients ask for the default experiment before anything is in it."""
    iid = experiment_iid(query.experiment_id)
    try:
        with asked.read() as (session, actor, project):
            return ExperimentAnswer(experiment_shape(read_experiment(session, actor, project, iid)))
    except NotFound:
        if iid != DEFAULT_IID:
            raise
        return _made_default(asked, otherwise=f"No Experiment with id={iid} exists")


def get_by_name(asked: Asked, query: GetByName) -> object:
    """MLflow's `experiments/get-by-name`, deleted ones too."""
    check_present(query.experiment_name, "experiment_name")
    try:
        with asked.read() as (session, actor, project):
            found = read_experiment_by_name(session, actor, project, query.experiment_name)
            return ExperimentAnswer(experiment_shape(found))
    except NotFound:
        if query.experiment_name != DEFAULT_NAME:
            raise
        return _made_default(asked, otherwise=f"Could not find experiment with name '{query.experiment_name}'")


def _made_default(asked: Asked, *, otherwise: str) -> ExperimentAnswer:
    """The default experiment, made now if the actor may; whoever may only read is told `otherwise`."""
    try:
        with asked.write() as (session, actor, project):
            default_experiment(session, actor, project)
            return ExperimentAnswer(experiment_shape(read_experiment(session, actor, project, DEFAULT_IID)))
    except Forbidden:
        raise NotFound(otherwise) from None


def search(asked: Asked, body: SearchExperiments) -> object:
    """MLflow's `experiments/search`."""
    query = ExperimentQuery(body.filter, tuple(body.order_by), view_of(body.view_type, "view_type"))
    with asked.read() as (session, actor, project):
        page = search_experiments(
            session, actor, project, query, max_results=body.max_results, token=body.page_token or None
        )
    return ExperimentsAnswer([experiment_shape(row) for row in page.items], page.next_cursor)


def search_datasets(asked: Asked, body: SearchDatasets) -> object:
    """MLflow's `experiments/search-datasets`."""
    iids = experiment_iids(body.experiment_ids)
    if len(iids) > MOST_SUMMARIZED:
        raise Invalid(f"SearchDatasets request cannot specify more than {MOST_SUMMARIZED} experiment_ids.")
    with asked.read() as (session, actor, project):
        found = datasets_of(session, actor, project, iids, limit=MOST_SUMMARIES)
    return DatasetSummaries([DatasetSummary(str(it.experiment_iid), it.name, it.digest, it.context) for it in found])


def update(asked: Asked, body: UpdateExperiment) -> object:
    """MLflow's `experiments/update`."""
    check_present(body.new_name, "new_name")
    with asked.write() as (session, actor, project):
        experiment = get_experiment(session, actor, project, experiment_iid(body.experiment_id))
        update_experiment(session, actor, experiment, name=body.new_name)
    return None


def delete(asked: Asked, body: NamedExperiment) -> object:
    """MLflow's `experiments/delete`."""
    with asked.write() as (session, actor, project):
        delete_experiment(session, actor, get_experiment(session, actor, project, experiment_iid(body.experiment_id)))
    return None


def restore(asked: Asked, body: NamedExperiment) -> object:
    """MLflow's `experiments/restore`."""
    with asked.write() as (session, actor, project):
        restore_experiment(session, actor, get_experiment(session, actor, project, experiment_iid(body.experiment_id)))
    return None


def set_tag(asked: Asked, body: SetTag) -> object:
    """MLflow's `experiments/set-experiment-tag`."""
    check_present(body.key, "key")
    check_name(body.key, "key")
    with asked.write() as (session, actor, project):
        experiment = get_experiment(session, actor, project, experiment_iid(body.experiment_id))
        set_experiment_tag(session, actor, experiment, body.key, body.value)
    return None


def delete_tag(asked: Asked, body: DeleteTag) -> object:
    """MLflow's `experiments/delete-experiment-tag`."""
    check_present(body.key, "key")
    with asked.write() as (session, actor, project):
        experiment = get_experiment(session, actor, project, experiment_iid(body.experiment_id))
        delete_experiment_tag(session, actor, experiment, body.key)
    return None


def experiment_shape(row: ExperimentRow) -> Experiment:
    """A row as MLflow's experiment."""
    return Experiment(
        experiment_id=str(row.iid),
        name=row.name,
        artifact_location=experiment_location(row.iid),
        lifecycle_stage="active" if row.deleted_ms is None else "deleted",
        last_update_time=row.updated_ms,
        creation_time=row.created_ms,
        tags=key_values(row.tags),
    )


def experiment_iid(given: str | int) -> int:
    """MLflow's experiment id as our number.

    Raises:
        Invalid: it cannot be one.
    """
    check_present(str(given), "experiment_id")
    if not _NUMBER.fullmatch(str(given)):
        raise Invalid(f"Invalid experiment ID '{str(given)[:64]}'. Experiment ID must be a valid integer.")
    return int(given)


def experiment_iids(given: list[str | int]) -> tuple[int, ...]:
    """Several of them.

    Raises:
        Invalid: one cannot be one.
    """
    return tuple(experiment_iid(one) for one in given)


def view_of(given: str | int, parameter: str) -> View:
    """MLflow's view type, by its name or number.

    Raises:
        Invalid: there is no such type.
    """
    found = _VIEWS.get(str(given))
    if found is None:
        raise Invalid(invalid_value(given, parameter, "It is ACTIVE_ONLY, DELETED_ONLY or ALL."))
    return found


def check_present(value: str, parameter: str) -> None:
    """MLflow takes an empty text for one that was not sent.

    Raises:
        Invalid: it is empty.
    """
    if not value:
        raise Invalid(missing_parameter(parameter))


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    reads, writes = needs(Ability.READ_TRACKING), needs(Ability.WRITE_TRACKING)
    routes.cold("POST", "mlflow/experiments/create", writes, CreateExperiment)(create)
    routes.cold("GET", "mlflow/experiments/get", reads, NamedExperiment)(get)
    routes.cold("GET", "mlflow/experiments/get-by-name", reads, GetByName)(get_by_name)
    routes.cold("GET", "mlflow/experiments/search", reads, SearchExperiments)(search)
    routes.cold("POST", "mlflow/experiments/search", reads, SearchExperiments)(search)
    routes.cold("POST", "mlflow/experiments/search-datasets", reads, SearchDatasets, is_heavy=always)(search_datasets)
    routes.cold("POST", "mlflow/experiments/update", writes, UpdateExperiment)(update)
    routes.cold("POST", "mlflow/experiments/delete", writes, NamedExperiment)(delete)
    routes.cold("POST", "mlflow/experiments/restore", writes, NamedExperiment)(restore)
    routes.cold("POST", "mlflow/experiments/set-experiment-tag", writes, SetTag)(set_tag)
    routes.cold("POST", "mlflow/experiments/delete-experiment-tag", writes, DeleteTag)(delete_tag)

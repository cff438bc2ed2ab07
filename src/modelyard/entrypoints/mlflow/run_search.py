"""Reading, searching, deleting and restoring runs."""

from typing import Annotated

import msgspec

from modelyard.domains.accounts.authors import knows_people
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.candidate_rows import CandidateRow, DatasetInput
from modelyard.domains.tracking.candidate_search import (
    DEFAULT_RESULTS,
    CandidateQuery,
    read_with_standing,
    search_with_standing,
)
from modelyard.domains.tracking.candidates import (
    delete_candidate,
    delete_candidate_tag,
    get_candidate,
    restore_candidate,
)
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.locations import candidate_location
from modelyard.entrypoints.mlflow.experiments import check_present, experiment_iids, view_of
from modelyard.entrypoints.mlflow.router import Asked, Routes
from modelyard.entrypoints.mlflow.runs import (
    DatasetInput as DatasetInputShape,
)
from modelyard.entrypoints.mlflow.runs import (
    DatasetShape,
    Metric,
    ModelInput,
    ModelOutput,
    Run,
    RunAnswer,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    key_values,
)
from modelyard.entrypoints.mlflow.wire import float_text, missing_parameter
from modelyard.entrypoints.request import needs
from modelyard.platform.errors import Invalid
from modelyard.platform.http import Call

MOST_LIGHT_BYTES = 4096
MOST_LIGHT_RESULTS = 100

Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_STATUS_NAMES = {status.value: status.name for status in Status}


class NamedRun(msgspec.Struct):
    """Body or query that names a run; `run_uuid` is its older name."""

    run_id: str = ""
    run_uuid: str = ""

    @property
    def named(self) -> str:
        """The run's id.

        Raises:
            Invalid: none is named.
        """
        found = self.run_id or self.run_uuid
        if not found:
            raise Invalid(missing_parameter("run_id"))
        return found


class DeleteTag(NamedRun):
    """Body of `runs/delete-tag`."""

    key: str = ""


class SearchRuns(msgspec.Struct):
    """Body of `runs/search`."""

    experiment_ids: list[str | int] = []
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: Integer = DEFAULT_RESULTS
    order_by: list[str] = []
    page_token: str = ""


class RunsAnswer(msgspec.Struct, omit_defaults=True):
    runs: list[Run] = []
    next_page_token: str | None = None


class _Size(msgspec.Struct):
    """What of a search says how long it may take."""

    filter: str = ""
    max_results: Integer = DEFAULT_RESULTS
    order_by: list[str] = []


_size = msgspec.json.Decoder(_Size)


def is_heavy(call: Call) -> bool:
    """Whether a search may take long: all but those for a few of the newest runs."""
    try:
        wanted = _size.decode(call.body) if len(call.body) <= MOST_LIGHT_BYTES else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        wanted = None  # looked at more closely where there is time for it
    return wanted is None or wanted.max_results > MOST_LIGHT_RESULTS or bool(wanted.filter or wanted.order_by)


def get(asked: Asked, query: NamedRun) -> object:
    """MLflow's `runs/get`, deleted ones too."""
    admission = asked.admission()
    with asked.installation.database.read() as session:
        found = read_with_standing(session.connection(), admission.standing, admission.project_id, query.named)
    return RunAnswer(run_shape(found))


def search(asked: Asked, body: SearchRuns) -> object:
    """MLflow's `runs/search`."""
    query = CandidateQuery(
        experiment_iids(body.experiment_ids),
        body.filter,
        tuple(body.order_by),
        view_of(body.run_view_type, "run_view_type"),
    )
    admission = asked.admission()
    with asked.installation.database.read() as session:
        page = search_with_standing(
            session.connection(),
            admission.standing,
            admission.project_id,
            query,
            knows_people=knows_people(admission.actor),
            max_results=body.max_results,
            token=body.page_token or None,
        )
    return RunsAnswer([run_shape(row) for row in page.items], page.next_cursor)


def delete(asked: Asked, body: NamedRun) -> object:
    """MLflow's `runs/delete`."""
    with asked.write() as (session, actor, project):
        delete_candidate(session, actor, get_candidate(session, actor, project, body.named))
    return None


def restore(asked: Asked, body: NamedRun) -> object:
    """MLflow's `runs/restore`."""
    with asked.write() as (session, actor, project):
        restore_candidate(session, actor, get_candidate(session, actor, project, body.named))
    return None


def delete_tag(asked: Asked, body: DeleteTag) -> object:
    """MLflow's `runs/delete-tag`."""
    check_present(body.key, "key")
    with asked.write() as (session, actor, project):
        delete_candidate_tag(session, actor, get_candidate(session, actor, project, body.named), body.key)
    return None


def run_shape(row: CandidateRow) -> Run:
    """A candidate as MLflow's run."""
    metrics = [Metric(it.key, float_text(it.value), it.timestamp_ms, it.step) for it in row.metrics]
    return Run(
        info=RunInfo(
            run_id=row.run_id,
            run_uuid=row.run_id,
            run_name=row.name,
            experiment_id=str(row.experiment_iid),
            user_id=row.source_user,
            status=_STATUS_NAMES[row.status],
            start_time=row.start_ms,
            artifact_uri=candidate_location(row.experiment_iid, row.run_id),
            lifecycle_stage="active" if row.deleted_ms is None else "deleted",
            end_time=row.end_ms,
        ),
        data=RunData(metrics, key_values(row.parameters), key_values(row.tags)),
        inputs=_inputs(row) if row.dataset_inputs or row.model_inputs else None,
        outputs=_outputs(row) if row.model_outputs else None,
    )


def _inputs(row: CandidateRow) -> RunInputs:
    return RunInputs(
        [_dataset_shape(dataset) for dataset in row.dataset_inputs],
        [ModelInput(model_id) for model_id in row.model_inputs],
    )


def _dataset_shape(dataset: DatasetInput) -> DatasetInputShape:
    described = DatasetShape(
        name=dataset.name,
        digest=dataset.digest,
        source_type=dataset.source_type,
        source=dataset.source,
        schema=dataset.schema,
        profile=dataset.profile,
    )
    return DatasetInputShape(described, key_values(dataset.tags))


def _outputs(row: CandidateRow) -> RunOutputs:
    return RunOutputs([ModelOutput(output.model_id, output.step) for output in row.model_outputs])


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    reads, writes = needs(Ability.READ_TRACKING), needs(Ability.WRITE_TRACKING)
    routes.cold("GET", "mlflow/runs/get", reads, NamedRun)(get)
    routes.cold("POST", "mlflow/runs/search", reads, SearchRuns, is_heavy=is_heavy)(search)
    routes.cold("POST", "mlflow/runs/delete", writes, NamedRun)(delete)
    routes.cold("POST", "mlflow/runs/restore", writes, NamedRun)(restore)
    routes.cold("POST", "mlflow/runs/delete-tag", writes, DeleteTag)(delete_tag)

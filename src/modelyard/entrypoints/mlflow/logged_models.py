"""MLflow's logged models."""

from typing import Annotated

import msgspec

from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.defaults import DEFAULT_IID
from modelyard.domains.tracking.experiments import default_experiment, get_experiment
from modelyard.domains.tracking.locations import logged_model_location
from modelyard.domains.tracking.logged_model_search import (
    DEFAULT_RESULTS,
    LoggedModelQuery,
    LoggedModelRow,
    ModelOrder,
    ModelPoint,
    OnDataset,
    read_logged_model,
    search_logged_models,
)
from modelyard.domains.tracking.logged_models import (
    create_logged_model,
    delete_logged_model,
    delete_logged_model_tag,
    finalize_logged_model,
    get_logged_model,
    log_model_parameters,
    set_logged_model_tags,
)
from modelyard.domains.tracking.states import LoggedModelStatus
from modelyard.domains.tracking.texts import MOST_PARAMETER, MOST_TAG
from modelyard.entrypoints.mlflow.experiments import experiment_iid, experiment_iids
from modelyard.entrypoints.mlflow.names import check_name, fitted, fitted_tags
from modelyard.entrypoints.mlflow.repeats import make_once
from modelyard.entrypoints.mlflow.router import Asked, Nothing, Routes, always
from modelyard.entrypoints.mlflow.runs import KeyValue, key_values
from modelyard.entrypoints.mlflow.wire import float_text, invalid_value, missing_parameter
from modelyard.entrypoints.request import needs
from modelyard.platform.errors import Invalid

Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_STATUS_NAMES = {
    LoggedModelStatus.UNSPECIFIED: "LOGGED_MODEL_STATUS_UNSPECIFIED",
    LoggedModelStatus.PENDING: "LOGGED_MODEL_PENDING",
    LoggedModelStatus.READY: "LOGGED_MODEL_READY",
    LoggedModelStatus.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
_STATUSES = {name: status for status, name in _STATUS_NAMES.items()} | {
    str(status.value): status for status in LoggedModelStatus
}


class CreateModel(msgspec.Struct):
    """Body of POST `logged-models`."""

    experiment_id: str | int
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class GetModel(msgspec.Struct):
    """Query of GET `logged-models/{id}`."""

    allow_deleted: bool = False


class FinalizeModel(msgspec.Struct):
    """Body of PATCH `logged-models/{id}`."""

    status: str | int


class LogParameters(msgspec.Struct):
    """Body of POST `logged-models/{id}/params`."""

    params: list[KeyValue] = []


class SetTags(msgspec.Struct):
    """Body of PATCH `logged-models/{id}/tags`."""

    tags: list[KeyValue] = []


class DatasetBody(msgspec.Struct):
    """A dataset whose metrics count."""

    dataset_name: str = ""
    dataset_digest: str = ""


class OrderBody(msgspec.Struct):
    """An entry of `order_by`."""

    field_name: str = ""
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class SearchModels(msgspec.Struct):
    """Body of `logged-models/search`."""

    experiment_ids: list[str | int] = []
    filter: str = ""
    datasets: list[DatasetBody] = []
    max_results: Integer = 0
    order_by: list[OrderBody] = []
    page_token: str = ""


class ModelMetric(msgspec.Struct, omit_defaults=True):
    key: str
    value: float | str
    timestamp: int
    step: int
    model_id: str
    run_id: str
    dataset_name: str = ""
    dataset_digest: str = ""


class ModelInfo(msgspec.Struct, omit_defaults=True):
    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    status_message: str = ""
    model_type: str = ""
    source_run_id: str | None = None
    tags: list[KeyValue] = []


class ModelData(msgspec.Struct, omit_defaults=True):
    params: list[KeyValue] = []
    metrics: list[ModelMetric] = []


class Model(msgspec.Struct):
    info: ModelInfo
    data: ModelData


class ModelAnswer(msgspec.Struct):
    model: Model


class ModelsAnswer(msgspec.Struct, omit_defaults=True):
    models: list[Model] = []
    next_page_token: str | None = None


def create(asked: Asked, body: CreateModel) -> object:
    """MLflow's POST `logged-models`."""
    iid = experiment_iid(body.experiment_id)
    parameters, tags = _parameters(asked, body.params), _tags(asked, body.tags)
    with asked.write() as (session, actor, project):

        def make() -> str:
            if iid == DEFAULT_IID:
                default_experiment(session, actor, project)
            model = create_logged_model(
                session,
                actor,
                project,
                get_experiment(session, actor, project, iid),
                name=body.name or None,
                model_type=body.model_type,
                run_id=body.source_run_id or None,
                parameters=parameters,
                tags=tags,
            )
            return model.model_id

        model_id = make_once(session, actor, project, asked.call, kind="logged model", make=make)
        return ModelAnswer(model_shape(read_logged_model(session, actor, project, model_id)))


def get(asked: Asked, query: GetModel) -> object:
    """MLflow's GET `logged-models/{id}`."""
    model_id = asked.variables["model_id"]
    with asked.read() as (session, actor, project):
        found = read_logged_model(session, actor, project, model_id, with_deleted=query.allow_deleted)
    return ModelAnswer(model_shape(found))


def finalize(asked: Asked, body: FinalizeModel) -> object:
    """MLflow's PATCH `logged-models/{id}`."""
    status = _STATUSES.get(str(body.status))
    if status is None:
        raise Invalid(invalid_value(body.status, "status", f"It is one of {', '.join(_STATUS_NAMES.values())}."))
    model_id = asked.variables["model_id"]
    with asked.write() as (session, actor, project):
        model = get_logged_model(session, actor, project, model_id)
        finalize_logged_model(session, actor, model, status)
        return ModelAnswer(model_shape(read_logged_model(session, actor, project, model_id)))


def delete(asked: Asked, _body: Nothing) -> object:
    """MLflow's DELETE `logged-models/{id}`."""
    with asked.write() as (session, actor, project):
        model = get_logged_model(session, actor, project, asked.variables["model_id"], with_deleted=True)
        delete_logged_model(session, actor, model)
    return None


def log_parameters(asked: Asked, body: LogParameters) -> object:
    """MLflow's POST `logged-models/{id}/params`."""
    parameters = _parameters(asked, body.params)
    with asked.write() as (session, actor, project):
        model = get_logged_model(session, actor, project, asked.variables["model_id"])
        log_model_parameters(session, actor, model, parameters)
    return None


def set_tags(asked: Asked, body: SetTags) -> object:
    """MLflow's PATCH `logged-models/{id}/tags`."""
    tags = _tags(asked, body.tags)
    with asked.write() as (session, actor, project):
        model = get_logged_model(session, actor, project, asked.variables["model_id"])
        set_logged_model_tags(session, actor, model, tags)
    return None


def delete_tag(asked: Asked, _body: Nothing) -> object:
    """MLflow's DELETE `logged-models/{id}/tags/{key}`."""
    with asked.write() as (session, actor, project):
        model = get_logged_model(session, actor, project, asked.variables["model_id"])
        delete_logged_model_tag(session, actor, model, asked.variables["key"])
    return None


def search(asked: Asked, body: SearchModels) -> object:
    """MLflow's `logged-models/search`."""
    if not body.experiment_ids:
        raise Invalid(missing_parameter("experiment_ids"))
    if not all(dataset.dataset_name for dataset in body.datasets):
        raise Invalid("`dataset_name` in the `datasets` clause must be specified.")
    query = LoggedModelQuery(
        experiments=experiment_iids(body.experiment_ids),
        filter=body.filter,
        datasets=tuple(OnDataset(dataset.dataset_name, dataset.dataset_digest) for dataset in body.datasets),
        order_by=tuple(_order(entry) for entry in body.order_by),
    )
    with asked.read() as (session, actor, project):
        page = search_logged_models(
            session,
            actor,
            project,
            query,
            max_results=body.max_results or DEFAULT_RESULTS,
            token=body.page_token or None,
        )
    return ModelsAnswer([model_shape(row) for row in page.items], page.next_cursor)


def model_shape(row: LoggedModelRow) -> Model:
    """A row as MLflow's logged model."""
    return Model(
        ModelInfo(
            model_id=row.model_id,
            experiment_id=str(row.experiment_iid),
            name=row.name,
            creation_timestamp_ms=row.created_ms,
            last_updated_timestamp_ms=row.updated_ms,
            artifact_uri=logged_model_location(row.experiment_iid, row.model_id),
            status=_STATUS_NAMES[LoggedModelStatus(row.status)],
            status_message=row.status_message,
            model_type=row.model_type,
            source_run_id=row.run_id,
            tags=key_values(row.tags),
        ),
        ModelData(key_values(row.parameters), [_metric(row.model_id, point) for point in row.metrics]),
    )


def _metric(model_id: str, point: ModelPoint) -> ModelMetric:
    return ModelMetric(
        key=point.key,
        value=float_text(point.value),
        timestamp=point.timestamp_ms,
        step=point.step,
        model_id=model_id,
        run_id=point.run_id,
        dataset_name=point.dataset_name,
        dataset_digest=point.dataset_digest,
    )


def _order(entry: OrderBody) -> ModelOrder:
    if not entry.field_name:
        raise Invalid("`field_name` in the `order_by` clause must be specified.")
    if entry.dataset_digest and not entry.dataset_name:
        raise Invalid("`dataset_digest` can only be specified if `dataset_name` is also specified.")
    dataset = OnDataset(entry.dataset_name, entry.dataset_digest) if entry.dataset_name else None
    return ModelOrder(entry.field_name, entry.ascending, dataset)


def _parameters(asked: Asked, pairs: list[KeyValue]) -> dict[str, str]:
    cuts = asked.installation.settings.truncate_long_values
    for pair in pairs:
        check_name(pair.key, "key")
    return {pair.key: fitted(pair.value, MOST_PARAMETER, "value", cuts=cuts) for pair in pairs}


def _tags(asked: Asked, pairs: list[KeyValue]) -> dict[str, str]:
    cuts = asked.installation.settings.truncate_long_values
    return fitted_tags({pair.key: pair.value for pair in pairs}, MOST_TAG, cuts=cuts)


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    reads, writes = needs(Ability.READ_TRACKING), needs(Ability.WRITE_TRACKING)
    one = "mlflow/logged-models/{model_id}"
    routes.cold("POST", "mlflow/logged-models", writes, CreateModel)(create)
    routes.cold("POST", "mlflow/logged-models/search", reads, SearchModels, is_heavy=always)(search)
    routes.cold("GET", one, reads, GetModel)(get)
    routes.cold("PATCH", one, writes, FinalizeModel)(finalize)
    routes.cold("DELETE", one, writes, Nothing)(delete)
    routes.cold("POST", f"{one}/params", writes, LogParameters)(log_parameters)
    routes.cold("PATCH", f"{one}/tags", writes, SetTags)(set_tags)
    routes.cold("DELETE", f"{one}/tags/{{key...}}", writes, Nothing)(delete_tag)

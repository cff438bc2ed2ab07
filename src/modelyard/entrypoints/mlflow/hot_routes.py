"""The routes that a training script calls all day: create, update and log.

They never leave the event loop, except to look up who asks or where a candidate lives when that is not known from a
moment ago; then the request takes a detour over a thread and comes back. The answer is sent after the commit.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec

from modelyard.domains.namespaces.access import Ability, check
from modelyard.domains.tracking.defaults import NAME_TAG
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CandidatePlace,
    CreateCandidate,
    LogData,
    MetricColumns,
    ModelMetric,
    Operation,
    Repeat,
    Status,
    UpdateCandidate,
)
from modelyard.domains.tracking.names import candidate_name
from modelyard.domains.tracking.texts import MOST_PARAMETER, MOST_TAG
from modelyard.entrypoints.mlflow.admission import admission_of, counted
from modelyard.entrypoints.mlflow.errors import JSON_HEADERS, error_answer
from modelyard.entrypoints.mlflow.names import check_name, fitted, fitted_tags, trouble_with_name
from modelyard.entrypoints.mlflow.repeats import repeat_of
from modelyard.entrypoints.mlflow.router import Routes
from modelyard.entrypoints.mlflow.runs import KeyValue, Run, RunAnswer, RunData, RunInfoAnswer, key_values, run_info
from modelyard.entrypoints.mlflow.wire import as_float, decode_body, encode, invalid_value, missing_parameter
from modelyard.entrypoints.request import Admission, Installation, needs
from modelyard.platform.clock import EARLIEST_MS, LATEST_MS, now_ms
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.http import Call
from modelyard.platform.ids import hex_id
from modelyard.platform.settings import MEBIBYTE

Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Milliseconds = Annotated[int, msgspec.Meta(ge=EARLIEST_MS, le=LATEST_MS)]

MOST_METRICS = 1000
MOST_PARAMETERS = 100
MOST_TAGS = 100
MOST_ITEMS = 1000
MOST_USER = 256
EMPTY = b"{}"


class LogMetric(msgspec.Struct):
    """Body of `runs/log-metric`."""

    key: str
    value: float | str
    timestamp: Integer
    step: Integer = 0
    run_id: str = ""
    run_uuid: str = ""
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class MetricItem(msgspec.Struct):
    """A metric of `runs/log-batch`."""

    key: str
    value: float | str
    timestamp: Integer
    step: Integer = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class LogBatch(msgspec.Struct):
    """Body of `runs/log-batch`."""

    run_id: str = ""
    metrics: list[MetricItem] = []
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class LogParameter(msgspec.Struct):
    """Body of `runs/log-parameter`."""

    key: str
    value: str = ""
    run_id: str = ""
    run_uuid: str = ""


class SetTag(msgspec.Struct):
    """Body of `runs/set-tag`."""

    key: str
    value: str = ""
    run_id: str = ""
    run_uuid: str = ""


class UpdateRun(msgspec.Struct):
    """Body of `runs/update`."""

    run_id: str = ""
    run_uuid: str = ""
    status: str | int | None = None
    end_time: Milliseconds | None = None
    run_name: str = ""


class CreateRun(msgspec.Struct):
    """Body of `runs/create`."""

    experiment_id: str | int = "0"
    user_id: str = ""
    start_time: Milliseconds | None = None
    tags: list[KeyValue] = []
    run_name: str = ""


Body = TypeVar("Body")
Answer = Callable[[Operation, object], bytes]


@dataclass(frozen=True)
class HotRoute(Generic[Body]):
    """How one hot route works: its body, the run it names, its operation, the answer to the outcome."""

    kind: type[Body]
    decoder: msgspec.json.Decoder[Body]
    run_of: Callable[[Body], str] | None
    operation: Callable[[Installation, Admission, CandidatePlace | None, Body], Operation]
    answer: Answer
    is_repeatable: bool = False

    def __call__(self, installation: Installation, call: Call, credentials: bytes, reference: bytes) -> None:
        """Serve a call on the event loop."""
        try:
            self._serve(installation, call, credentials, reference)
        except Exception as error:  # edge: every error becomes an answer
            call.reply(*error_answer(error))

    def _serve(self, installation: Installation, call: Call, credentials: bytes, reference: bytes) -> None:
        admission = installation.known_admission(credentials, reference)
        if admission is None:
            self._detour(installation, call, credentials, reference)
            return
        check(admission.standing, Ability.WRITE_TRACKING)
        if installation.limits.has_tracking:
            installation.limits.count_tracking(admission)
        body = self._decoded(call)
        place = None
        if self.run_of is not None:
            run_id = self.run_of(body)
            if not run_id:
                raise Invalid(missing_parameter("run_id"))
            place = installation.lane.known_place(run_id)
            if place is None:
                self._detour(installation, call, credentials, reference, is_counted=True)
                return
        self._submit(installation, call, admission, place, body)

    def _submit(
        self, installation: Installation, call: Call, admission: Admission, place: CandidatePlace | None, body: Body
    ) -> None:
        if place is not None and place.project_id != admission.project_id:
            raise NotFound(f"Run with id={place.run_id} not found")
        operation, answer = self.operation(installation, admission, place, body), self.answer
        if self.is_repeatable:
            operation = _repeatable(operation, call, admission)

        def deliver(outcome: object) -> None:
            if isinstance(outcome, Exception):
                call.reply(*error_answer(outcome))
            else:
                call.reply(200, answer(operation, outcome), JSON_HEADERS)

        installation.lane.submit(operation, deliver)

    def _detour(
        self, installation: Installation, call: Call, credentials: bytes, reference: bytes, *, is_counted: bool = False
    ) -> None:
        """Look up on a thread what is not known, then go on here."""
        loop = asyncio.get_running_loop()

        def find() -> Admission:
            return admission_of(installation, credentials, reference)

        def look_up() -> None:
            try:
                admission = find() if is_counted else counted(installation, call.client, call.headers, find)
                check(admission.standing, Ability.WRITE_TRACKING)
                body = self._decoded(call)
                place = self._found_place(installation, body)
            except Exception as error:  # edge: every error becomes an answer
                loop.call_soon_threadsafe(call.reply, *error_answer(error))
            else:
                loop.call_soon_threadsafe(resume, admission, place, body)

        def resume(admission: Admission, place: CandidatePlace | None, body: Body) -> None:
            try:
                self._submit(installation, call, admission, place, body)
            except Exception as error:  # edge: every error becomes an answer
                call.reply(*error_answer(error))

        installation.look_ups.submit(look_up)

    def _found_place(self, installation: Installation, body: Body) -> CandidatePlace | None:
        if self.run_of is None:
            return None
        run_id = self.run_of(body)
        if not run_id:
            raise Invalid(missing_parameter("run_id"))
        with installation.database.read() as session:
            place = installation.lane.find_place(session, run_id)
        if place is None:
            raise NotFound(f"Run with id={run_id[:64]} not found")
        return place

    def _decoded(self, call: Call) -> Body:
        kind = call.header(b"content-type") or b""
        if not kind.lower().startswith(b"application/json"):
            raise Invalid("Bad Request. Content-Type must be 'application/json'.")
        return decode_body(self.decoder, self.kind, call.body)


def _repeatable(operation: Operation, call: Call, admission: Admission) -> Operation:
    """The operation with the key that it was asked for with, if there is one."""
    request = repeat_of(call, admission.actor, "run")
    if request is None or not isinstance(operation, CreateCandidate):
        return operation
    return msgspec.structs.replace(operation, repeat=Repeat(request.key, request.body))


def _nothing(_operation: Operation, _outcome: object) -> bytes:
    return EMPTY


# Metrics, parameters, tags


def _log_metric(
    _installation: Installation, _admission: Admission, place: CandidatePlace | None, body: LogMetric
) -> LogData:
    check_name(body.key, "name")
    value = as_float(body.value, "value")
    columns = MetricColumns((body.key,), (body.step,), (body.timestamp,), (value,))
    models = () if not body.model_id else (_model_metric(body, value),)
    return LogData(_there(place), now_ms(), metrics=columns, model_metrics=models)


def _model_metric(item: LogMetric | MetricItem, value: float) -> ModelMetric:
    return ModelMetric(
        item.model_id, item.key, item.step, item.timestamp, value, item.dataset_name[:500], item.dataset_digest[:36]
    )


def _log_batch(
    installation: Installation, _admission: Admission, place: CandidatePlace | None, body: LogBatch
) -> LogData:
    _check_sizes(body)
    cuts = installation.settings.truncate_long_values
    return LogData(
        _there(place),
        now_ms(),
        metrics=_columns(body.metrics) if body.metrics else None,
        parameters=_parameters(body.params, cuts=cuts) if body.params else {},
        tags=fitted_tags({tag.key: tag.value for tag in body.tags}, MOST_TAG, cuts=cuts) if body.tags else {},
        model_metrics=[_model_metric(item, as_float(item.value, "value")) for item in body.metrics if item.model_id],
    )


def _check_sizes(body: LogBatch) -> None:
    counted = (
        ("metrics", body.metrics, MOST_METRICS),
        ("params", body.params, MOST_PARAMETERS),
        ("tags", body.tags, MOST_TAGS),
    )
    for word, items, most in counted:
        if len(items) > most:
            raise Invalid(
                f"A batch logging request can contain at most {most} {word}. Got {len(items)} {word}."
                f" Please split up {word} across multiple requests and try again."
            )
    total = len(body.metrics) + len(body.params) + len(body.tags)
    if total > MOST_ITEMS:
        raise Invalid(
            f"A batch logging request can contain at most {MOST_ITEMS} params, tags, and metrics in total. Got {total}."
            " Please split up the request and try again."
        )


def _columns(items: Sequence[MetricItem]) -> MetricColumns:
    names = [item.key for item in items]
    for name in set(names):
        trouble = trouble_with_name(name)
        if trouble is not None:
            raise Invalid(invalid_value(name, f"metrics[{names.index(name)}].name", trouble))
    values = [item.value for item in items]
    if str in set(map(type, values)):
        numbers = [as_float(value, f"metrics[{index}].value") for index, value in enumerate(values)]
    else:
        numbers = values  # type: ignore[assignment]  # no text among them
    return MetricColumns(names, [item.step for item in items], [item.timestamp for item in items], numbers)


def _parameters(items: Sequence[KeyValue], *, cuts: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    repeated: list[str] = []
    for index, item in enumerate(items):
        check_name(item.key, f"params[{index}].key")
        if item.key in found:
            repeated.append(item.key)
        found[item.key] = fitted(item.value, MOST_PARAMETER, f"params[{index}].value", cuts=cuts)
    if repeated:
        raise Invalid(
            f"Duplicate parameter keys have been submitted: {sorted(set(repeated))}."
            " Please ensure the request contains only one param value per param key."
        )
    return found


def _log_parameter(
    installation: Installation, _admission: Admission, place: CandidatePlace | None, body: LogParameter
) -> LogData:
    check_name(body.key, "key")
    value = fitted(body.value, MOST_PARAMETER, "value", cuts=installation.settings.truncate_long_values)
    return LogData(_there(place), now_ms(), parameters={body.key: value})


def _set_tag(installation: Installation, _admission: Admission, place: CandidatePlace | None, body: SetTag) -> LogData:
    tags = fitted_tags({body.key: body.value}, MOST_TAG, cuts=installation.settings.truncate_long_values)
    return LogData(_there(place), now_ms(), tags=tags)


def _there(place: CandidatePlace | None) -> CandidatePlace:
    assert place is not None  # noqa: S101  # every route but create names a run
    return place


# Runs


def _create_run(
    installation: Installation, admission: Admission, _place: CandidatePlace | None, body: CreateRun
) -> CreateCandidate:
    if installation.limits.runs is not None:
        installation.limits.runs.take(admission.project_id)
    cuts = installation.settings.truncate_long_values
    tags = fitted_tags({tag.key: tag.value for tag in body.tags}, MOST_TAG, cuts=cuts)
    tagged = tags.get(NAME_TAG, "")
    if body.run_name and tagged and body.run_name != tagged:
        raise Invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values"
            f" (run_name='{body.run_name}', mlflow.runName='{tagged}')."
        )
    moment = now_ms()
    name = fitted(body.run_name or tagged or candidate_name(), MOST_TAG, "run_name", cuts=cuts)
    return CreateCandidate(
        project_id=admission.project_id,
        experiment_iid=experiment_number(str(body.experiment_id)),
        run_id=hex_id(),
        name=name,
        source_user=body.user_id[:MOST_USER],
        creator_id=admission.actor.user_id,
        start_ms=moment if body.start_time is None else body.start_time,
        now_ms=moment,
        tags={**tags, NAME_TAG: name},
    )


def experiment_number(text: str) -> int:
    """MLflow's experiment id as our number.

    Raises:
        NotFound: it cannot be one.
    """
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise NotFound(f"No Experiment with id={text[:64]} exists")
    return int(text)


def _update_run(
    _installation: Installation, _admission: Admission, place: CandidatePlace | None, body: UpdateRun
) -> UpdateCandidate:
    status = None if body.status is None else _status(body.status)
    if len(body.run_name) > MOST_TAG:
        raise Invalid(
            invalid_value(body.run_name, "run_name", f"It exceeds the maximum length of {MOST_TAG} characters.")
        )
    return UpdateCandidate(_there(place), now_ms(), status=status, end_ms=body.end_time, name=body.run_name or None)


MLFLOW_NUMBERS = {1: Status.RUNNING, 2: Status.SCHEDULED, 3: Status.FINISHED, 4: Status.FAILED, 5: Status.KILLED}


def _status(given: str | int) -> Status:
    found = Status.__members__.get(given) if isinstance(given, str) else MLFLOW_NUMBERS.get(given)
    if found is None:
        raise Invalid(invalid_value(given, "status", f"It is one of {', '.join(Status.__members__)}."))
    return found


def _created(operation: Operation, outcome: object) -> bytes:
    assert isinstance(operation, CreateCandidate)  # noqa: S101  # this route's own operation
    assert isinstance(outcome, CandidateInfo)  # noqa: S101  # and its outcome
    # Asked for again, a run without a name of its own would have got another one.
    tags = operation.tags if operation.name == outcome.name else {**operation.tags, NAME_TAG: outcome.name}
    return encode(RunAnswer(Run(run_info(outcome), RunData(tags=key_values(tags)))))


def _updated(_operation: Operation, outcome: object) -> bytes:
    assert isinstance(outcome, CandidateInfo)  # noqa: S101  # the outcome of an update
    return encode(RunInfoAnswer(run_info(outcome)))


def mount(routes: Routes) -> None:
    """Add the hot routes."""

    def add(
        name: str,
        kind: type[Body],
        run_of: Callable[[Body], str] | None,
        operation: Callable[[Installation, Admission, CandidatePlace | None, Body], Operation],
        answer: Answer,
        *,
        is_repeatable: bool = False,
    ) -> None:
        route = HotRoute(kind, msgspec.json.Decoder(kind), run_of, operation, answer, is_repeatable)
        routes.hot("POST", f"mlflow/runs/{name}", needs(Ability.WRITE_TRACKING), route, most_bytes=MEBIBYTE)

    add("create", CreateRun, None, _create_run, _created, is_repeatable=True)
    add("update", UpdateRun, lambda body: body.run_id or body.run_uuid, _update_run, _updated)
    add("log-metric", LogMetric, lambda body: body.run_id or body.run_uuid, _log_metric, _nothing)
    add("log-batch", LogBatch, lambda body: body.run_id, _log_batch, _nothing)
    add("log-parameter", LogParameter, lambda body: body.run_id or body.run_uuid, _log_parameter, _nothing)
    add("set-tag", SetTag, lambda body: body.run_id or body.run_uuid, _set_tag, _nothing)

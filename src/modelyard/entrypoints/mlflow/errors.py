"""The product's errors as MLflow's: one table, and the body that its clients parse."""

import logging

import msgspec

from modelyard.platform.errors import (
    Busy,
    Conflict,
    Forbidden,
    Invalid,
    ModelyardError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from modelyard.platform.http import Headers
from modelyard.platform.rates import LimitReachedError

JSON_HEADERS: Headers = [(b"content-type", b"application/json")]

# The first that fits counts. RESOURCE_ALREADY_EXISTS is 400 in MLflow.
TABLE: tuple[tuple[type[ModelyardError], int, str], ...] = (
    (Unauthenticated, 401, "UNAUTHENTICATED"),
    (Forbidden, 403, "PERMISSION_DENIED"),
    (NotFound, 404, "RESOURCE_DOES_NOT_EXIST"),
    (Conflict, 400, "RESOURCE_ALREADY_EXISTS"),
    (TooLarge, 413, "INVALID_PARAMETER_VALUE"),
    (Invalid, 400, "INVALID_PARAMETER_VALUE"),
    (Busy, 429, "REQUEST_LIMIT_EXCEEDED"),
    (Unavailable, 503, "TEMPORARILY_UNAVAILABLE"),
)

log = logging.getLogger(__name__)


class MlflowError(msgspec.Struct):
    """The body of every error."""

    error_code: str
    message: str


class EndpointNotFound(ModelyardError):
    """No route of this method and path; clients fall back to an older one at once."""


class WrongMethod(ModelyardError):
    """The path exists with other methods."""


_encode = msgspec.json.Encoder().encode


def error_answer(error: BaseException) -> tuple[int, bytes, Headers]:
    """Status, body and headers of an error; one that is none of ours is logged and told without details."""
    if isinstance(error, EndpointNotFound):
        return 404, _encode(MlflowError("ENDPOINT_NOT_FOUND", error.message)), JSON_HEADERS
    if isinstance(error, WrongMethod):
        return 405, _encode(MlflowError("BAD_REQUEST", error.message)), JSON_HEADERS
    if isinstance(error, ModelyardError):
        for kind, status, code in TABLE:
            if isinstance(error, kind):
                return status, _encode(MlflowError(code, error.message)), _headers(error)
    log.error("A request failed unexpectedly.", exc_info=error)
    message = "The server failed in a way that is not expected. Its log has the details."
    return 500, _encode(MlflowError("INTERNAL_ERROR", message)), JSON_HEADERS


def _headers(error: ModelyardError) -> Headers:
    if isinstance(error, Busy):
        told = error.allowance.headers() if isinstance(error, LimitReachedError) else {}
        limited = [(name.lower().encode(), value.encode()) for name, value in told.items()]
        return [*JSON_HEADERS, (b"retry-after", str(error.retry_after_s).encode()), *limited]
    if isinstance(error, Unauthenticated):
        return [*JSON_HEADERS, (b"www-authenticate", b'Bearer realm="Modelyard"')]
    return JSON_HEADERS

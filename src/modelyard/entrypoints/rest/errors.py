"""The product's errors as GitLab's: one table, and the bodies that its clients parse.

GitLab answers `message` (a text, or sentences by field) where a rule was broken, and `error` where a request could not
be understood or a token does not reach far enough.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import msgspec
from fastapi.exceptions import HTTPException, RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

from modelyard.platform.errors import (
    Busy,
    Conflict,
    Forbidden,
    InsufficientScope,
    Invalid,
    ModelyardError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from modelyard.platform.rates import LimitReachedError

# Private things are not for caches, and no answer is a document for a browser to interpret.
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

log = logging.getLogger(__name__)

Body = dict[str, object]


class Missing(NotFound):
    """Something named in the address is not there or not to be seen; the body says only what kind of thing."""

    def __init__(self, noun: str) -> None:
        super().__init__(f"404 {noun} Not Found")


class Rejected(Invalid):
    """Fields that break a rule, with what GitLab says of each."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name} {', '.join(sentences)}" for name, sentences in fields.items()))
        self.fields = fields


class Malformed(Invalid):
    """Parameters that do not go together, told as those that cannot be read."""


class Unsupported(Invalid):
    """A body of a kind that is not read here."""


class NotAllowed(ModelyardError):
    """The address exists, but not for this method or this way of paging."""


# The first that fits counts.
TABLE: tuple[tuple[type[ModelyardError], int], ...] = (
    (NotAllowed, 405),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (Unsupported, 415),
    (Invalid, 400),
    (Busy, 429),
    (Unavailable, 503),
)


@contextmanager
def naming(noun: str) -> Iterator[None]:
    """Let what is not found inside be told as GitLab does: `404 Project Not Found`."""
    try:
        yield
    except NotFound as error:
        raise Missing(noun) from error


@contextmanager
def taken(*fields: str) -> Iterator[None]:
    """Let a conflict inside be told as GitLab's models do: these fields have already been taken."""
    try:
        yield
    except Conflict as error:
        raise Rejected({field: ["has already been taken"] for field in fields}) from error


def error_response(error: Exception, *, is_anonymous: bool) -> Response:
    """The answer to an error; one that is none of ours is logged and told without details.

    What somebody unknown may not do they may try again signed in: they are told 401 rather than 403.
    """
    if isinstance(error, Forbidden) and is_anonymous:
        error = Unauthenticated("Sign in first.")
    if isinstance(error, ModelyardError):
        return _answer(_status(error), _body(error, is_anonymous=is_anonymous), _headers(error))
    if isinstance(error, RequestValidationError):
        return _answer(400, {"error": ", ".join(_fault(fault) for fault in error.errors())})
    if isinstance(error, HTTPException | StarletteHTTPException):
        phrase = "Not Allowed" if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else str(error.detail)
        return _answer(error.status_code, {"error": f"{error.status_code} {phrase}"}, dict(error.headers or {}))
    log.error("A request failed unexpectedly.", exc_info=error)
    return _answer(500, {"message": "500 Internal Server Error"})


def _status(error: ModelyardError) -> int:
    return next((status for kind, status in TABLE if isinstance(error, kind)), 500)


def _body(error: ModelyardError, *, is_anonymous: bool) -> Body:
    body: Body = {"message": error.message}
    match error:
        case Unauthenticated():
            body = {"message": "401 Unauthorized"}
            # Whoever showed a token hears what is wrong with it.
            if not is_anonymous:
                body["error_description"] = error.message
        case InsufficientScope():
            scopes = " ".join(error.scopes)
            body = {"error": "insufficient_scope", "error_description": error.message, "scope": scopes}
        case Forbidden():
            body = {"message": f"403 Forbidden - {error.message}"}
        case NotFound() if not isinstance(error, Missing):
            body = {"message": "404 Not Found"}
        case Rejected():
            body = {"message": error.fields}
        case NotAllowed() | Malformed() | Unsupported():
            body = {"error": error.message}
        case Invalid() if not isinstance(error, TooLarge):
            body = {"message": f"400 Bad request - {error.message}"}
    return body


def _headers(error: ModelyardError) -> dict[str, str]:
    if isinstance(error, Busy):
        told = error.allowance.headers() if isinstance(error, LimitReachedError) else {}
        return {"retry-after": str(error.retry_after_s), **told}
    if isinstance(error, Unauthenticated):
        return {"www-authenticate": 'Bearer realm="Modelyard"'}
    return {}


def _fault(fault: dict[str, object]) -> str:
    """One thing that is wrong with a request's parameters, as GitLab says it."""
    place = fault.get("loc")
    # What follows the parameter's own name is where inside its value; FastAPI puts "body" or "query" before it.
    name = str(place[1]) if isinstance(place, tuple) and len(place) > 1 else "body"
    kind = fault.get("type")
    if kind == "missing":
        return f"{name} is missing"
    if kind in {"enum", "literal_error"}:
        return f"{name} does not have a valid value"
    return f"{name} is invalid"


def _answer(status: int, body: Body, headers: dict[str, str] | None = None) -> Response:
    content = msgspec.json.encode(body)
    return Response(content, status, {**HEADERS, **(headers or {})}, media_type="application/json")

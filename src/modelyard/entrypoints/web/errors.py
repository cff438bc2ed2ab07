"""The product's errors as pages, in one table: which status, which words, which ways on."""

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from starlette.responses import PlainTextResponse, Response

from modelyard.entrypoints.request import asks_who
from modelyard.entrypoints.web.chrome import Link, Toast
from modelyard.entrypoints.web.security import SAFE_METHODS, data_headers
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.errors import (
    Busy,
    Conflict,
    Forbidden,
    Hidden,
    Invalid,
    ModelyardError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from modelyard.platform.rates import LimitReachedError

SIGN_IN = "/users/sign_in"
HOME_LINK = Link("Go to your projects", "/")


@dataclass(frozen=True, slots=True)
class Fault:
    """How one kind of error is shown."""

    status: int
    title: str
    advice: str = ""


_FAULTS: tuple[tuple[type[ModelyardError], Fault], ...] = (
    (Unauthenticated, Fault(401, "Sign in to go on")),
    (
        Hidden,
        Fault(404, "There is nothing here that you can see", "If you expected something, ask its owner to add you."),
    ),
    (NotFound, Fault(404, "There is nothing here")),
    (Forbidden, Fault(403, "You may not do this")),
    (Conflict, Fault(409, "This does not fit with what is there")),
    (TooLarge, Fault(413, "This is too much at once")),
    (Invalid, Fault(422, "This cannot be understood")),
    (Busy, Fault(429, "The server is busy", "Nothing was changed.")),
    (Unavailable, Fault(503, "A part of the server is away", "Look before you try again: it may have been done.")),
)
_CRASH = Fault(500, "The server could not do this", "Nothing of this request was kept.")


def status_of(error: ModelyardError) -> int:
    """The HTTP status that an error stands for."""
    return _fault_of(error).status


def answer_error(visit: Visit, error: ModelyardError) -> Response:
    """What the person sees. Nobody in particular is asked to sign in before they learn that something is missing."""
    asks_to_sign_in = isinstance(error, Unauthenticated) or (asks_who(error, visit.actor) and not visit.is_public)
    if asks_to_sign_in and visit.request.method in SAFE_METHODS and wants_page(visit):
        return visit.go(f"{SIGN_IN}?next={quote(visit.address, safe='')}")
    response = _show(visit, _fault_of(error), error.message)
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, LimitReachedError):
        response.headers.update(error.allowance.headers())
    return response


def answer_crash(visit: Visit, request_id: str) -> Response:
    """What the person sees when we failed them; the lines of the log that say why carry the same number."""
    sentence = f"Something failed on our side. An administrator finds it in the server's log as request {request_id}."
    return _show(visit, _CRASH, sentence)


def answer_in_words(error: Busy) -> Response:
    """What somebody sees when there is nobody to make a page for them."""
    return PlainTextResponse(error.message, 429, data_headers() | {"Retry-After": str(error.retry_after_s)})


def wants_page(visit: Visit) -> bool:
    """Whether a document is asked for, rather than data for a script."""
    accepted = visit.request.headers.get("accept", "")
    return "text/html" in accepted or ("*/*" in accepted and "json" not in accepted) or not accepted


def _fault_of(error: ModelyardError) -> Fault:
    return next(fault for kind, fault in _FAULTS if isinstance(error, kind))


def _show(visit: Visit, fault: Fault, sentence: str) -> Response:
    if visit.is_htmx:
        headers = {"HX-Retarget": "#toasts", "HX-Reswap": "beforeend", "HX-Reselect": ".toast"}
        response = visit.page(
            "layouts/_toast.html", Where((fault.title,)), status=fault.status, toast=Toast(sentence, failed=True)
        )
        response.headers.update(headers)
        return response
    if not wants_page(visit):
        return PlainTextResponse(sentence, fault.status, data_headers())
    # From administrators nothing is hidden.
    advice = "" if fault.status == HTTPStatus.NOT_FOUND and visit.actor.is_administrator else fault.advice
    return visit.page(
        "errors/error.html",
        Where((fault.title,)),
        status=fault.status,
        status_code=fault.status,
        title=fault.title,
        sentences=[text for text in (sentence, advice) if text],
        actions=[HOME_LINK] if visit.viewer else [Link("Sign in", SIGN_IN)],
    )

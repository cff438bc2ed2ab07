"""Log lines with who asked for what, and no secrets in them.

What belongs to one request (`Facts`) travels in a context variable, so that every line written on its behalf names it.
"""

import contextlib
import itertools
import json
import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

from modelyard.platform.settings import Settings

REQUEST_LOGGER = "modelyard.request"
MASK = "***"
# What an attacker could use: our own secrets (their kind stays), credentials in headers, passwords in addresses.
SECRETS = re.compile(
    r"(?P<ours>myd_[a-z]{2,8}_)[0-9A-Za-z_]+"
    r"|(?P<address>\w://[^\s/:@]*:)[^\s/@]+(?=@)"
    r"|(?P<named>\b(?:password|secret_key|secret|token|authorization|cookie|private-token)[\"']?\s*[=:]\s*[\"']?)"
    r"(?:(?:bearer|basic)\s+)?[^\s\"',;&]+"
    r"|(?P<header>\b(?:bearer|basic)\s+)[\w.~+/=:-]{8,}",
    re.IGNORECASE,
)

_process = secrets.token_hex(4)
_numbers = itertools.count(1)


class Facts:
    """What is known of the request at hand."""

    __slots__ = ("actor_id", "request_id")

    def __init__(self) -> None:
        self.request_id = f"{_process}-{next(_numbers):x}"
        self.actor_id: int | None = None


_facts: ContextVar[Facts | None] = ContextVar("facts", default=None)


@contextlib.contextmanager
def on_behalf_of(facts: Facts) -> Iterator[None]:
    """Lines written inside carry these facts."""
    token = _facts.set(facts)
    try:
        yield
    finally:
        _facts.reset(token)


def current_facts() -> Facts | None:
    """The request at hand, if this is done for one."""
    return _facts.get()


def note_actor(actor_id: int | None) -> None:
    """Remember who makes the request at hand."""
    facts = _facts.get()
    if facts is not None:
        facts.actor_id = actor_id


def masked(text: str) -> str:
    """`text` without anything that looks like a secret."""
    return SECRETS.sub(lambda found: found[found.lastgroup or 0] + MASK, text)


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO logger: message [request actor=7]`."""

    def format(self, record: logging.LogRecord) -> str:
        facts = _facts_of(record)
        behalf = ""
        if facts is not None:
            actor = "" if facts.actor_id is None else f" actor={facts.actor_id}"
            behalf = f" [{facts.request_id}{actor}]"
        head = f"{_moment(record)} {record.levelname} {record.name}: "
        return head + masked(record.getMessage() + behalf + _trace(record))


class JsonFormatter(logging.Formatter):
    """One object to a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        facts = _facts_of(record)
        if facts is not None:
            line |= {"request_id": facts.request_id, "actor_id": facts.actor_id}
        line |= getattr(record, "fields", {})
        if trace := _trace(record):
            line["trace"] = masked(trace.strip())
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(settings: Settings) -> None:
    """Write log lines to the standard error stream as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    if settings.log_level != "debug":
        # They tell of every step of every connection and request.
        for chatty in ("uvicorn", "asyncio", "httpx", "httpcore", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)


def log_request(facts: Facts, method: str, route: str, status: int, seconds: float, *, level: int) -> None:
    """The one line of a request that is over."""
    logger = logging.getLogger(REQUEST_LOGGER)
    if logger.isEnabledFor(level):
        duration_ms = round(seconds * 1000, 1)
        fields = {"method": method, "route": route, "status": status, "duration_ms": duration_ms}
        message = f"{method} {route} {status} {duration_ms} ms"
        logger.log(level, "%s", message, extra={"fields": fields, "facts": facts})


def _facts_of(record: logging.LogRecord) -> Facts | None:
    given: Facts | None = getattr(record, "facts", None)
    return given or _facts.get()


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(logging.Formatter().formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return "".join(f"\n{part}" for part in parts)

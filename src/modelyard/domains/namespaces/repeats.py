"""Requests that make something and may be sent again: with the same key they make it once, for a day."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, update
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.tables import RepeatableRequest
from modelyard.platform.clock import now
from modelyard.platform.database import execute_counting
from modelyard.platform.errors import Invalid
from modelyard.platform.inserting import insert_into

REMEMBERED = timedelta(hours=24)
MOST_CHARACTERS = 255
OTHER_BODY = "This Idempotency-Key was sent with another request before. Use a new key for each thing to be made."


@dataclass(frozen=True)
class Repeatable:
    """A request that its sender can recognise: whose key it has, and what it says. Both are digests."""

    key: str
    body: str


def repeatable(actor: Actor, kind: str, key: str, body: bytes) -> Repeatable:
    """The request of somebody who sent `key` with it; `kind` is what it makes.

    Raises:
        Invalid: the key.
    """
    if not (0 < len(key) <= MOST_CHARACTERS and key.isascii() and key.isprintable()):
        raise Invalid(f"An Idempotency-Key has 1 to {MOST_CHARACTERS} printable ASCII characters.")
    return Repeatable(_digest(f"{actor.user_id}\n{kind}\n{key}".encode()), _digest(body))


def claim(session: Session, project_id: int, request: Repeatable) -> str | None:
    """What this request made earlier, None the first time: then `settle` it, in the same transaction.

    Until that ends the same request waits here.

    Raises:
        Invalid: another request came with this key.
    """
    moment = now()
    session.execute(delete(RepeatableRequest).where(*_this(project_id, request), _is_over(moment)))
    values = {"project_id": project_id, "key": request.key, "body": request.body, "made": "", "created_at": moment}
    statement = insert_into(session, RepeatableRequest).values(values)
    kept = statement.on_conflict_do_update(
        index_elements=[RepeatableRequest.project_id, RepeatableRequest.key], set_={"key": statement.excluded.key}
    ).returning(RepeatableRequest.body, RepeatableRequest.made)
    body, made = session.execute(kept).one()
    if body != request.body:
        raise Invalid(OTHER_BODY)
    return made or None


def settle(session: Session, project_id: int, request: Repeatable, made: str) -> None:
    """Note what a claimed request has made."""
    execute_counting(session, update(RepeatableRequest).where(*_this(project_id, request)).values(made=made))


def forget_requests(session: Session) -> int:
    """Forget keys that are older than a day; how many that were."""
    return execute_counting(session, delete(RepeatableRequest).where(_is_over(now())))


def _this(project_id: int, request: Repeatable) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return RepeatableRequest.project_id == project_id, RepeatableRequest.key == request.key


def _is_over(moment: datetime) -> ColumnElement[bool]:
    return RepeatableRequest.created_at < moment - REMEMBERED


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

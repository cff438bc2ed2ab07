"""What a worker does with a claimed task of some kind, and how often what has no occasion is done."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import msgspec
from sqlalchemy.orm import Session

from modelyard.platform.database import Database
from modelyard.platform.tasks.queue import Claim, finish, hold

Payload = TypeVar("Payload")
Handler = Callable[[Database, Claim], None]


@dataclass(frozen=True)
class Schedule:
    """A kind of task that is put in once in each period, whoever of several workers is first."""

    kind: str
    every: timedelta


def in_one_transaction(payload_type: type[Payload], do: Callable[[Session, Payload], None]) -> Handler:
    """A short task: what it does and the note that it is done are committed together."""
    decode = msgspec.json.Decoder(payload_type).decode

    def handle(database: Database, claimed: Claim) -> None:
        payload = decode(claimed.payload)
        with database.write(uses_reserve=True) as session:
            hold(session, claimed)
            do(session, payload)
            finish(session, claimed)

    return handle


def in_many_transactions(do: Callable[[], object]) -> Handler:
    """A long task without payload that opens its own transactions; done twice or from the middle it does no harm."""
    return with_payload(object, lambda _payload: do())


def with_payload(payload_type: type[Payload], do: Callable[[Payload], object]) -> Handler:
    """The same for a task with a payload."""
    decode = msgspec.json.Decoder(payload_type).decode

    def handle(database: Database, claimed: Claim) -> None:
        do(decode(claimed.payload))
        with database.write(changes_access=False, uses_reserve=True) as session:
            finish(session, claimed)

    return handle

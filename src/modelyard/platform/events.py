"""Events: what happened, written in the same transaction as what happened.

An event is a frozen dataclass of plain values. `subscriptions.py` says who hears which; the worker delivers.
"""

import dataclasses
from datetime import datetime
from typing import Any, ClassVar, Protocol

import msgspec
from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from modelyard.platform.clock import now
from modelyard.platform.database import LEAVES_WORK, Identifier, Moment, Table

_encode = msgspec.json.Encoder().encode


class Event(Protocol):
    """Any frozen dataclass; its class name is the kind of the event."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


class EventRow(Table):
    """One event; `handled_at` is set once every subscriber has heard it."""

    __tablename__ = "events"
    __table_args__ = (
        Index(
            "ix_events_waiting",
            "id",
            sqlite_where=text("handled_at IS NULL"),
            postgresql_where=text("handled_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    kind: Mapped[str] = mapped_column(String(80))
    payload: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    handled_at: Mapped[datetime | None] = mapped_column(Moment)


def publish(session: Session, event: Event) -> None:
    """Record `event`; it is heard only if the transaction commits."""
    values = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    session.add(EventRow(kind=type(event).__name__, payload=_encode(values).decode(), created_at=now()))
    session.info[LEAVES_WORK] = True

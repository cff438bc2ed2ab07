"""The kinds of values that go in and out: references, numbers, texts, dates and moments, each read in one way."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Literal
from urllib.parse import unquote

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from modelyard.domains.namespaces.names import BIGGEST_NUMBER


def _decoded(segment: str) -> str:
    """A part of the address as it was meant; the router leaves it encoded, so that `%2F` divides nothing."""
    return _clean(unquote(segment, errors="strict"))


def _clean(text: str) -> str:
    if "\0" in text:
        raise ValueError("A text cannot contain the character NUL.")
    return text


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


def _number_of(value: object) -> object:
    """A literal number is not read out of a text by itself."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


def _milliseconds(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# What comes in
Segment = Annotated[str, AfterValidator(_decoded)]
ProjectReference = Annotated[Segment, Path(description="The number or URL-encoded full path of the project.")]
GroupReference = Annotated[Segment, Path(description="The number or URL-encoded full path of the group.")]
PlaceReference = Annotated[Segment, Path(description="The number or URL-encoded full path of the project or group.")]
Number = Annotated[int, Field(ge=1, le=BIGGEST_NUMBER)]
Bytes = Annotated[int, Field(ge=0, le=BIGGEST_NUMBER)]
Text = Annotated[str, AfterValidator(_clean)]
AccessLevel = Annotated[Literal[10, 20, 30, 40, 50], BeforeValidator(_number_of)]
OptionalDate = Annotated[date | None, BeforeValidator(_blank_is_none)]
OptionalMoment = Annotated[datetime | None, BeforeValidator(_blank_is_none)]

# What goes out
Moment = Annotated[
    datetime,
    PlainSerializer(_milliseconds, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-05-04T12:30:00.000Z"]}),
]
Day = Annotated[date, WithJsonSchema({"type": "string", "format": "date"})]


class Parameters(BaseModel):
    """What a request sends, in its body or its query. Unknown names are let pass, as GitLab does."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)


class Answer(BaseModel):
    """What a request gets."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, validate_by_name=True, protected_namespaces=())


def start_of(day: date | None) -> datetime | None:
    """A date as the moment at which it begins, in UTC: what has an expiry date ends with the day before."""
    return None if day is None else datetime.combine(day, time(), UTC)


def aware(moment: datetime | None) -> datetime | None:
    """A moment that names no zone means UTC."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def day_of(moment: datetime | None) -> date | None:
    """The date of a moment, in UTC."""
    return None if moment is None else moment.astimezone(UTC).date()

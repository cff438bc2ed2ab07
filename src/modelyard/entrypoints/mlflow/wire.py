"""MLflow's wire format: JSON with snake case names, 64-bit integers as numbers, NaN and infinities as texts.

Bodies become msgspec structs. What does not fit strictly is tried once more the lenient way MLflow reads it (numbers as
texts, explicit nulls, a body that was encoded twice); what then does not fit is answered in MLflow's words, which its
clients and users know.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from modelyard.platform.errors import Invalid

Body = TypeVar("Body")
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

encode = msgspec.json.Encoder().encode
MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`(?: - at `\$(?P<path>.*)`)?")
PLACE = re.compile(r" - at `\$(?P<path>.*)`")
SEGMENT = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]")
# The escape of a NUL, unless its backslash is itself escaped.
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
NO_NUL = "A text in this request contains a NUL character, which cannot be kept."
MOST_SHOWN = 200
MOST_FIELDS = 10_000


def decode_body(decoder: msgspec.json.Decoder[Body], kind: type[Body], body: bytes) -> Body:
    """`body` as `kind`.

    Raises:
        Invalid: in MLflow's words.
    """
    _refuse_nul(body)
    try:
        try:
            return decoder.decode(body or b"{}")
        except msgspec.DecodeError:
            return convert(_lenient(body), kind)
    except RecursionError:
        raise Invalid("The body of this request is nested too deeply.") from None
    except UnicodeDecodeError:
        raise Invalid("The body of this request is not UTF-8.") from None


def decode_query(kind: type[Body], query: bytes) -> Body:
    """The parameters of a GET as `kind`; one that is repeated fills a list.

    Raises:
        Invalid
    """
    given: dict[str, Json] = {}
    lists = _list_fields(kind)
    try:
        fields = parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Invalid(f"A query has at most {MOST_FIELDS} parameters.") from None
    for name, value in fields:
        if "\0" in value:
            raise Invalid(NO_NUL)
        if name in lists:
            kept = given.setdefault(name, [])
            if isinstance(kept, list):
                kept.append(value)
        else:
            given[name] = value
    return convert(given, kind)


def convert(value: Json, kind: type[Body]) -> Body:
    """Parsed JSON as `kind`, leniently.

    Raises:
        Invalid: in MLflow's words.
    """
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(_in_mlflows_words(str(error), value)) from None


def _refuse_nul(body: bytes) -> None:
    """PostgreSQL keeps no NUL in a text, and one request must not fail the group it is committed with."""
    if b"\\u0000" in body and NUL.search(body):
        raise Invalid(NO_NUL)


def _lenient(body: bytes) -> Json:
    """The body as MLflow would read it, without explicit nulls."""
    try:
        parsed: Json = msgspec.json.decode(body)
        if isinstance(parsed, str):
            _refuse_nul(parsed.encode())
            parsed = msgspec.json.decode(parsed)
    except msgspec.DecodeError as error:
        if re.search(rb"[:,\[]\s*-?(NaN|Infinity)\b", body):
            raise Invalid('NaN and infinities travel as the texts "NaN", "Infinity" and "-Infinity" in JSON.') from None
        raise Invalid(f"The body is not JSON: {error}.") from None
    if not isinstance(parsed, dict):
        raise Invalid("The body is not a JSON object.")
    return _without_nulls(parsed)


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in value]
    return value


def _list_fields(kind: type[object]) -> frozenset[str]:
    return frozenset(
        field.encode_name
        for field in msgspec.structs.fields(kind)  # type: ignore[arg-type]  # every query is a struct
        if str(field.type).startswith("list[")
    )


def _in_mlflows_words(text: str, value: Json) -> str:
    missing = MISSING.search(text)
    if missing is not None:
        path = (missing["path"] or "").lstrip(".")
        return missing_parameter(f"{path}.{missing['name']}" if path else missing["name"])
    place = PLACE.search(text)
    path = place["path"] if place else ""
    found = value
    for name, index in SEGMENT.findall(path):
        if name and isinstance(found, dict):
            found = found.get(name)
        elif index and isinstance(found, list):
            found = found[int(index)]
    return invalid_value(found, path.lstrip("."), PLACE.sub("", text))


def missing_parameter(name: str) -> str:
    """MLflow's sentence for a required parameter that was not sent."""
    return f"Missing value for required parameter '{name}'."


def invalid_value(value: object, name: str, reason: str) -> str:
    """MLflow's sentence for a value that cannot be accepted."""
    shown = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    shown = shown if len(shown) <= MOST_SHOWN else shown[:MOST_SHOWN] + "…"
    return f"Invalid value {shown} for parameter '{name}' supplied: {reason}"


SPECIAL = {
    "NaN": math.nan,
    "nan": math.nan,
    "Infinity": math.inf,
    "inf": math.inf,
    "+Infinity": math.inf,
    "-Infinity": -math.inf,
    "-inf": -math.inf,
}


def as_float(value: float | str, name: str) -> float:
    """A metric's value; the three special ones, and numbers, may come as texts.

    Raises:
        Invalid
    """
    if isinstance(value, str):
        if value in SPECIAL:
            return SPECIAL[value]
        try:
            return float(value)
        except ValueError:
            raise Invalid(
                invalid_value(value, name, "Please specify value as a valid double (64-bit floating point)")
            ) from None
    return value


def float_text(value: float) -> float | str:
    """A metric's value as it is sent: a number, or one of the three texts."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def as_pairs(texts: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping as MLflow's list of key and value."""
    return [{"key": key, "value": value} for key, value in texts.items()]


def first(*values: str | None) -> str | None:
    """The first that is not empty; for parameters with an older name."""
    return next((value for value in values if value), None)

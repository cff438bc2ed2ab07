"""The tree of a filter, and its printed form: parsing what was printed gives the same tree."""

from dataclasses import dataclass
from enum import StrEnum


class Entity(StrEnum):
    """What a field belongs to; the value is how it is printed."""

    METRIC = "metrics"
    PARAMETER = "params"
    TAG = "tags"
    ATTRIBUTE = "attributes"
    DATASET = "datasets"


class Operator(StrEnum):
    """How a field is compared; the value is how it is printed."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    LIKE = "LIKE"
    NOT_LIKE = "NOT LIKE"
    ILIKE = "ILIKE"
    NOT_ILIKE = "NOT ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    CONTAINS = "~"
    NOT_CONTAINS = "!~"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


NUMERIC_OPERATORS = (
    Operator.EQUAL, Operator.NOT_EQUAL, Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST,
)  # fmt: skip
IDENTITY_OPERATORS = (Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN, Operator.NOT_IN)
PATTERN_OPERATORS = (Operator.LIKE, Operator.NOT_LIKE, Operator.ILIKE, Operator.NOT_ILIKE)
TEXT_OPERATORS = (*IDENTITY_OPERATORS, *PATTERN_OPERATORS, Operator.CONTAINS, Operator.NOT_CONTAINS)
NULL_OPERATORS = (Operator.IS_NULL, Operator.IS_NOT_NULL)

UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True)
class Ago:
    """A moment that moves: so many units before the filter is used. It is printed as -7d."""

    count: int
    unit: str

    @property
    def ms(self) -> int:
        return self.count * UNITS_MS[self.unit]

    def __str__(self) -> str:
        return f"-{self.count}{self.unit}"


Value = str | int | float | tuple[str, ...] | Ago | None


@dataclass(frozen=True)
class Field:
    """What is compared or sorted by, under its one canonical name."""

    entity: Entity
    key: str


@dataclass(frozen=True)
class Comparison:
    """One clause. `value` is a tuple for IN and None for IS NULL."""

    field: Field
    operator: Operator
    value: Value = None


@dataclass(frozen=True)
class Not:
    term: "Condition"


@dataclass(frozen=True)
class And:
    terms: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Or:
    terms: "tuple[Condition, ...]"


Condition = Comparison | Not | And | Or


@dataclass(frozen=True)
class OrderKey:
    """One entry of `order_by`."""

    field: Field
    is_ascending: bool = True


def comparisons_of(condition: Condition | None) -> list[Comparison]:
    """Every comparison in a filter, from left to right."""
    match condition:
        case None:
            return []
        case Comparison():
            return [condition]
        case Not(term):
            return comparisons_of(term)
        case And(terms) | Or(terms):
            return [comparison for term in terms for comparison in comparisons_of(term)]


def conjuncts_of(condition: Condition | None) -> tuple[Condition, ...]:
    """The conditions that must all hold for the whole to hold."""
    match condition:
        case None:
            return ()
        case And(terms):
            return tuple(part for term in terms for part in conjuncts_of(term))
        case _:
            return (condition,)


def printed(condition: Condition | None) -> str:
    """The filter as text in one canonical form."""
    match condition:
        case None:
            return ""
        case Comparison():
            return _printed_comparison(condition)
        case Not(term):
            return f"NOT {_nested(term)}"
        case And(terms):
            return " AND ".join(_nested(term) for term in terms)
        case Or(terms):
            return " OR ".join(printed(term) if isinstance(term, And) else _nested(term) for term in terms)


def printed_order(order: tuple[OrderKey, ...]) -> str:
    return ", ".join(f"{printed_field(key.field)} {'ASC' if key.is_ascending else 'DESC'}" for key in order)


def printed_field(field: Field) -> str:
    return f"{field.entity}.{_quoted_key(field.key)}"


def _nested(condition: Condition) -> str:
    return f"({printed(condition)})" if isinstance(condition, And | Or) else printed(condition)


def _printed_comparison(comparison: Comparison) -> str:
    start = f"{printed_field(comparison.field)} {comparison.operator}"
    match comparison.value:
        case None:
            return start
        case tuple(texts):
            return f"{start} ({', '.join(_quoted_text(text) for text in texts)})"
        case str(text):
            return f"{start} {_quoted_text(text)}"
        case Ago() as moment:
            return f"{start} {moment}"
        case number:
            return f"{start} {number!r}"


def _quoted_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted_key(key: str) -> str:
    """Bare where every reader of such filters agrees, else in the first kind of quotes that it does not contain."""
    if key.isascii() and key.replace("_", "a").replace(".", "a").isalnum() and not key.startswith("."):
        return key
    quote = next((quote for quote in "`\"'" if quote not in key), "`")
    return f"{quote}{key}{quote}"

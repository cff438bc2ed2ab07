"""What a filter means, in a few lines of Python: the measure of the SQL."""

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from modelyard.domains.tracking.search.syntax import Ago, And, Comparison, Condition, Field, Not, Operator, Or
from modelyard.platform.clock import now_ms

Subject = TypeVar("Subject")
Found = str | int | float | None

NUMERIC: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
OTHER: dict[Operator, Callable[[str, Any], bool]] = {
    Operator.IN: lambda found, value: found in value,
    Operator.NOT_IN: lambda found, value: found not in value,
    Operator.IS_NOT_NULL: lambda _found, _value: True,
    Operator.LIKE: lambda found, value: like(found, value, 0),
    Operator.NOT_LIKE: lambda found, value: not like(found, value, 0),
    Operator.ILIKE: lambda found, value: like(found, value, re.IGNORECASE),
    Operator.NOT_ILIKE: lambda found, value: not like(found, value, re.IGNORECASE),
    Operator.CONTAINS: lambda found, value: value.lower() in found.lower(),
    Operator.NOT_CONTAINS: lambda found, value: value.lower() not in found.lower(),
}


def holds(
    condition: Condition | None, subject: Subject, values_of: Callable[[Field, Subject], Sequence[Found]]
) -> bool:
    """Whether `subject` matches; `values_of` says what it has of a field, None or nothing where it has none."""
    match condition:
        case None:
            return True
        case Not(term):
            return not holds(term, subject, values_of)
        case And(terms):
            return all(holds(term, subject, values_of) for term in terms)
        case Or(terms):
            return any(holds(term, subject, values_of) for term in terms)
        case Comparison(field, asked, value):
            found = [it for it in values_of(field, subject) if it is not None]
            if asked is Operator.IS_NULL:
                return not found
            return any(compare(it, asked, value) for it in found)


def compare(found: str | float, asked: Operator, value: object) -> bool:
    if isinstance(found, float) and isinstance(value, float) and math.isnan(value):
        return math.isnan(found) == (asked is Operator.EQUAL)
    if asked in NUMERIC:
        return NUMERIC[asked](found, now_ms() - value.ms if isinstance(value, Ago) else value)
    return OTHER[asked](str(found), value)


def like(text: str, pattern: str, flags: int) -> bool:
    expression = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, text, flags | re.DOTALL) is not None

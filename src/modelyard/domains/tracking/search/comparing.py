"""Comparisons of one column, and the tree around them, as SQL that is true or false and never unknown."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from modelyard.domains.tracking.search.fragments import FALSE, TRUE, Reader, Sql, joined, sql
from modelyard.domains.tracking.search.syntax import Ago, And, Comparison, Condition, Not, Operator, Or
from modelyard.platform.clock import now_ms

_NUMERIC = {
    Operator.EQUAL: "? = ?",
    Operator.NOT_EQUAL: "? <> ?",
    Operator.LESS: "? < ?",
    Operator.AT_MOST: "? <= ?",
    Operator.GREATER: "? > ?",
    Operator.AT_LEAST: "? >= ?",
}
_OPPOSITES = {
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.NOT_LIKE: Operator.LIKE,
    Operator.NOT_ILIKE: Operator.ILIKE,
    Operator.NOT_IN: Operator.IN,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
}


def written(condition: Condition, write: Callable[[Comparison], Sql]) -> Sql:
    """The tree as SQL; `write` says a comparison, and must never come out as NULL, or NOT would lose rows."""
    match condition:
        case Comparison():
            return write(condition)
        case Not(term):
            return sql("NOT (?)", written(term, write))
        case And(terms):
            return sql("(?)", joined(" AND ", (written(term, write) for term in terms)))
        case Or(terms):
            return sql("(?)", joined(" OR ", (written(term, write) for term in terms)))


def number_matches(column: Sql, comparison: Comparison) -> Sql:
    """A number that is there. NULL is NaN: unequal to every number, equal only to `nan`, and neither more nor less.

    For a NaN this may be NULL instead of false, so it stands in a WHERE, never under NOT.
    """
    value = comparison.value
    if comparison.operator is Operator.IS_NULL:
        return FALSE
    if comparison.operator is Operator.IS_NOT_NULL:
        return TRUE
    assert isinstance(value, int | float)  # noqa: S101  # the parser gives numbers to numeric fields
    if value != value:  # noqa: PLR0124  # only NaN is unequal to itself
        return sql("? IS NULL" if comparison.operator is Operator.EQUAL else "? IS NOT NULL", column)
    if comparison.operator is Operator.NOT_EQUAL:
        return sql("(? IS NULL OR ? <> ?)", column, column, float(value))
    return sql(_NUMERIC[comparison.operator], column, float(value))


def integer_matches(column: Sql, comparison: Comparison) -> Sql:
    """A whole number that may be missing (NULL), such as the time of an end."""
    if comparison.operator is Operator.IS_NULL:
        return sql("? IS NULL", column)
    if comparison.operator is Operator.IS_NOT_NULL:
        return sql("? IS NOT NULL", column)
    value = now_ms() - comparison.value.ms if isinstance(comparison.value, Ago) else comparison.value
    assert isinstance(value, int | float)  # noqa: S101  # the parser gives numbers to numeric fields
    return sql("(? IS NOT NULL AND ?)", column, sql(_NUMERIC[comparison.operator], column, value))


def text_matches(reader: Reader, column: Sql, comparison: Comparison) -> Sql:
    """A text that may be missing (NULL); a missing one matches nothing but IS NULL."""
    operator = comparison.operator
    if operator is Operator.IS_NULL:
        return sql("? IS NULL", column)
    if operator is Operator.IS_NOT_NULL:
        return sql("? IS NOT NULL", column)
    return sql("(? IS NOT NULL AND ?)", column, _text_compared(reader, column, comparison))


def _text_compared(reader: Reader, column: Sql, comparison: Comparison) -> Sql:
    """The comparison itself; a negated operator is NOT around its opposite."""
    operator, value = comparison.operator, comparison.value
    match _OPPOSITES.get(operator, operator), value:
        case Operator.EQUAL, str(text):
            found = sql("? = ?", column, text)
        case Operator.LIKE, str(pattern):
            found = reader.like(column, pattern)
        case Operator.ILIKE, str(pattern):
            found = reader.ilike(column, pattern)
        case Operator.CONTAINS, str(part):
            found = reader.contains(column, part)
        case Operator.IN, tuple(texts):
            found = sql("? IN (?)", column, joined(", ", (sql("?", text) for text in texts)))
        case _:
            raise AssertionError(comparison)  # the parser lets no other operator reach a text
    return sql("NOT (?)", found) if operator in _OPPOSITES else found


def state_matches(
    column: Sql, names: Mapping[int, str], comparison: Comparison, words: Mapping[str, str] | None = None
) -> Sql:
    """A state kept as a number: the names that match are found here, and the database compares numbers.

    `words` are what people call the names, in lower case; they may be written in any.
    """
    read = _named(comparison, words) if words else comparison
    matching = [number for number, name in names.items() if name_matches(name, read)]
    if not matching:
        return FALSE
    return sql("? IN (?)", column, joined(", ", (sql("?", number) for number in matching)))


def _named(comparison: Comparison, words: Mapping[str, str]) -> Comparison:
    """The comparison with the names for whole words; patterns stay as they are."""
    match _OPPOSITES.get(comparison.operator, comparison.operator), comparison.value:
        case Operator.EQUAL, str(word):
            return replace(comparison, value=words.get(word.lower(), word))
        case Operator.IN, tuple(listed):
            return replace(comparison, value=tuple(words.get(word.lower(), word) for word in listed))
        case _:
            return comparison


def name_matches(name: str, comparison: Comparison) -> bool:
    """Whether one text, which is there, matches a comparison of texts."""
    operator, value = comparison.operator, comparison.value
    found: bool
    match _OPPOSITES.get(operator, operator), value:
        case Operator.EQUAL, _:
            found = name == value
        case Operator.LIKE, str(pattern):
            found = pattern_matches(name, pattern)
        case Operator.ILIKE, str(pattern):
            found = pattern_matches(name.upper(), pattern.upper())
        case Operator.CONTAINS, str(part):
            found = part.lower() in name.lower()
        case Operator.IN, tuple(texts):
            found = name in texts
        case _:
            found = operator is Operator.IS_NOT_NULL
    return found != (operator in _OPPOSITES)


def pattern_matches(text: str, pattern: str) -> bool:
    """LIKE without backtracking further than the last `%`: at worst as many steps as both lengths multiplied."""
    at, wanted, star, resume = 0, 0, -1, 0
    while at < len(text):
        if wanted < len(pattern) and pattern[wanted] == "%":
            star, resume, wanted = wanted, at, wanted + 1
        elif wanted < len(pattern) and pattern[wanted] in ("_", text[at]):
            at, wanted = at + 1, wanted + 1
        elif star >= 0:
            resume += 1
            at, wanted = resume, star + 1
        else:
            return False
    return all(character == "%" for character in pattern[wanted:])

"""Reads filters and orders by recursive descent; what is wrong is said with its place, in MLflow's words if it has any.

filter     = [ either ]
either     = both { OR both }
both       = part { AND part }
part       = NOT part | "(" either ")" | comparison
comparison = field ( comparator value | [NOT] IN "(" text { "," text } ")" | [NOT] LIKE text | IS [NOT] NULL )
value      = text | number | number ".." number, either may be missing | "-" digits ( "s" | "m" | "h" | "d" | "w" )
field      = [ entity "." ] key
"""

import re

from modelyard.domains.tracking.search.syntax import (
    NULL_OPERATORS,
    PATTERN_OPERATORS,
    Ago,
    And,
    Comparison,
    Condition,
    Entity,
    Field,
    Not,
    Operator,
    Or,
    OrderKey,
    Value,
)
from modelyard.domains.tracking.search.tokens import RANGE, Kind, Token, UnreadableFilter, tokens_of
from modelyard.domains.tracking.search.vocabulary import OPERATORS, Type, Vocabulary
from modelyard.platform.errors import Invalid

MAX_COMPARISONS = 100
MAX_DEPTH = 30
MAX_LISTED = 5_000
# Each further character costs a step for every character of every text.
MAX_PATTERN_LENGTH = 500
MAX_ORDER_KEYS = 8

_CLAUSE = "Invalid clause(s) in filter string:"
_EXACT_DIGITS = 18
_LISTS = (Operator.IN, Operator.NOT_IN)
_PATTERNS = (*PATTERN_OPERATORS, Operator.CONTAINS, Operator.NOT_CONTAINS)
_DIRECTIONS = {"ASC": True, "DESC": False}
_MEASURED = (Type.NUMBER, Type.TIME)
_AGO = re.compile(r"-(\d{1,6})([smhdw])")


def parse_filter(text: str | None, vocabulary: Vocabulary) -> Condition | None:
    """The tree of a filter; None for an empty one, which lets everything pass.

    Raises:
        Invalid: it cannot be read, names an unknown field, or compares a field with what it cannot be.
    """
    if not text or text.isspace():
        return None
    return _Reader(tokens_of(text), vocabulary).whole()


def parse_order(entries: list[str] | tuple[str, ...], vocabulary: Vocabulary) -> tuple[OrderKey, ...]:
    """The keys of an `order_by`, each `field [ASC|DESC]`.

    Raises:
        Invalid: an entry cannot be read, or a field comes twice.
    """
    if len(entries) > MAX_ORDER_KEYS:
        raise Invalid(f"`order_by` has {len(entries)} entries; at most {MAX_ORDER_KEYS} are read.")
    keys = tuple(_order_key(entry, vocabulary) for entry in entries)
    if len({key.field for key in keys}) < len(keys):
        raise Invalid(f"`order_by` contains duplicate fields: {list(entries)}")
    return keys


def _order_key(entry: str, vocabulary: Vocabulary) -> OrderKey:
    unreadable = Invalid(
        f"Invalid order_by clause '{entry}'. Could not be parsed: write a field, then ASC or DESC or nothing."
    )
    try:
        tokens = tokens_of(entry)
    except Invalid as error:
        raise unreadable from error
    match [token.kind for token in tokens]:
        case [Kind.NAME | Kind.TEXT, Kind.END]:
            is_ascending = True
        case [Kind.NAME | Kind.TEXT, Kind.NAME, Kind.END]:
            if tokens[1].keyword not in _DIRECTIONS:
                raise Invalid(f"Invalid ordering key in order_by clause '{entry}': it is ASC or DESC.")
            is_ascending = _DIRECTIONS[tokens[1].keyword]
        case _:
            raise unreadable
    field = field_of(tokens[0], vocabulary)
    if field.entity not in vocabulary.orderable:
        raise Invalid(f"Invalid identifier type '{field.entity}' in order_by clause '{entry}': it has no order.")
    return OrderKey(field, is_ascending)


def field_of(token: Token, vocabulary: Vocabulary) -> Field:
    """The field that a name stands for, under its canonical name.

    Raises:
        Invalid: there is no such entity or attribute.
    """
    if token.kind is Kind.TEXT and token.written.startswith("'"):
        raise _unreadable(token, f"Invalid comparison clause. Expected 'Identifier' found {token}.")
    if token.key is None and not (token.is_quoted and "." in token.head):
        return _attribute(token, token.head, vocabulary)
    entity = vocabulary.entities.get(token.head) if token.key is not None else None
    if entity is None:
        raise _unreadable(
            token,
            f"Invalid entity type '{token.head}'. Valid values are {vocabulary.spellings}. "
            "Quote only the key: metrics.`my key`.",
        )
    key = token.key or ""
    if entity is Entity.ATTRIBUTE:
        return _attribute(token, key, vocabulary)
    fixed = vocabulary.fixed_keys(entity)
    if fixed is not None and key not in fixed:
        kind = entity.removesuffix("s")
        raise _unreadable(token, f"Invalid {kind} key '{key}' specified. Valid keys are {sorted(fixed)}")
    if not key:
        raise _unreadable(token, f"{_CLAUSE} {token} names no key.")
    return Field(entity, key)


def _attribute(token: Token, name: str, vocabulary: Vocabulary) -> Field:
    key = vocabulary.aliases.get(name, name)
    if key not in vocabulary.attributes:
        valid = sorted([*vocabulary.attributes, *vocabulary.aliases])
        raise _unreadable(token, f"Invalid attribute key '{name}' specified. Valid keys are {valid}")
    return Field(Entity.ATTRIBUTE, key)


def _unreadable(token: Token, message: str) -> UnreadableFilter:
    return UnreadableFilter(message, token.place, len(token.written))


class _Reader:
    """One pass over the tokens; `_at` is the next one to read."""

    def __init__(self, tokens: list[Token], vocabulary: Vocabulary) -> None:
        self._tokens = tokens
        self._vocabulary = vocabulary
        self._at = 0
        self._depth = 0
        self._comparisons = 0

    def whole(self) -> Condition:
        condition = self._either()
        if self._peek().kind is not Kind.END:
            raise _unreadable(self._peek(), f"{_CLAUSE} {self._peek()}. Join comparisons with AND or OR.")
        return condition

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += token.kind is not Kind.END
        return token

    def _take_keyword(self, word: str) -> bool:
        is_there = self._peek().keyword == word
        self._at += is_there
        return is_there

    def _either(self) -> Condition:
        terms = [self._both()]
        while self._take_keyword("OR"):
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _both(self) -> Condition:
        terms = [self._part()]
        while self._take_keyword("AND"):
            terms.append(self._part())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _part(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _unreadable(self._peek(), f"{_CLAUSE} {self._peek()} is nested deeper than {MAX_DEPTH} levels.")
        if self._take_keyword("NOT"):
            condition: Condition = Not(self._part())
        elif self._peek().kind is Kind.OPEN:
            self._take()
            condition = self._either()
            if self._peek().kind is not Kind.CLOSE:
                raise _unreadable(self._peek(), f"{_CLAUSE} a parenthesis is not closed before {self._peek()}.")
            self._take()
        else:
            condition = self._comparison()
        self._depth -= 1
        return condition

    def _comparison(self) -> Condition:
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise Invalid(f"The filter has more than {MAX_COMPARISONS} comparisons. Use IN, or ask twice.")
        token = self._take()
        match token.kind:
            case Kind.NAME | Kind.TEXT:
                field = field_of(token, self._vocabulary)
            case Kind.NUMBER:
                raise _unreadable(token, f"Invalid comparison clause. Expected 'Identifier' found {token}.")
            case _:
                raise _unreadable(token, f"{_CLAUSE} a comparison is expected where {token} stands.")
        type_ = self._vocabulary.type_of(field.entity, field.key)
        operator = self._operator(field, type_)
        if operator in NULL_OPERATORS:
            return Comparison(field, operator)
        if type_ in _MEASURED:
            return self._measured(field, type_, operator)
        return Comparison(field, operator, self._text_or_list(field, type_, operator))

    def _operator(self, field: Field, type_: Type) -> Operator:
        token = self._take()
        written = token.written
        if token.keyword == "IS":
            is_negated = self._take_keyword("NOT")
            if not self._take_keyword("NULL"):
                raise _unreadable(self._peek(), f"{_CLAUSE} {self._peek()}. After IS comes NULL or NOT NULL.")
            return Operator.IS_NOT_NULL if is_negated else Operator.IS_NULL
        if token.keyword == "NOT":
            written = f"NOT {self._take().written}"
        elif token.kind is not Kind.COMPARATOR and token.keyword not in {"LIKE", "ILIKE", "IN"}:
            raise _unreadable(token, f"{_CLAUSE} {token}. A comparator such as = is expected after '{field.key}'.")
        allowed = OPERATORS[type_]
        if written.upper() not in allowed:
            names = ", ".join(operator.value for operator in allowed)
            raise _unreadable(
                token,
                f"Invalid comparator '{written.upper()}' not one of '{names}', at character {token.place + 1}, "
                f"for {field.entity} '{field.key}'.",
            )
        return Operator(written.upper())

    def _measured(self, field: Field, type_: Type, operator: Operator) -> Condition:
        token = self._value_after(operator)
        if token.kind is Kind.NUMBER and RANGE in token.written:
            return _within(token, field, type_, operator)
        return Comparison(field, operator, _measure(token, token.written, field, type_, operator))

    def _text_or_list(self, field: Field, type_: Type, operator: Operator) -> Value:
        if operator in _LISTS:
            return self._texts(field, type_)
        token = self._value_after(operator)
        text = _text(token, field)
        if operator in _PATTERNS and len(text) > MAX_PATTERN_LENGTH:
            raise _unreadable(
                token, f"The pattern at character {token.place + 1} is longer than {MAX_PATTERN_LENGTH} characters."
            )
        return _identifier(token, text) if type_ is Type.IDENTIFIER else text

    def _value_after(self, operator: Operator) -> Token:
        token = self._take()
        if token.kind in {Kind.END, Kind.COMPARATOR, Kind.CLOSE, Kind.COMMA}:
            raise _unreadable(token, f"{_CLAUSE} {token}. A value is expected after {operator}.")
        return token

    def _texts(self, field: Field, type_: Type) -> tuple[str, ...]:
        opening = self._take()
        if opening.kind is not Kind.OPEN:
            raise _unreadable(opening, f"{_CLAUSE} {opening}. A list in parentheses is expected after IN.")
        texts: list[str] = []
        while self._peek().kind is not Kind.CLOSE:
            token = self._take()
            if token.kind is not Kind.TEXT:
                raise _unreadable(
                    token,
                    "While parsing a list in the query, expected string value, punctuation, or whitespace, "
                    f"but got different type in list: {token}",
                )
            texts.append(_identifier(token, token.head) if type_ is Type.IDENTIFIER else token.head)
            if self._peek().kind is Kind.COMMA:
                self._take()
            elif self._peek().kind is not Kind.CLOSE:
                raise _unreadable(
                    self._peek(),
                    "While parsing a list in the query, expected a non-empty list of string values, "
                    f"but got ill-formed list: a comma is expected before {self._peek()}.",
                )
        self._take()
        if not texts:
            raise _unreadable(
                opening,
                "While parsing a list in the query, expected a non-empty list of string values, but got empty list "
                f"at character {opening.place + 1}, for {field.entity} '{field.key}'.",
            )
        if len(texts) > MAX_LISTED:
            raise _unreadable(opening, f"The list at character {opening.place + 1} has more than {MAX_LISTED} values.")
        return tuple(texts)


def _within(token: Token, field: Field, type_: Type, operator: Operator) -> Condition:
    """A range with both its ends; one of them may be missing."""
    if operator not in {Operator.EQUAL, Operator.NOT_EQUAL}:
        raise _unreadable(token, f"The range {token} is compared with = or !=, not with {operator}.")
    ends = zip((Operator.AT_LEAST, Operator.AT_MOST), token.written.split(RANGE, 1), strict=True)
    bounds = tuple(
        Comparison(field, end, _measure(token, written, field, type_, end)) for end, written in ends if written
    )
    if not bounds:
        raise _unreadable(token, f"The range {token} has no end. Write 0.7..0.8, 0.7.. or ..0.8.")
    inside = bounds[0] if len(bounds) == 1 else And(bounds)
    is_there = Comparison(field, Operator.IS_NOT_NULL)
    return inside if operator is Operator.EQUAL else And((is_there, Not(inside)))


def _measure(token: Token, written: str, field: Field, type_: Type, operator: Operator) -> int | float | Ago:
    """A number, or a moment that is said as so long ago."""
    if type_ is Type.TIME and (ago := _AGO.fullmatch(written)):
        return Ago(int(ago[1]), ago[2])
    singular = "metric" if field.entity is Entity.METRIC else f"numeric attribute: {field.key}"
    number = number_of(written) if token.kind is Kind.NUMBER else None
    if number is None:
        hint = " Write milliseconds since 1970, or -7d for a week ago." if type_ is Type.TIME else ""
        raise _unreadable(token, f"Expected numeric value type for {singular}. Found {token}.{hint}")
    if number != number and (field.entity is not Entity.METRIC or operator not in {Operator.EQUAL, Operator.NOT_EQUAL}):  # noqa: PLR0124  # only NaN is unequal to itself
        raise _unreadable(
            token,
            f"Expected numeric value type for {singular}. NaN has no order; compare metrics with = or !=.",
        )
    return number


def number_of(written: str) -> int | float | None:
    """The number that was written; whole ones of up to 18 digits exactly. None if it is no number."""
    digits = written.lstrip("+-")
    if digits.isascii() and digits.isdigit() and len(digits) <= _EXACT_DIGITS and len(written) <= len(digits) + 1:
        return int(written)
    try:
        return float(written) if "_" not in written else None
    except ValueError:
        return None


def _text(token: Token, field: Field) -> str:
    if token.kind is Kind.TEXT:
        return token.head
    if token.kind is Kind.NUMBER and not token.written.lower().endswith(("inf", "infinity", "nan")):
        kind = "attributes" if field.entity is Entity.ATTRIBUTE else _SINGULAR[field.entity]
        raise _unreadable(token, f"Expected a quoted string value for {kind} (e.g. 'my-value'). Got value {token}.")
    raise _unreadable(
        token,
        f"{_CLAUSE} {token}. Parameter value is either not quoted or unidentified quote types used for string value "
        f"{token.written}. Use either single or double quotes.",
    )


_SINGULAR = {Entity.PARAMETER: "parameter", Entity.TAG: "tag", Entity.DATASET: "dataset attributes"}


def _identifier(token: Token, text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= _EXACT_DIGITS):
        raise _unreadable(token, f"Invalid experiment ID '{text}'. Experiment ID must be a valid integer.")
    return text

"""What a filter that cannot be read, or finds nothing, says on the page: MLflow's client gets MLflow's words."""

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from modelyard.domains.tracking.columns import NEWEST, KeysInUse
from modelyard.domains.tracking.search.parser import field_of, parse_filter
from modelyard.domains.tracking.search.syntax import Entity, Field, Operator, comparisons_of, printed_field
from modelyard.domains.tracking.search.tokens import Kind, Token, UnreadableFilter, tokens_of
from modelyard.domains.tracking.search.vocabulary import CANDIDATES, Type
from modelyard.platform.errors import Invalid

MOST_ECHOED = 60
MOST_SAID = 300
MOST_MISSPELLED = 2
MOST_COMPARED = 1_000
LEAST_ALIKE = 0.7
_CLAUSE = "Invalid clause(s) in filter string: "
_TWICE_QUOTED = re.compile(rf"'(['\"`])(.{{0,{MOST_ECHOED}}}?)\1'")
_LISTED = {Kind.NAME, Kind.NUMBER, Kind.TEXT, Kind.COMMA}
_WORDS_BETWEEN = {"AND", "OR", "NOT"}
_COMPARING_WORDS = {"IS", "IN", "LIKE", "ILIKE", "NOT"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A filter that cannot be read: what is wrong, and its text around the place where reading stopped."""

    sentence: str
    before: str
    fault: str
    after: str


def problem_of(refused: Invalid, query: str, keys: Callable[[], KeysInUse]) -> Problem:
    """What to show for a filter that was refused; `keys` tells what the candidates have logged."""
    start, length = (refused.place, refused.length) if isinstance(refused, UnreadableFilter) else (0, len(query))
    # A filter that is refused whole was read, so there is no mistake in it to be found.
    advice = _advice(query, start, keys) if isinstance(refused, UnreadableFilter) else ""
    before, fault, after = query[:start], query[start : start + length], query[start + length :]
    return Problem(
        advice or _cleaned(refused.message, query, fault),
        before if len(before) <= MOST_ECHOED else f"…{before[-MOST_ECHOED:]}",
        _cut(fault),
        _cut(after),
    )


def absence_of(query: str, keys: KeysInUse, candidates: int) -> str:
    """What a filter that matched nothing asks for and no candidate has, with what may be meant; empty if there is none.

    `candidates` is how many there are: of many, the keys name only the parameters and tags of the newest.
    """
    named = {Entity.METRIC: keys.metrics, Entity.PARAMETER: keys.parameters, Entity.TAG: keys.tags}
    for comparison in comparisons_of(parse_filter(query, CANDIDATES)):
        field = comparison.field
        if field.entity not in named or field.key in named[field.entity] or comparison.operator is Operator.IS_NULL:
            continue
        knows_all = field.entity is Entity.METRIC or candidates <= NEWEST
        who = "No candidate of this experiment" if knows_all else f"None of the {NEWEST} newest candidates"
        others = [Field(entity, field.key) for entity, names in named.items() if field.key in names]
        meant = [_cut(printed_field(it)) for it in others or _alike(field, named[field.entity])]
        question = f" Did you mean {' or '.join(meant)}?" if meant else ""
        return f"{who} has {_cut(printed_field(field))}.{question}"
    return ""


def _alike(field: Field, names: Iterable[str]) -> list[Field]:
    """The same kind of field under the name that is spelled most like this one."""
    lower = field.key.lower()
    near = {name.lower(): name for name in names if abs(len(name) - len(field.key)) <= MOST_MISSPELLED}
    found = get_close_matches(lower, list(near)[:MOST_COMPARED], n=1, cutoff=LEAST_ALIKE)
    return [Field(field.entity, near[name]) for name in found]


def _advice(query: str, place: int, keys: Callable[[], KeysInUse]) -> str:
    """A sentence for the mistakes that people make; empty for any other."""
    try:
        tokens = tokens_of(query)
    except Invalid:
        return ""
    at = next((index for index, token in enumerate(tokens) if token.place == place), None)
    if at is None:
        return ""
    token = tokens[at]
    unquoted = _unquoted(tokens, at)
    if unquoted:
        return f"Texts stand in quotes. Write {unquoted}."
    if token.kind is Kind.NAME and token.key is None and _begins(tokens, at):
        return _unknown_name(token, keys(), is_compared=_is_comparing(tokens[at + 1]))
    text = _compared_text(tokens, at)
    if text is not None and (token.kind is Kind.NUMBER or _is_ordering(token)):
        value = tokens[at + 1] if _is_ordering(token) else token
        shown = value if value.written else "value"
        kind = "Tags" if text.entity is Entity.TAG else "Parameters"
        written = f"{_cut(printed_field(text))} = {_quoted(shown)}"
        return f"{kind} are text and have no order. Write {written}, or IN with a list."
    return ""


def _unquoted(tokens: list[Token], at: int) -> str:
    """How a comparison with a text, or with a list of them, is written whose quotes are missing here; empty if none."""
    token = tokens[at]
    if token.kind not in {Kind.NAME, Kind.NUMBER}:
        return ""
    before = at - 1
    while before >= 0 and tokens[before].kind in _LISTED:
        before -= 1
    if before >= 2 and tokens[before].kind is Kind.OPEN and tokens[before - 1].keyword == "IN":  # noqa: PLR2004  # a field and IN
        is_negated = tokens[before - 2].keyword == "NOT"
        field = tokens[before - 2 - is_negated]
        listed = [_quoted(it) for it in itertools.takewhile(lambda it: it.kind in _LISTED, tokens[before + 1 :])]
        texts = ", ".join(text for text in listed if text)
        return f"{_cut(field.written)} {'not in' if is_negated else 'in'} ({_cut(texts)})" if _is_text(field) else ""
    takes_text = tokens[at - 1].kind is Kind.COMPARATOR or tokens[at - 1].keyword in {"LIKE", "ILIKE"}
    is_compared = at > 1 and token.kind is Kind.NAME and takes_text and _is_text(tokens[at - 2])
    return f"{_cut(tokens[at - 2].written)} {tokens[at - 1].written} {_quoted(token)}" if is_compared else ""


def _is_text(token: Token) -> bool:
    """Whether this names something that is compared with texts."""
    try:
        field = field_of(token, CANDIDATES)
    except Invalid:
        return False
    return CANDIDATES.type_of(field.entity, field.key) not in {Type.NUMBER, Type.TIME}


def _quoted(value: Token | str) -> str:
    """A value as a text of the search language; empty for a comma."""
    if isinstance(value, Token) and value.kind is Kind.COMMA:
        return ""
    text = value if isinstance(value, str) else value.head if value.kind is Kind.TEXT else value.written
    return "'" + _cut(text).replace("'", "''") + "'"


def _begins(tokens: list[Token], at: int) -> bool:
    """Whether a comparison begins here."""
    return at == 0 or tokens[at - 1].kind is Kind.OPEN or tokens[at - 1].keyword in _WORDS_BETWEEN


def _is_comparing(token: Token) -> bool:
    return token.kind is Kind.COMPARATOR or token.keyword in _COMPARING_WORDS


def _is_ordering(token: Token) -> bool:
    return token.kind is Kind.COMPARATOR and token.written in {"<", "<=", ">", ">="}


def _compared_text(tokens: list[Token], at: int) -> Field | None:
    """The parameter or tag that the comparison at this token is about."""
    for token in reversed(tokens[max(0, at - 2) : at]):
        entity = CANDIDATES.entities.get(token.head) if token.key else None
        if entity in {Entity.PARAMETER, Entity.TAG}:
            return Field(entity, token.key or "")
    return None


def _unknown_name(token: Token, keys: KeysInUse, *, is_compared: bool) -> str:
    """A name without metrics., params. or tags. before it, or a word that somebody looks for."""
    name = token.head
    kinds = ((Entity.METRIC, keys.metrics), (Entity.PARAMETER, keys.parameters), (Entity.TAG, keys.tags))
    meant = [printed_field(Field(entity, name)) for entity, names in kinds if name in names]
    if is_compared and meant:
        return f"There is no attribute {_cut(name)}. Did you mean {' or '.join(_cut(field) for field in meant)}?"
    if is_compared:
        return (
            f"There is no attribute {_cut(name)}. Write metrics.{_cut(name)}, params.{_cut(name)} or tags.{_cut(name)}"
            f" for what scripts log; the attributes are {', '.join(CANDIDATES.attributes)}."
        )
    ways = f"Names of candidates that contain it: run_name ~ {_quoted(name)}."
    if meant:
        example = f"{_cut(meant[0])} > 0.5" if name in keys.metrics else f"{_cut(meant[0])} = 'value'"
        return f"{_cut(name)} alone compares nothing. Compare it, as in {example}."
    return f"{_cut(name)} alone compares nothing. {ways}"


def _cleaned(message: str, query: str, fault: str) -> str:
    """MLflow's words without what only a program needs, and with no more of the filter than one can read."""
    text = message.removeprefix(_CLAUSE).replace(repr(query), f"“{_cut(query)}”")
    if len(fault) > MOST_ECHOED:
        text = text.replace(fault, _cut(fault))
    # Cut first: looking for pairs of quotes takes long in a long text.
    text = _TWICE_QUOTED.sub(r"\1\2\1", text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]}…")
    return text[:1].upper() + text[1:]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_ECHOED else f"{text[:MOST_ECHOED]}…"

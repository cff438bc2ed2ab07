"""Hypothesis strategies for filters and orders, as trees."""

from hypothesis import strategies as st

from modelyard.domains.tracking.search.syntax import UNITS_MS, Ago, And, Comparison, Condition, Entity, Field, Not, Or
from modelyard.domains.tracking.search.vocabulary import OPERATORS, Type, Vocabulary

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
KEYS = st.one_of(
    st.sampled_from(
        ["m0", "a b", "val/loss", "x-1", "mlflow.user", "0", "and", "in", "é", "a.", ".a", "a:b", "`", "'", '"']
    ),
    TEXTS.filter(lambda key: bool(key) and not all(quote in key for quote in "`'\"")),
)
NUMBERS = st.one_of(
    st.integers(-(10**18) + 1, 10**18 - 1), st.floats(allow_nan=False), st.sampled_from([0.0, -0.0, 0.5, 1e300])
)
MOMENTS = st.builds(Ago, st.integers(0, 999_999), st.sampled_from(sorted(UNITS_MS)))


@st.composite
def fields(draw: st.DrawFn, vocabulary: Vocabulary, keys: st.SearchStrategy[str] = KEYS) -> Field:
    entity = draw(st.sampled_from(sorted(set(vocabulary.entities.values()))))
    fixed = vocabulary.fixed_keys(entity)
    return Field(entity, draw(keys if fixed is None else st.sampled_from(sorted(fixed))))


@st.composite
def comparisons(
    draw: st.DrawFn,
    vocabulary: Vocabulary,
    keys: st.SearchStrategy[str] = KEYS,
    texts: st.SearchStrategy[str] = TEXTS,
    numbers: st.SearchStrategy[int | float] = NUMBERS,
) -> Comparison:
    field = draw(fields(vocabulary, keys))
    type_ = vocabulary.type_of(field.entity, field.key)
    operator = draw(st.sampled_from(OPERATORS[type_]))
    if type_ is Type.IDENTIFIER:
        texts = st.integers(0, 10**17).map(str)
    if operator.endswith("NULL"):
        return Comparison(field, operator)
    if operator.endswith("IN"):
        return Comparison(field, operator, tuple(draw(st.lists(texts, min_size=1, max_size=4))))
    if type_ is Type.TIME:
        return Comparison(field, operator, draw(st.one_of(numbers, MOMENTS)))
    if type_ is Type.NUMBER:
        if field.entity is Entity.METRIC and operator in {"=", "!="}:
            numbers = st.one_of(numbers, st.just(float("nan")))
        return Comparison(field, operator, draw(numbers))
    return Comparison(field, operator, draw(texts))


def conditions(leaves: st.SearchStrategy[Comparison]) -> st.SearchStrategy[Condition]:
    def nested(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        terms = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(inner.map(Not), terms.map(And), terms.map(Or))

    return st.recursive(leaves, nested, max_leaves=8)

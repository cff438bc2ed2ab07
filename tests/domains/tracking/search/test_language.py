import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domains.tracking.search.comparing import pattern_matches
from modelyard.domains.tracking.search.parser import (
    MAX_COMPARISONS,
    MAX_DEPTH,
    MAX_LISTED,
    MAX_ORDER_KEYS,
    MAX_PATTERN_LENGTH,
    parse_filter,
    parse_order,
)
from modelyard.domains.tracking.search.syntax import (
    Ago,
    And,
    Comparison,
    Entity,
    Field,
    Not,
    Operator,
    Or,
    OrderKey,
    Value,
    printed,
    printed_order,
)
from modelyard.domains.tracking.search.tokens import MAX_LENGTH, UnreadableFilter
from modelyard.domains.tracking.search.vocabulary import CANDIDATES, EXPERIMENTS, LOGGED_MODELS, Vocabulary
from modelyard.platform.errors import Invalid
from tests.domains.tracking.search.language import comparisons, conditions, fields

VOCABULARIES = {"candidates": CANDIDATES, "experiments": EXPERIMENTS, "logged models": LOGGED_MODELS}
WORDS = st.sampled_from(
    """metrics. params. tags. run dataset.name status a b.c ` ' " ( ) , ; = != <> >= ~ and OR not in IN like is null
    1 -1 +.5 1e5 nan inf -inf 'x' "y" `z` é -- /* % _ \\ :""".split()  # noqa: SIM905  # better read as words
)


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=VOCABULARIES)
@given(data=st.data())
def test_what_is_printed_reads_as_the_same_tree(vocabulary: Vocabulary, data: st.DataObject) -> None:
    condition = data.draw(conditions(comparisons(vocabulary)))
    assert repr(parse_filter(printed(condition), vocabulary)) == repr(condition)  # repr, since NaN is not NaN


@given(st.lists(fields(CANDIDATES), unique=True, max_size=MAX_ORDER_KEYS), st.data())
def test_an_order_that_is_printed_reads_as_the_same_order(found: list[Field], data: st.DataObject) -> None:
    keys = tuple(OrderKey(field, data.draw(st.booleans())) for field in found if field.entity in CANDIDATES.orderable)
    entries = tuple(printed_order((key,)) for key in keys)
    assert parse_order(entries, CANDIDATES) == keys


@given(st.one_of(st.text(), st.lists(WORDS, max_size=14).map(" ".join), st.lists(WORDS, max_size=14).map("".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = parse_filter(text, CANDIDATES)
    except Invalid:
        return
    assert printed(parse_filter(printed(condition), CANDIDATES)) == printed(condition)


def field(name: str) -> Field:
    entity, _, key = name.partition(".")
    return Field(Entity(entity), key)


@pytest.mark.parametrize(
    ("text", "name", "operator", "value"),
    [
        ("metric.acc >= 0.94", "metrics.acc", ">=", 0.94),
        ("metric.acc>=100", "metrics.acc", ">=", 100),
        ("metrics.a=-1.5e-3", "metrics.a", "=", -0.0015),
        ("metrics.a = -inf", "metrics.a", "=", float("-inf")),
        ("params.m!='tf'", "params.m", "!=", "tf"),
        ('params."m"!="tf"', "params.m", "!=", "tf"),
        ("parameters.m like 'T%'", "params.m", "LIKE", "T%"),
        ("param.m NOT iLike 'T%'", "params.m", "NOT ILIKE", "T%"),
        ('metric."legit name" >= 0.243', "metrics.legit name", ">=", 0.243),
        ('metrics."X//Y#$$@&Z" = 3', "metrics.X//Y#$$@&Z", "=", 3),
        ("metrics.`spacey name` > 5", "metrics.spacey name", ">", 5),
        ("metrics.val/loss-2:x > 5", "metrics.val/loss-2:x", ">", 5),
        ('metrics."accuracy.2.0" > 5', "metrics.accuracy.2.0", ">", 5),
        ("`metric`.a >= 0.1", "metrics.a", ">=", 0.1),
        ("tags.version = 'commit-hash'", "tags.version", "=", "commit-hash"),
        ("tag.'it is' = \"L'Hosp\"", "tags.it is", "=", "L'Hosp"),
        ("tags.quoted = 'L''Hosp'", "tags.quoted", "=", "L'Hosp"),
        ("tags.in = 'like'", "tags.in", "=", "like"),
        ("run.status = 'RUNNING'", "attributes.status", "=", "RUNNING"),
        ("attr.status IN ('RUNNING', \"FAILED\",)", "attributes.status", "IN", ("RUNNING", "FAILED")),
        ("run_id not in ('a')", "attributes.run_id", "NOT IN", ("a",)),
        ("Created > 5", "attributes.start_time", ">", 5),
        ('attribute."Run name" = "x"', "attributes.run_name", "=", "x"),
        ("`run name` = 'x'", "attributes.run_name", "=", "x"),
        ("end_time is null", "attributes.end_time", "IS NULL", None),
        ("params.lr IS  NOT NULL", "params.lr", "IS NOT NULL", None),
        ("dataset.context = 'train'", "datasets.context", "=", "train"),
        ("datasets.digest IN ('a', 'b')", "datasets.digest", "IN", ("a", "b")),
        ("run_name ~ 'Otter'", "attributes.run_name", "~", "Otter"),
        ("tags.note!~'50%'", "tags.note", "!~", "50%"),
        ("created > -7d", "attributes.start_time", ">", Ago(7, "d")),
        ("end_time<=-0m", "attributes.end_time", "<=", Ago(0, "m")),
        ("metrics.a = 0.7..", "metrics.a", ">=", 0.7),
        ("metrics.a = ..-1e-3", "metrics.a", "<=", -0.001),
    ],
)
def test_a_comparison_is_read(text: str, name: str, operator: str, value: Value) -> None:
    assert parse_filter(text, CANDIDATES) == Comparison(field(name), Operator(operator), value)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("metrics.a = 0.7..0.8", "metrics.a >= 0.7 and metrics.a <= 0.8"),
        ("metrics.a = -5..-1e-3", "metrics.a >= -5 and metrics.a <= -0.001"),
        ("metrics.a = .5..inf", "metrics.a >= 0.5 and metrics.a <= inf"),
        ("metrics.a != 1..2", "metrics.a is not null and not (metrics.a >= 1 and metrics.a <= 2)"),
        ("metrics.a != 1..", "metrics.a is not null and not metrics.a >= 1"),
        ("created = -2w..-1d", "created >= -2w and created <= -1d"),
    ],
)
def test_a_range_is_its_ends(text: str, same: str) -> None:
    assert parse_filter(text, CANDIDATES) == parse_filter(same, CANDIDATES)


@pytest.mark.parametrize(
    ("text", "at_fault"),
    [
        ("metrics.a > 1 and lss < 2", "lss"),
        ("metric.a > 1 or m.`b c` < 2", "m.`b c`"),
        ("params.depth = 'x' and params.eta >> 'y'", ">>"),
        ("metrics.a > 1 and metrics.b > 'high'", "'high'"),
        ("tags.a = 'x", "'x"),
        ("created > 7d", "7d"),
        ("metrics.a > 1..2", "1..2"),
        ("metrics.a = ..", ".."),
        ("metrics.a = 1..x", "1..x"),
        ("(metrics.a > 1", ""),
        ("run_id in ('a' 'b')", "'b'"),
    ],
)
def test_an_error_points_at_its_place(text: str, at_fault: str) -> None:
    with pytest.raises(UnreadableFilter) as refused:
        parse_filter(text, CANDIDATES)
    assert text[refused.value.place : refused.value.place + refused.value.length] == at_fault


def test_not_binds_closest_and_or_loosest() -> None:
    a, b, c = (Comparison(field(f"metrics.{name}"), Operator.EQUAL, 1) for name in "abc")
    read = parse_filter("not metrics.a = 1 And metrics.b = 1 oR metrics.c = 1", CANDIDATES)
    assert read == Or((And((Not(a), b)), c))
    assert parse_filter("NOT (metrics.a = 1 AND (metrics.b = 1))", CANDIDATES) == Not(And((a, b)))


@pytest.mark.parametrize("text", ["", None, "  \n"])
def test_an_empty_filter_lets_everything_pass(text: str | None) -> None:
    assert parse_filter(text, CANDIDATES) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metric.acc >= 0.94; metrics.rmse < 1", "Search filter contained multiple expression"),
        ("m.acc >= 0.94", "Invalid entity type 'm'"),
        ("`metrics.A` > 1", "Invalid entity type"),
        ("acc >= 0.94", "Invalid attribute key 'acc'"),
        ("attribute.experiment_id != 1", "Invalid attribute key"),
        ("attribute.lifecycle_stage = 'ACTIVE'", "Invalid attribute key"),
        ("dataset.status = 'true'", "Invalid dataset key 'status'"),
        ("metrics.A > 0.1 NAND params.B = 'LR'", "Invalid clause(s) in filter string: 'NAND' at character 17"),
        ("metrics.A > 0.1 metrics.B > 1", "Join comparisons with AND or OR"),
        ("`metrics.A > 0.1", "Invalid clause(s) in filter string: the quote ` at character 1"),
        ("param`.A > 0.1", "Invalid clause(s) in filter string: the quote ` at character 6"),
        ("params.'acc = LR", "Invalid clause(s) in filter string"),
        ("params.acc = LR'", "Invalid clause(s) in filter string"),
        ("params.acc = \"LR'", "Invalid clause(s) in filter string"),
        ("tags.acc = = 'LR'", "Invalid clause(s) in filter string: '=' at character 12"),
        ("attribute.status IS 'RUNNING'", "After IS comes NULL or NOT NULL"),
        ("attribute.status = true", "Invalid clause(s) in filter string: 'true'"),
        ("params.acc LR !=", "Invalid clause(s) in filter string"),
        ("metric.acc !=", "Invalid clause(s) in filter string: the end"),
        ("(metrics.a = 1", "a parenthesis is not closed before the end"),
        ("metrics.a = 1)", "Invalid clause(s) in filter string: ')' at character 14"),
        ("metrics. = 1", "names no key"),
        ("metrics.a = 1 #", "'#' at character 15"),
        ("1 = 1", "Expected 'Identifier' found '1'"),
        ("'a' = 'a'", "Expected 'Identifier' found ''a''"),
        ("metric.model = 'LR'", "Expected numeric value type for metric"),
        ("metrics.acc != metrics.acc", "Expected numeric value type for metric"),
        ("metrics.acc = 1_000", "Expected numeric value type for metric"),
        ("metrics.acc < nan", "NaN has no order"),
        ("start_time = nan", "Expected numeric value type for numeric attribute: start_time"),
        ("start_time = '5'", "Expected numeric value type for numeric attribute: start_time"),
        ("params.acc = 5", "Expected a quoted string value for parameter"),
        ("tags.acc = 5", "Expected a quoted string value for tag"),
        ("attribute.status = 1", "Expected a quoted string value for attributes"),
        ("params.acc = LR", "value is either not quoted or unidentified quote types used for string value LR"),
        ("params.acc = `LR`", "value is either not quoted or unidentified quote types"),
        ("metrics.abc ~ 1", "Invalid comparator '~'"),
        ("params.abc >= 'a'", "Invalid comparator '>='"),
        ("start_time LIKE 1", "Invalid comparator 'LIKE'"),
        ("datasets.name ~= 'a'", "Invalid comparator '~='"),
        ("metrics.a NOT = 1", "Invalid comparator 'NOT ='"),
        ("run_id IN ()", "expected a non-empty list of string values, but got empty list"),
        ("run_id IN ('a' 'b')", "ill-formed list"),
        ("run_id IN ('a', 1)", "got different type in list: '1'"),
        ("run_id IN 'a'", "A list in parentheses is expected"),
        ("run_id = '\0'", "a character that no text can contain"),
        ("run_id = '\ud800'", "a character that no text can contain"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=re.escape(message)):
        parse_filter(text, CANDIDATES)


def test_experiments_have_their_own_fields() -> None:
    assert parse_filter("experiment_id IN ('1', '2')", EXPERIMENTS)
    for text, message in [
        ("metrics.a = 1", "Invalid entity type 'metrics'"),
        ("run_id = 'x'", "Invalid attribute key 'run_id'"),
        ("experiment_id LIKE '1'", "Invalid comparator 'LIKE'"),
        ("experiment_id = 'one'", "Invalid experiment ID 'one'"),
    ]:
        with pytest.raises(Invalid, match=re.escape(message)):
            parse_filter(text, EXPERIMENTS)


def in_parentheses(depth: int) -> str:
    return "(" * depth + "metrics.a = 1" + ")" * depth


@pytest.mark.parametrize(
    ("largest", "too_large"),
    [
        (" " * (MAX_LENGTH - 13) + "metrics.a = 1", " " * (MAX_LENGTH - 12) + "metrics.a = 1"),
        (" or ".join(["metrics.a = 1"] * MAX_COMPARISONS), " or ".join(["metrics.a = 1"] * (MAX_COMPARISONS + 1))),
        (in_parentheses(MAX_DEPTH - 1), in_parentheses(MAX_DEPTH)),
        ("not " * (MAX_DEPTH - 1) + "metrics.a = 1", "not " * MAX_DEPTH + "metrics.a = 1"),
        ("tags.a in (" + "''," * MAX_LISTED + ")", "tags.a in (" + "''," * (MAX_LISTED + 1) + ")"),
        (f"tags.a like '{'%' * MAX_PATTERN_LENGTH}'", f"tags.a like '{'%' * (MAX_PATTERN_LENGTH + 1)}'"),
    ],
    ids=["length", "comparisons", "parentheses", "nots", "list", "pattern"],
)
def test_sizes_have_limits(largest: str, too_large: str) -> None:
    assert parse_filter(largest, CANDIDATES) is not None
    with pytest.raises(Invalid):
        parse_filter(too_large, CANDIDATES)


@pytest.mark.parametrize(
    ("entry", "name", "is_ascending"),
    [
        ("metrics.`Mean Square Error`", "metrics.Mean Square Error", True),
        ('metrics."key1"  desc', "metrics.key1", False),
        ("params.my_param aSc ", "params.my_param", True),
        ("created DESC", "attributes.start_time", False),
        ("attributes.status", "attributes.status", True),
    ],
)
def test_an_order_is_read(entry: str, name: str, *, is_ascending: bool) -> None:
    assert parse_order([entry], CANDIDATES) == (OrderKey(field(name), is_ascending),)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["m.acc"], "Invalid entity type"),
        (["acc"], "Invalid attribute key"),
        (["`metrics.A"], "Invalid order_by clause"),
        (["`metrics.A`"], "Invalid entity type"),
        (["attribute.experiment_id"], "Invalid attribute key"),
        (["metrics.A != 1"], "Invalid order_by clause"),
        ([""], "Invalid order_by clause"),
        (["attribute.run_id ACS"], "Invalid ordering key"),
        (["dataset.name"], "Invalid identifier type"),
        (["metrics.a", "metric.a DESC"], "`order_by` contains duplicate fields"),
        ([f"metrics.a{number}" for number in range(MAX_ORDER_KEYS + 1)], "at most"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(entries: list[str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        parse_order(entries, CANDIDATES)


@given(st.text("ab%_", max_size=8), st.text("ab", max_size=8))
def test_like_is_what_its_regular_expression_is(pattern: str, text: str) -> None:
    expression = "".join({"%": ".*", "_": "."}.get(character, character) for character in pattern)
    assert pattern_matches(text, pattern) == (re.fullmatch(expression, text) is not None)

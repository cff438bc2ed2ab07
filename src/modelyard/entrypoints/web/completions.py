"""What a filter of candidates may go on with: keys, then operators, then values with how many candidates have them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import msgspec
from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.authors import knows_people
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.columns import keys_in_use, values_in_use
from modelyard.domains.tracking.search.parser import field_of
from modelyard.domains.tracking.search.syntax import Entity, Field, printed_field
from modelyard.domains.tracking.search.tokens import tokens_of
from modelyard.domains.tracking.search.vocabulary import CANDIDATES, OPERATORS
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web.experiment_pages import OpenedExperiment, open_experiment
from modelyard.entrypoints.web.formatting import count
from modelyard.entrypoints.web.navigation import EXPERIMENTS, PROJECT_ROUTE
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import data_headers
from modelyard.entrypoints.web.visit import Visit
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid

MOST_CHOICES = 12
MOST_READ = 1_000
_FIELD = r"(?P<field>(?:\w+\.)?(?:`[^`]*`|\"[^\"]*\"|[\w./:-]+))"
_LISTED = r"(?:\s*'[^']*(?:''[^']*)*'\s*,)*"
_VALUE = re.compile(rf"{_FIELD}\s*(?:!?=|!?~|\bi?like\b|\bin\s*\({_LISTED})\s*(?P<part>'?[^'()]*)$", re.IGNORECASE)
_OPERATOR = re.compile(rf"(?:^|[\s(]){_FIELD}\s+(?P<part>[^\s'\"()]*)$")
_WORD = re.compile(r"(?P<part>[\w./:`-]*)$")
_COMPARING = tuple("=<>~")
_JOINING = re.compile(r"(?:^|\(|\b(?:and|or|not))\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be put in the place of what was begun."""

    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Completions:
    """The choices, and from which character on they stand in."""

    start: int
    choices: list[Choice]


def mount(pages: Pages) -> None:
    """Add the page of this file."""
    url = f"{PROJECT_ROUTE}{EXPERIMENTS}/{{experiment:int}}/candidates/completions.json"
    pages.get(url, needs(Ability.READ_TRACKING), send_completions)


def send_completions(visit: Visit) -> Response:
    """For the filter up to the caret."""
    written = visit.request.query_params.get("q", "")
    with visit.read() as (session, actor):
        opened = open_experiment(visit, session, actor)
        is_short = len(written) <= MOST_READ
        found = _completions(session, actor, opened, written) if is_short else Completions(len(written), [])
    return Response(msgspec.json.encode(asdict(found)), media_type="application/json", headers=data_headers())


def _completions(session: Session, actor: Actor, opened: OpenedExperiment, written: str) -> Completions:
    for pattern, choose in ((_VALUE, _values), (_OPERATOR, _operators)):
        found = pattern.search(written)
        field = _field(found["field"]) if found else None
        if found and field:
            return _fitting(written, found["part"], choose(session, actor, opened, field))
    part = _WORD.search(written)
    begun = part["part"] if part else ""
    before = written[: len(written) - len(begun)]
    if before.rstrip().endswith(_COMPARING):
        return Completions(len(written), [])
    begins = _JOINING.search(before) is not None
    return _fitting(written, begun, _keys(session, actor, opened) if begins else (Choice("and"), Choice("or")))


def _field(name: str) -> Field | None:
    try:
        return field_of(tokens_of(name)[0], CANDIDATES)
    except Invalid:
        return None


def _values(session: Session, actor: Actor, opened: OpenedExperiment, field: Field) -> Iterator[Choice]:
    for value, number in values_in_use(session, actor, opened.project, opened.experiment.id, field):
        quoted = "'" + value.replace("'", "''") + "'"
        yield Choice(quoted, count(number))


def _operators(_session: Session, _actor: Actor, _opened: OpenedExperiment, field: Field) -> Iterator[Choice]:
    for operator in OPERATORS[CANDIDATES.type_of(field.entity, field.key)]:
        yield Choice(operator.lower())


def _keys(session: Session, actor: Actor, opened: OpenedExperiment) -> Iterator[Choice]:
    keys = keys_in_use(session, actor, opened.project, opened.experiment.id)
    named = ((Entity.METRIC, keys.metrics), (Entity.PARAMETER, keys.parameters), (Entity.TAG, keys.tags))
    for entity, names in named:
        for name in names:
            yield Choice(printed_field(Field(entity, name)), entity)
    for name in (*CANDIDATES.attributes, "created"):
        if name != "author" or knows_people(actor):
            yield Choice(name, "attribute")


def _fitting(written: str, begun: str, choices: Iterable[Choice]) -> Completions:
    """Those that have what was begun in them, the ones that begin with it first."""
    sought = begun.strip("'`").lower()
    found = [choice for choice in choices if sought in choice.text.lower() and choice.text != begun]
    found.sort(key=lambda choice: not choice.text.strip("'").lower().startswith(sought))
    return Completions(len(written) - len(begun), found[:MOST_CHOICES])

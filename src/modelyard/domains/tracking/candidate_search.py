"""Searching, counting and reading candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.authors import knows_people
from modelyard.domains.namespaces.access import Ability, Standing, check, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidate_conditions import AUTHOR, TABLES, Scope
from modelyard.domains.tracking.candidate_order import Phase, phases_of
from modelyard.domains.tracking.candidate_rows import EVERYTHING, CandidateRow, Wanted, rows_of
from modelyard.domains.tracking.keys import ids_of_keys
from modelyard.domains.tracking.search.fragments import Reader, Rows, Sql, all_of, joined, sql
from modelyard.domains.tracking.search.keyset import Place, after, fingerprint, order_by, page_token, place_of
from modelyard.domains.tracking.search.parser import parse_filter, parse_order
from modelyard.domains.tracking.search.syntax import (
    Condition,
    OrderKey,
    comparisons_of,
    conjuncts_of,
    printed,
    printed_order,
)
from modelyard.domains.tracking.search.vocabulary import CANDIDATES
from modelyard.domains.tracking.states import View
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.pagination import Page

DEFAULT_RESULTS = 1_000
MOST_RESULTS = 50_000


@dataclass(frozen=True)
class CandidateQuery:
    """What to look for. `experiments` are iids; filter and order are texts in the search language.

    Without an order the newest come first. Candidates that are equal in it follow newest first, then by run id.
    `status_words`, in lower case, are what people call a status besides MLflow's names, which mind the case.
    """

    experiments: tuple[int, ...]
    filter: str = ""
    order_by: tuple[str, ...] = ()
    view: View = View.ACTIVE
    status_words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Prepared:
    """A query that was read and looked up: its tree, its order, its scope, and the mark of its page tokens."""

    condition: Condition | None
    order: tuple[OrderKey, ...]
    scope: Scope
    mark: str


def search_candidates(
    session: Session,
    actor: Actor,
    project: Project,
    query: CandidateQuery,
    *,
    max_results: int = DEFAULT_RESULTS,
    token: str | None = None,
    wanted: Wanted = EVERYTHING,
) -> Page[CandidateRow]:
    """One page of the project's candidates in the query's order; `next_cursor` is the token of the next page.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the filter, the order, the number of results or the token.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    prepared = _prepare(Reader(session.connection()), project.id, query, knows_people=knows_people(actor))
    return _search(prepared, project.id, wanted, max_results=max_results, token=token)


def search_with_standing(
    connection: Connection,
    standing: Standing,
    project_id: int,
    query: CandidateQuery,
    *,
    knows_people: bool,
    max_results: int = DEFAULT_RESULTS,
    token: str | None = None,
) -> Page[CandidateRow]:
    """`search_candidates` for a request whose standing in the project is known: to ask again costs more than to search.

    `knows_people` is what `authors.knows_people` says of its actor.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the filter, the order, the number of results or the token.
    """
    check(standing, Ability.READ_TRACKING)
    prepared = _prepare(Reader(connection), project_id, query, knows_people=knows_people)
    return _search(prepared, project_id, EVERYTHING, max_results=max_results, token=token)


def count_candidates(session: Session, actor: Actor, project: Project, query: CandidateQuery) -> int:
    """How many candidates match, exactly.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: the filter.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    reader = Reader(session.connection())
    prepared = _prepare(reader, project.id, query, knows_people=knows_people(actor))
    scope = prepared.scope
    matches = scope.matches(*conjuncts_of(prepared.condition))
    within = scope.within(Sql("c.experiment_id"))
    found = reader.rows(sql("SELECT count(*) FROM candidates c WHERE ? AND ?", within, matches))
    return int(found[0][0])


def read_candidate(
    session: Session, actor: Actor, project: Project, run_id: str, *, wanted: Wanted = EVERYTHING
) -> CandidateRow:
    """One candidate, deleted or not.

    Raises:
        Forbidden, NotFound: of the project; there is no such candidate.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    return _read(Reader(session.connection()), project.id, run_id, wanted)


def read_with_standing(connection: Connection, standing: Standing, project_id: int, run_id: str) -> CandidateRow:
    """`read_candidate` for a request whose standing in the project is known.

    Raises:
        Forbidden, NotFound: of the project; there is no such candidate.
    """
    check(standing, Ability.READ_TRACKING)
    return _read(Reader(connection), project_id, run_id, EVERYTHING)


def check_results(max_results: int) -> None:
    """Refuse a page size that is not one.

    Raises:
        Invalid: it is less than 1 or more than MOST_RESULTS.
    """
    if not 1 <= max_results <= MOST_RESULTS:
        needed = "a positive integer" if max_results < 1 else f"at most {MOST_RESULTS}"
        raise Invalid(f"Invalid value {max_results} for parameter 'max_results' supplied. It must be {needed}")


def _search(
    prepared: _Prepared, project_id: int, wanted: Wanted, *, max_results: int, token: str | None
) -> Page[CandidateRow]:
    check_results(max_results)
    ids, next_token = _page_of_ids(prepared, max_results, token)
    return Page(rows_of(prepared.scope.reader, project_id, ids, wanted), next_token)


def _read(reader: Reader, project_id: int, run_id: str, wanted: Wanted) -> CandidateRow:
    ids = reader.rows(sql("SELECT id FROM candidates WHERE run_id = ? AND project_id = ?", run_id, project_id))
    rows = rows_of(reader, project_id, [id_ for (id_,) in ids], wanted)
    if not rows:
        raise NotFound(f"Run with id={run_id[:64]} not found")
    return rows[0]


def _prepare(reader: Reader, project_id: int, query: CandidateQuery, *, knows_people: bool) -> _Prepared:
    condition = parse_filter(query.filter, CANDIDATES)
    order = parse_order(query.order_by, CANDIDATES)
    fields = [comparison.field for comparison in comparisons_of(condition)] + [key.field for key in order]
    if AUTHOR in fields and not knows_people:
        # Guesses would spell the names that the answers leave out.
        raise Invalid("Only people who are signed in, and tokens with the scope api or read_api, may search by author.")
    iids = sorted(set(query.experiments))
    found = reader.rows(
        sql(
            "SELECT id FROM experiments WHERE project_id = ? AND ? ORDER BY id",
            project_id,
            reader.among(Sql("iid"), iids),
        )
    )
    key_ids = ids_of_keys(reader, project_id, {field.key for field in fields if field.entity in TABLES})
    experiment_ids = tuple(id_ for (id_,) in found)
    scope = Scope(reader, experiment_ids, query.view, key_ids, status_words=query.status_words)
    mark = fingerprint(project_id, iids, printed(condition), printed_order(order), query.view)
    return _Prepared(condition, order, scope, mark)


def _page_of_ids(prepared: _Prepared, max_results: int, token: str | None) -> tuple[list[int], str | None]:
    """The ids of a page and the token of the next; one row more than asked for tells whether there is a next page."""
    phases = phases_of(prepared.scope, prepared.condition, prepared.order)
    start = place_of(token, prepared.mark, {phase.number: phase.columns for phase in phases}) if token else None
    found: list[tuple[int, tuple[Any, ...]]] = []
    for phase in phases:
        if start is not None and phase.number < start.phase:
            continue
        resumed = start if start is not None and phase.number == start.phase else None
        rows = _walk(prepared.scope.reader, phase, resumed, limit=max_results + 1 - len(found))
        found.extend((phase.number, row) for row in rows)
    next_token = None
    if len(found) > max_results:
        number, (_, *values) = found[max_results - 1]
        next_token = page_token(prepared.mark, Place(number, tuple(values)))
    return [row[0] for _, row in found[:max_results]], next_token


def _walk(reader: Reader, phase: Phase, start: Place | None, *, limit: int) -> Rows:
    """The id and the sort values of each row of one phase, from its beginning or from behind `start`."""
    if limit < 1:
        return ()
    conditions = phase.conditions if start is None else (*phase.conditions, after(phase.columns, start.values))
    return reader.rows(
        sql(
            "SELECT c.id, ? FROM ? WHERE ? ? LIMIT ?",
            joined(", ", (column.expression for column in phase.columns)),
            phase.source,
            all_of(conditions),
            order_by(phase.columns),
            limit,
        )
    )

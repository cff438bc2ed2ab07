"""The candidates of one experiment: a table with chosen columns, any order and a filter.

Everything that is chosen stands in the address: `q`, `sort`, `cols`, `state`, `cursor`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from urllib.parse import unquote

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.authors import Author, authors_of, knows_people
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.candidate_rows import CandidateRow, Wanted
from modelyard.domains.tracking.candidate_search import CandidateQuery, count_candidates, search_candidates
from modelyard.domains.tracking.columns import KeysInUse, keys_in_use
from modelyard.domains.tracking.numbered import parents_of
from modelyard.domains.tracking.search.syntax import Entity, Field, OrderKey
from modelyard.domains.tracking.states import View
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web import snippets
from modelyard.entrypoints.web.candidate_lists import CANDIDATES, STATUS_NAMES
from modelyard.entrypoints.web.chrome import COOKIE_PREFIX, Link
from modelyard.entrypoints.web.experiment_pages import OpenedExperiment, open_experiment, shown_experiment
from modelyard.entrypoints.web.filter_problems import Problem, absence_of, problem_of
from modelyard.entrypoints.web.formatting import count, quantity
from modelyard.entrypoints.web.grid import (
    ATTRIBUTES,
    DELETION,
    MOST_COLUMNS,
    NAME,
    NEWEST,
    Column,
    GridMarkup,
    SortLink,
    columns_from,
    groups_of,
    order_from,
    order_text,
    wanted_for,
)
from modelyard.entrypoints.web.navigation import EXPERIMENTS, PROJECT_ROUTE, project_url
from modelyard.entrypoints.web.recollection import Recollection
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Paging, Visit, search_address
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid
from modelyard.platform.pagination import Page

PER_PAGE = 100
SAMPLED = 100
MOST_UNREMEMBERED = 30
REMEMBERED = f"{COOKIE_PREFIX}columns"
MOST_DEFAULTS = 4
USUAL = "usual"
MORE_COLUMNS = "more-columns"
AUTHOR = "attributes.author"
EXAMPLES = (
    ("metrics.val_auc > 0.9", "the last value of a metric"),
    ("metrics.val_auc = 0.7..0.8", "from one number to another, both included"),
    ("params.depth in ('6', '8')", "parameters are text"),
    ("params.model like 'xgb%' and not metrics.loss > 1", "beginnings, and the opposite"),
    ("tags.team = 'risk' or attributes.status = 'RUNNING'", "one or the other"),
    ("run_name ~ 'otter'", "part of a name, in any case"),
    ("created > -7d", "within the last week; also s, m, h and w"),
)
_columns: Recollection[list[Column]] = Recollection(lasts_s=30)
_VIEWS = {"": View.ACTIVE, "deleted": View.DELETED}
_FIRST = [Column(Entity.ATTRIBUTE, "status")]
_DELETION = [Column(Entity.ATTRIBUTE, name) for name in DELETION]
_LAST = [Column(Entity.ATTRIBUTE, name) for name in ("created", "duration", "author")]


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    read = needs(Ability.READ_TRACKING)
    url = f"{PROJECT_ROUTE}{EXPERIMENTS}/{{experiment:int}}/candidates"
    pages.get(url, read, show_candidates, is_heavy=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. `order` is what it names, `columns` the ones to show."""

    url: str
    query: str
    sort: str
    state: str
    cursor: str
    chosen: tuple[str, ...]
    order: OrderKey
    columns: list[Column]

    @property
    def shown(self) -> list[Column]:
        """The columns of the table: of deleted candidates it says first since when they are, and for how long."""
        return [*_DELETION, *self.columns] if self.state else self.columns

    def address(self, **changes: str) -> str:
        """The address of the same table with something changed; a change begins with the first page."""
        kept = {"q": self.query, "sort": self.sort, "cols": ",".join(self.chosen), "state": self.state}
        return search_address(self.url, **(kept | changes))

    def kept(self, *without: str) -> list[tuple[str, str]]:
        """The same as the hidden fields of a form."""
        kept = {"q": self.query, "sort": self.sort, "cols": ",".join(self.chosen), "state": self.state}
        return [(name, value) for name, value in kept.items() if value and name not in without]

    def candidates(self, experiment_iid: int) -> CandidateQuery:
        order, view = (order_text(self.order),), _VIEWS[self.state]
        return CandidateQuery((experiment_iid,), self.query, order, view, STATUS_NAMES)


def show_candidates(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_experiment(visit, session, actor, title="Candidates")
        asked = asked_for(visit, session, actor, opened)
        if visit.wants_region(MORE_COLUMNS):
            return _more_columns(visit, session, actor, opened, asked)
        grid = _grid(visit, session, actor, opened, asked)
    is_region = visit.wants_region("candidates")
    return visit.page(
        "experiments/_region.html" if is_region else "experiments/candidates.html",
        opened.where,
        status=422 if grid["problem"] else 200,
        project={"name": opened.project.name, "url": project_url(opened.project)},
        experiment=shown_experiment(opened),
        heading_facts=opened.facts(),
        experiment_tabs=opened.tabs("Candidates"),
        may=opened.may,
        grid=grid,
        snippet=snippets.log_candidate(visit.installation.settings.url, opened.project, opened.experiment.name),
    )


def asked_for(visit: Visit, session: Session, actor: Actor, opened: OpenedExperiment) -> Asked:
    state = visit.query("state")
    if state not in _VIEWS:
        raise Invalid("Candidates are active or deleted.")
    named = visit.request.query_params.getlist("cols") or [""]
    # Not even the remembered ones: a browser may still send the cookie that it is about to forget.
    columns = [] if named == [USUAL] else columns_from(named) or _remembered_columns(visit)
    sort = visit.query("sort")
    return Asked(
        url=f"{opened.url}/candidates",
        query=visit.query("q"),
        sort=sort,
        state=state,
        cursor=visit.query("cursor"),
        chosen=tuple(column.spelling for column in columns),
        order=order_from(sort) or _usual_order(opened),
        columns=columns or _usual_columns(session, actor, opened),
    )


def _remembered_columns(visit: Visit) -> list[Column]:
    """The columns last chosen in this browser for this experiment, whose address is the path of the cookie."""
    names = visit.request.cookies.get(REMEMBERED, "").split(",")
    try:
        return columns_from([unquote(name) for name in names[:MOST_COLUMNS]])
    except Invalid:
        return []


def _usual_order(opened: OpenedExperiment) -> OrderKey:
    metric = opened.experiment.primary_metric
    if metric is None:
        return NEWEST
    return OrderKey(Field(Entity.METRIC, metric), is_ascending=bool(opened.experiment.primary_metric_is_lower_better))


def _usual_columns(session: Session, actor: Actor, opened: OpenedExperiment) -> list[Column]:
    """The primary metric, the metrics that most of the newest candidates have, and the parameters that vary."""
    if opened.activity.candidates < MOST_UNREMEMBERED:
        return _sampled_columns(session, actor, opened)
    key = (opened.experiment.id, opened.experiment.primary_metric)
    return _columns.recall(key, lambda: _sampled_columns(session, actor, opened))


def _sampled_columns(session: Session, actor: Actor, opened: OpenedExperiment) -> list[Column]:
    query = CandidateQuery((opened.experiment.iid,))
    wanted = Wanted(tags=frozenset(), inputs_and_outputs=False)
    sample = search_candidates(session, actor, opened.project, query, max_results=SAMPLED, wanted=wanted).items
    primary = [opened.experiment.primary_metric] if opened.experiment.primary_metric else []
    metrics = list(dict.fromkeys([*primary, *_common_metrics(sample)]))[:MOST_DEFAULTS]
    return [
        *_FIRST,
        *(Column(Entity.METRIC, key) for key in metrics),
        *(Column(Entity.PARAMETER, key) for key in _varying_parameters(sample)),
        *_LAST,
    ]


def _common_metrics(sample: Sequence[CandidateRow]) -> list[str]:
    """Those with numbers of most candidates first, the system's own left out."""
    found = Counter(
        metric.key
        for row in sample
        for metric in row.metrics
        if isfinite(metric.value) and not metric.key.startswith("system/")
    )
    return sorted(found, key=lambda key: (-found[key], "/" in key, key.casefold()))


def _varying_parameters(sample: Sequence[CandidateRow]) -> list[str]:
    values: dict[str, set[str]] = {}
    used: Counter[str] = Counter()
    for row in sample:
        for key, value in row.parameters.items():
            values.setdefault(key, set()).add(value)
            used[key] += 1
    varying = [key for key, different in values.items() if len(different) > 1 or len(sample) == 1]
    return sorted(varying, key=lambda key: (-used[key], key))[:MOST_DEFAULTS]


def _grid(visit: Visit, session: Session, actor: Actor, opened: OpenedExperiment, asked: Asked) -> dict[str, object]:
    """What the table's template shows."""
    total = _total(session, actor, opened, asked)
    page, matches, problem = _found(session, actor, opened, asked, total)
    primary = opened.experiment.primary_metric
    markup = GridMarkup(
        f"{project_url(opened.project)}{CANDIDATES}",
        visit.assets.icon,
        f"metrics.{primary}" if primary else "",
        has_boxes=opened.may["write_candidates"],
        authors=authors_shown(session, actor, asked, page.items),
        parents=parents_of(session, actor, opened.project, page.items),
        deletion_days=visit.installation.settings.deletion_days,
    )
    return {
        "version": opened.version,
        "url": asked.url,
        "query": asked.query,
        "total": total,
        "match_count": matches,
        "problem": problem,
        "kept_fields": asked.kept("q"),
        "kept_without_columns": asked.kept("cols"),
        "shown_columns": [_option(column) for column in asked.columns],
        "more_columns_url": asked.address(),
        "reset_columns_url": asked.address(cols=USUAL),
        "states": _state_links(asked),
        "state": asked.state,
        "here_url": asked.address(),
        "shown_url": asked.address(**({"q": ""} if problem else {"cursor": asked.cursor})),
        "clear_url": asked.address(q=""),
        "csv_url": replace(asked, url=f"{opened.url}/candidates.csv", query="" if problem else asked.query).address(),
        "examples": EXAMPLES,
        "groups": groups_of(asked.shown),
        "columns": _heads(asked, sorts_by_author=knows_people(actor)),
        "rows_html": markup.rows(asked.shown, page.items),
        "page": Paging(
            asked.address() if asked.cursor and not problem else "",
            asked.address(cursor=page.next_cursor, **({"q": ""} if problem else {})) if page.next_cursor else "",
        ),
        "sentence": _sentence(len(page.items), matches, total, is_filtered=problem is None),
        "nothing_text": "" if page.items or problem else _nothing(session, actor, opened, asked, total),
    }


def _found(
    session: Session, actor: Actor, opened: OpenedExperiment, asked: Asked, total: int
) -> tuple[Page[CandidateRow], int, Problem | None]:
    """A page of what matches, how many do, and what is wrong with the filter; a wrong one filters nothing."""
    try:
        page = search_asked(session, actor, opened, asked, max_results=PER_PAGE, token=asked.cursor or None)
        if not asked.query:
            return page, total, None
        return page, count_candidates(session, actor, opened.project, asked.candidates(opened.experiment.iid)), None
    except Invalid as refused:
        if not asked.query:
            raise
        problem = problem_of(
            refused, asked.query, lambda: keys_in_use(session, actor, opened.project, opened.experiment.id)
        )
    unfiltered = replace(asked, query="", cursor="")
    return search_asked(session, actor, opened, unfiltered, max_results=PER_PAGE, token=None), total, problem


def search_asked(
    session: Session, actor: Actor, opened: OpenedExperiment, asked: Asked, *, max_results: int, token: str | None
) -> Page[CandidateRow]:
    query = asked.candidates(opened.experiment.iid)
    wanted = wanted_for(asked.columns)
    return search_candidates(session, actor, opened.project, query, max_results=max_results, token=token, wanted=wanted)


def authors_shown(
    session: Session, actor: Actor, asked: Asked, candidates: Sequence[CandidateRow]
) -> dict[int, Author]:
    """Who logged these candidates, if the table says so."""
    if all(column.name != AUTHOR for column in asked.columns):
        return {}
    return authors_of(session, actor, {row.creator_id for row in candidates if row.creator_id is not None})


def _total(session: Session, actor: Actor, opened: OpenedExperiment, asked: Asked) -> int:
    if not asked.state:
        return opened.activity.candidates
    everything = CandidateQuery((opened.experiment.iid,), view=_VIEWS[asked.state])
    return count_candidates(session, actor, opened.project, everything)


def _sentence(shown: int, matches: int, total: int, *, is_filtered: bool) -> str:
    """Honest counts: how much is on the page, how much there is."""
    if not is_filtered:
        return f"{count(shown)} shown, not filtered · {count(total)} total"
    return f"{count(shown)} shown · {quantity(matches, 'matches', 'match')} · {count(total)} total"


def _nothing(session: Session, actor: Actor, opened: OpenedExperiment, asked: Asked, total: int) -> str:
    """Why there is no row, or what to do."""
    if asked.query:
        keys = keys_in_use(session, actor, opened.project, opened.experiment.id)
        # The keys of parameters and tags are those of active candidates.
        hint = "" if asked.state else absence_of(asked.query, keys, total)
        none = f"None of the {count(total)} candidates matches this filter."
        return f"{none} {hint or 'Try one comparison less.'}"
    return "Deleted candidates can be restored from here." if asked.state else "It fills as scripts log."


def _state_links(asked: Asked) -> list[Link]:
    return [
        Link(label, asked.address(state=state), current=asked.state == state)
        for state, label in (("", "Active"), ("deleted", "Deleted"))
    ]


def _heads(asked: Asked, *, sorts_by_author: bool) -> list[dict[str, object]]:
    """The heads of the columns, the candidate's own first."""
    heads = [_head(asked, "name", "Candidate", NAME, "pin")]
    previous = Entity.ATTRIBUTE
    for column in asked.shown:
        classes = " ".join(
            [*(["num"] if column.is_number else []), *(["group-start"] if column.entity is not previous else [])]
        )
        previous = column.entity
        field = None if column.name == AUTHOR and not sorts_by_author else column.sorts_by
        heads.append(_head(asked, column.name, column.label, field, classes))
    return heads


def _head(asked: Asked, name: str, label: str, field: Field | None, classes: str) -> dict[str, object]:
    if field is None:
        return {"label": label, "classes": classes, "sort": None, "hint": name}
    is_sorted = asked.order.field == field
    ascends_first = field.entity is not Entity.METRIC and field != NEWEST.field
    turned = not asked.order.is_ascending if is_sorted else ascends_first
    direction = ("ascending" if asked.order.is_ascending else "descending") if is_sorted else ""
    link = SortLink(label, asked.address(sort=name if turned else f"-{name}"), direction)
    return {"label": label, "classes": classes, "sort": link, "hint": name}


def _more_columns(visit: Visit, session: Session, actor: Actor, opened: OpenedExperiment, asked: Asked) -> Response:
    """The columns that are not shown, fetched when the picker is opened."""
    keys = keys_in_use(session, actor, opened.project, opened.experiment.id)
    shown = {column.name for column in asked.columns}
    groups = [
        {"label": label, "columns": [_option(it) for it in columns if it.name not in shown]}
        for label, columns in _offered(keys)
    ]
    return visit.page(
        "experiments/_more_columns.html", opened.where, groups=[group for group in groups if group["columns"]]
    )


def _option(column: Column) -> dict[str, str]:
    """A column as the picker offers it."""
    return {"name": column.name, "spelling": column.spelling, "label": column.label}


def _offered(keys: KeysInUse) -> Iterator[tuple[str, list[Column]]]:
    yield "Metrics", [Column(Entity.METRIC, key) for key in keys.metrics]
    yield "Parameters", [Column(Entity.PARAMETER, key) for key in keys.parameters]
    yield "Tags", [Column(Entity.TAG, key) for key in keys.tags]
    yield "System", [Column(Entity.ATTRIBUTE, key) for key in ATTRIBUTES]

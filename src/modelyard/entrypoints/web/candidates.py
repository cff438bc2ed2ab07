"""One candidate: what went in, what came out, its curves, its name, and its deletion."""

from dataclasses import asdict, dataclass, replace
from math import isfinite
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.packages.registry import PackageFilter, search_packages
from modelyard.domains.tracking.artifacts import MODELS, candidate_package
from modelyard.domains.tracking.candidate_rows import CandidateRow, DatasetInput, LatestValue
from modelyard.domains.tracking.candidate_search import CandidateQuery, count_candidates
from modelyard.domains.tracking.candidates import (
    delete_candidate,
    get_candidate,
    rename_candidate,
    restore_candidate,
)
from modelyard.domains.tracking.curves import Curve, Extremes, curve_of, extremes_of
from modelyard.domains.tracking.locations import candidate_location
from modelyard.domains.tracking.numbered import PARENT_TAG, Parent, parents_of, read_numbered_candidate
from modelyard.domains.tracking.tables import Candidate
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web import snippets
from modelyard.entrypoints.web.candidate_lists import CANDIDATES
from modelyard.entrypoints.web.candidate_pages import HEADING, STATE, OpenedCandidate, open_candidate
from modelyard.entrypoints.web.chrome import FormState, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.formatting import count, exact, measure, quantity
from modelyard.entrypoints.web.navigation import EXPERIMENTS, PACKAGES, PROJECT_ROUTE, project_url
from modelyard.entrypoints.web.places import described
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import data_headers
from modelyard.entrypoints.web.visit import Visit, search_address
from modelyard.entrypoints.web.whole_numbers import MOST, whole_number
from modelyard.platform.clock import from_ms
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid

ROUTE = PROJECT_ROUTE + CANDIDATES + "/{candidate:int}"
NOTE_TAG = "mlflow.note.content"
SYSTEM = "mlflow."
MOST_TILES = 4
MOST_TAG = 500
MOST_OPEN = 24
USUAL_BUCKETS = 600
_SOURCES = (
    ("Source", "mlflow.source.name"),
    ("Branch", "mlflow.source.git.branch"),
    ("Commit", "mlflow.source.git.commit"),
    ("Repository", "mlflow.source.git.repoURL"),
)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric with its last value and its extremes."""

    name: str
    last: float
    last_step: int
    least: float | None
    greatest: float | None
    note: str
    series_url: str
    summary: str


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    read, write = needs(Ability.READ_TRACKING), needs(Ability.WRITE_TRACKING)
    pages.get(ROUTE, read, show_candidate)
    pages.get(ROUTE + "/performance", read, show_performance, is_heavy=True)
    pages.get(ROUTE + "/performance.json", read, send_curve, is_heavy=True)
    pages.get(ROUTE + "/edit", write, show_renaming)
    pages.post(ROUTE + "/edit", write, rename)
    pages.get(ROUTE + "/delete", write, show_deletion)
    pages.post(ROUTE + "/delete", write, remove)
    pages.post(ROUTE + "/restore", write, restore)


# Overview


def show_candidate(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_candidate(visit, session, actor)
        shown = _shown(session, actor, opened)
    template = "candidates/_renewed.html" if visit.wants_region("candidate") else "candidates/show.html"
    return visit.page(template, opened.where, candidate=shown, heading=opened.heading("Overview"))


def _shown(session: Session, actor: Actor, opened: OpenedCandidate) -> dict[str, object]:
    row = opened.row
    metrics = _metric_rows(session, actor, opened)
    parent = parents_of(session, actor, opened.project, [row]).get(row.id)
    return (
        opened.shown()
        | {
            "experiment_name": opened.experiment.name,
            "experiment_url": opened.experiment_url,
            "parent": _parent(opened, parent) if parent else None,
            "children_count": _children_count(session, actor, opened),
            "children_url": search_address(f"{opened.experiment_url}/candidates", q=_children_filter(row)),
            "run_id": row.run_id,
            "author": opened.author,
            "claim": opened.claim,
            "created_at": from_ms(row.start_ms),
            "ended_at": from_ms(row.end_ms) if row.end_ms is not None else None,
            "duration": opened.elapsed,
            "source": _source(row),
            "datasets": [_dataset(dataset) for dataset in row.dataset_inputs],
            "models": _models(opened),
            "size_bytes": opened.size_bytes,
            "file_count": opened.file_count,
            "artifact_uri": candidate_location(row.experiment_iid, row.run_id),
            "description_html": described(row.tags.get(NOTE_TAG, "")),
            "parameters": sorted(row.parameters.items()),
            "metrics": metrics,
            "tiles": _tiles(metrics, opened.experiment.primary_metric),
            "tags": [pair for pair in sorted(row.tags.items()) if not pair[0].startswith(SYSTEM)],
            "system_tags": [
                pair for pair in sorted(row.tags.items()) if pair[0].startswith(SYSTEM) and len(pair[1]) <= MOST_TAG
            ],
        }
        | _package(session, actor, opened)
    )


def _package(session: Session, actor: Actor, opened: OpenedCandidate) -> dict[str, object]:
    """The package of its files, for those who may see packages."""
    name = candidate_package(opened.row.iid).name
    found = []
    if Ability.READ_PACKAGES in opened.standing.abilities and opened.file_count:
        wanted = PackageFilter(search=name)
        found = [it for it in search_packages(session, actor, opened.project, wanted)[0] if it.name == name]
    url = f"{project_url(opened.project)}{PACKAGES}/{found[0].id}" if found else ""
    return {"package_name": name, "package_url": url}


def _models(opened: OpenedCandidate) -> list[dict[str, str]]:
    """The logged models that came out of it; those with files are opened there."""
    folders = {folder.model_id: folder for folder in opened.models}
    numbered = enumerate((output.model_id for output in opened.row.model_outputs), start=1)
    return [
        {
            "model_id": model_id,
            "name": folders[model_id].name if model_id in folders else f"Model {number}",
            "url": f"{opened.url}/artifacts/{MODELS}/{model_id}" if model_id in folders else "",
        }
        for number, model_id in numbered
    ]


def _children_filter(row: CandidateRow) -> str:
    """What finds the candidates that are nested in this one."""
    return f"tags.`{PARENT_TAG}` = '{row.run_id}'"


def _children_count(session: Session, actor: Actor, opened: OpenedCandidate) -> int:
    query = CandidateQuery((opened.row.experiment_iid,), filter=_children_filter(opened.row))
    return count_candidates(session, actor, opened.project, query)


def _parent(opened: OpenedCandidate, parent: Parent) -> dict[str, str | bool]:
    url = f"{project_url(opened.project)}{CANDIDATES}/{parent.iid}"
    return {"url": url, "label": f"Candidate {parent.iid}", "name": parent.name, "is_deleted": parent.is_deleted}


def _source(row: CandidateRow) -> list[tuple[str, str, str]]:
    """Where the code came from: name, value, and an address if it is one."""
    known = [(label, row.tags[tag]) for label, tag in _SOURCES if row.tags.get(tag)]
    return [(label, value, value if value.startswith(("https://", "http://")) else "") for label, value in known]


def _dataset(dataset: DatasetInput) -> dict[str, str]:
    profile = dataset.profile or ""
    try:
        facts = msgspec.json.decode(profile) if profile else {}
    except msgspec.DecodeError:
        facts = {}
    rows = facts.get("num_rows") if isinstance(facts, dict) else None
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "context": dataset.tags.get("mlflow.data.context", ""),
        "shape": f"{count(rows)} rows" if isinstance(rows, int) else "",
    }


# Metrics


def _metric_rows(session: Session, actor: Actor, opened: OpenedCandidate) -> list[MetricRow]:
    """Every metric by name, the system's own last."""
    extremes = extremes_of(session, actor, opened.project, opened.row.id)
    ordered = sorted(opened.row.metrics, key=lambda metric: (metric.key.startswith("system/"), metric.key))
    nothing = Extremes(None, None)
    return [_metric_row(opened, metric, extremes.get(metric.key, nothing)) for metric in ordered]


def _metric_row(opened: OpenedCandidate, metric: LatestValue, extremes: Extremes) -> MetricRow:
    between = f"{measure(extremes.least)} to {measure(extremes.greatest)}"
    at = f"step {count(metric.step)}"
    return MetricRow(
        name=metric.key,
        last=metric.value,
        last_step=metric.step,
        least=extremes.least,
        greatest=extremes.greatest,
        note=f"{at} · {between}" if extremes.least != extremes.greatest else at,
        series_url=f"{opened.url}/performance.json?metric={quote(metric.key, safe='')}",
        summary=_summary(opened.row, metric, extremes),
    )


def _summary(row: CandidateRow, metric: LatestValue, extremes: Extremes) -> str:
    """A curve in words."""
    between = f"{measure(extremes.least)} to {measure(extremes.greatest)}"
    return f"{metric.key} of candidate {row.iid}: {measure(metric.value)} at step {count(metric.step)}, {between}."


def _tiles(metrics: list[MetricRow], primary: str | None) -> list[MetricRow]:
    """The primary metric, then the first of the others: finite ones, and those without a group, before the rest."""
    own = [metric for metric in metrics if not metric.name.startswith("system/")]
    return sorted(own, key=lambda it: (it.name != primary, not isfinite(it.last), "/" in it.name))[:MOST_TILES]


def show_performance(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_candidate(visit, session, actor, title="Performance", wanted=HEADING)
        is_region, metric_count = visit.wants_region("candidate-heading"), len(opened.row.metrics)
        has_others = not is_region or visit.query("metrics") != str(metric_count)
        metrics = _metric_rows(session, actor, opened) if has_others else []
    return visit.page(
        "candidates/_performance.html" if is_region else "candidates/performance.html",
        opened.where,
        metric_count=metric_count,
        has_others=has_others,
        groups=_groups(metrics),
        snippet=snippets.log_metric(opened.row.run_id),
        candidate=opened.shown(),
        heading=opened.heading("Performance"),
    )


def _groups(metrics: list[MetricRow]) -> list[dict[str, object]]:
    """Metrics by what stands before the first slash. Closed groups draw nothing until they are opened."""
    groups: dict[str, list[MetricRow]] = {}
    for metric in metrics:
        prefix, slash, _ = metric.name.partition("/")
        groups.setdefault(prefix if slash else "", []).append(metric)
    named = sorted(groups.items(), key=lambda group: (group[0] == "system", group[0]))
    shown, described_groups = 0, []
    for name, members in named:
        is_open = name != "system" and (shown == 0 or shown + len(members) <= MOST_OPEN)
        shown += len(members) if is_open else 0
        described_groups.append({"name": name or "Metrics", "is_open": is_open, "metrics": members})
    return described_groups


def send_curve(visit: Visit) -> Response:
    """One metric as columns, reduced for the range that is visible, and its last value as a card shows it."""
    key = visit.query("metric")
    wanted = replace(STATE, metrics=frozenset({key}))
    with visit.read() as (session, actor):
        project = get_project(session, actor, visit.variable("project"))
        row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=wanted)
        curve = curve_of(
            session,
            actor,
            project,
            row.id,
            key,
            most_buckets=_whole(visit, "buckets", USUAL_BUCKETS, least=0),
            first_step=_whole(visit, "from", -MOST),
            last_step=_whole(visit, "to", MOST),
        )
    found = asdict(curve) | {"latest": _latest(row, curve)}
    return Response(msgspec.json.encode(found), media_type="application/json", headers=data_headers())


def _latest(row: CandidateRow, curve: Curve) -> dict[str, str] | None:
    """The last value of the one metric that was read with the candidate, if it was logged."""
    if not row.metrics:
        return None
    metric = row.metrics[0]
    least = min((value for value in curve.min if value is not None), default=None)
    greatest = max((value for value in curve.max if value is not None), default=None)
    summary = _summary(row, metric, Extremes(least, greatest))
    return {"text": measure(metric.value), "exact": exact(metric.value), "summary": summary}


def _whole(visit: Visit, name: str, usual: int, *, least: int = -MOST) -> int:
    """A whole number of the query, not less than `least`.

    Raises:
        Invalid
    """
    text = visit.query(name)
    if not text:
        return usual
    return whole_number(text, f"{name} is a whole number from {least} to {MOST}, not {text[:40]}.", least=least)


# Renaming


def show_renaming(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_candidate(visit, session, actor, Ability.WRITE_TRACKING, title="Rename", wanted=HEADING)
    return _renaming_page(visit, opened, FormState({"name": opened.row.name}))


def rename(visit: Visit) -> Response:
    try:
        with visit.write(changes_access=False) as (session, actor):
            candidate, base, _ = _candidate(visit, session, actor)
            rename_candidate(session, actor, candidate, visit.field("name"))
    except Invalid as refused:
        with visit.read() as (session, actor):
            opened = open_candidate(visit, session, actor, Ability.WRITE_TRACKING, title="Rename", wanted=HEADING)
        return _renaming_page(visit, opened, FormState(visit.fields(), {"name": refused.message}), status_of(refused))
    return visit.go(f"{base}{CANDIDATES}/{candidate.iid}", Toast(f"Candidate {candidate.iid} is now {candidate.name}."))


def _renaming_page(visit: Visit, opened: OpenedCandidate, form: FormState, status: int = 200) -> Response:
    name = f"candidate {opened.row.iid}"
    return visit.task(
        "candidates/rename.html",
        opened.where,
        status=status,
        heading=f"Rename {name}",
        action=f"{opened.url}/edit",
        form_state=form,
        submit_label=f"Rename {name}",
        cancel_url=opened.url,
    )


# Deleting


def show_deletion(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened = open_candidate(visit, session, actor, Ability.WRITE_TRACKING, title="Delete", wanted=HEADING)
        children = _children_count(session, actor, opened)
    days = visit.installation.settings.deletion_days
    name = f"candidate {opened.row.iid}"
    return visit.task(
        "layouts/confirm.html",
        opened.where,
        heading=f"Delete {name} — {opened.row.name}",
        action=f"{opened.url}/delete",
        form_state=FormState(),
        sentences=[
            "Its metrics, parameters and files go with it.",
            *(
                [f"{quantity(children, 'nested candidate')} of it {'stays' if children == 1 else 'stay'}."]
                if children
                else []
            ),
            f"It can be restored for {days} days.",
        ],
        phrase="",
        submit_label=f"Delete {name}",
        cancel_url=opened.url,
    )


def remove(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        candidate, base, experiment_iid = _candidate(visit, session, actor)
        delete_candidate(session, actor, candidate)
    toast = Toast(
        f"Candidate {candidate.iid} deleted. Restorable for {visit.installation.settings.deletion_days} days.",
        undo_label=f"Restore candidate {candidate.iid}",
        undo_url=f"{base}{CANDIDATES}/{candidate.iid}/restore",
    )
    return visit.go(f"{base}{EXPERIMENTS}/{experiment_iid}/candidates", toast)


def restore(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        candidate, base, _ = _candidate(visit, session, actor)
        restore_candidate(session, actor, candidate)
    return visit.go(f"{base}{CANDIDATES}/{candidate.iid}", Toast(f"Candidate {candidate.iid} restored."))


def _candidate(visit: Visit, session: Session, actor: Actor) -> tuple[Candidate, str, int]:
    """The row to be changed, its project's address and its experiment's number."""
    project = get_project(session, actor, visit.variable("project"))
    row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=HEADING)
    return get_candidate(session, actor, project, row.run_id), project_url(project), row.experiment_iid

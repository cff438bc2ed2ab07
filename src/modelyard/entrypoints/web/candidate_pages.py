"""What the pages of one candidate have in common: its heading, tabs, neighbours and state."""

from dataclasses import dataclass, replace

from markupsafe import Markup

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.authors import Author, authors_of
from modelyard.domains.namespaces.access import Ability, Standing, check
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.artifacts import ArtifactPath, ModelFolder, list_artifacts, model_folders
from modelyard.domains.tracking.candidate_rows import EVERYTHING, CandidateRow, Wanted
from modelyard.domains.tracking.experiment_search import ExperimentRow, read_experiment
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.news import version_of_candidate
from modelyard.domains.tracking.numbered import neighbours_of, read_numbered_candidate
from modelyard.entrypoints.web.candidate_lists import CANDIDATES, STATUS_WORDS, claim_of
from modelyard.entrypoints.web.chrome import Link
from modelyard.entrypoints.web.deletions import Deletion, deletion_of
from modelyard.entrypoints.web.experiment_pages import CURRENT, abilities
from modelyard.entrypoints.web.formatting import duration, relative
from modelyard.entrypoints.web.navigation import EXPERIMENTS, in_project, project_url
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.clock import from_ms, now_ms
from modelyard.platform.database import Session

ALIVE = frozenset({Status.RUNNING, Status.SCHEDULED})
# The candidate itself, and nothing that was logged to it.
STATE = Wanted(metrics=frozenset(), parameters=frozenset(), tags=frozenset(), inputs_and_outputs=False)
# Enough for the heading and the tabs, which count the metrics: their last values are read for it.
HEADING = replace(STATE, metrics=None)


@dataclass(frozen=True, slots=True)
class OpenedCandidate:
    """The candidate that an address names, and what the actor may do in its project."""

    project: Project
    experiment: ExperimentRow
    row: CandidateRow
    where: Where
    standing: Standing
    neighbours: dict[str, str]
    version: str
    author: Author | None
    deletion: Deletion | None
    models: list[ModelFolder]
    size_bytes: int
    file_count: int

    @property
    def url(self) -> str:
        return f"{project_url(self.project)}{CANDIDATES}/{self.row.iid}"

    @property
    def experiment_url(self) -> str:
        return f"{project_url(self.project)}{EXPERIMENTS}/{self.experiment.iid}"

    @property
    def is_live(self) -> bool:
        return Status(self.row.status) in ALIVE

    @property
    def elapsed(self) -> str:
        """How long it took, or has taken so far."""
        return duration(((self.row.end_ms or now_ms()) - self.row.start_ms) / 1000)

    @property
    def claim(self) -> str:
        """The user that the client said it was, in words, if that says more than the author."""
        return claim_of(self.author, self.row.source_user)

    def heading(self, current: str) -> dict[str, object]:
        """What the heading's template needs, on any tab."""
        return {
            "facts": self._facts(),
            "tabs": self._tabs(current),
            "neighbours": self.neighbours,
            "may": abilities(self.standing),
        }

    def shown(self) -> dict[str, object]:
        """The candidate as its heading shows it."""
        return {
            "iid": self.row.iid,
            "name": self.row.name,
            "status": STATUS_WORDS[Status(self.row.status)],
            "is_deleted": self.deletion is not None,
            "is_live": self.is_live,
            "url": self.url,
            "version": self.version,
        }

    def _facts(self) -> list[str | Markup]:
        experiment = Markup('in <a href="{}/candidates">{}</a>').format(self.experiment_url, self.experiment.name)
        facts: list[str | Markup] = [experiment]
        said_by = f"by {self.author.name}" if self.author else self.claim
        if said_by:
            facts.append(said_by)
        facts.append(f"started {relative(from_ms(self.row.start_ms))}")
        facts.append(
            f"{self.elapsed} so far" if self.is_live else f"took {self.elapsed}" if self.row.end_ms else "no end"
        )
        if self.deletion is not None:
            facts.append(self.deletion.sentence)
        return facts

    def _tabs(self, current: str) -> list[Link]:
        tabs = (
            ("Overview", self.url, None),
            ("Performance", f"{self.url}/performance", len(self.row.metrics)),
            ("Artifacts", f"{self.url}/artifacts", self.file_count),
        )
        return [Link(label, url, count=number, current=label == current) for label, url, number in tabs]


def open_candidate(
    visit: Visit,
    session: Session,
    actor: Actor,
    ability: Ability = Ability.READ_TRACKING,
    *,
    title: str = "",
    wanted: Wanted = EVERYTHING,
) -> OpenedCandidate:
    """The candidate in a route's `{project}` and `{candidate}`, deleted or not, for somebody with `ability` there.

    Raises:
        NotFound, Forbidden
    """
    project = get_project(session, actor, visit.variable("project"))
    row = read_numbered_candidate(session, actor, project, visit.number("candidate"), wanted=wanted)
    experiment = read_experiment(session, actor, project, row.experiment_iid)
    files = list_artifacts(session, actor, project, ArtifactPath(run_id=row.run_id)).entries
    models = model_folders(session, actor, project, row.run_id)
    base = project_url(project)
    name = f"Candidate {row.iid}"
    way = (
        Link("Experiments", base + EXPERIMENTS),
        Link(experiment.name, f"{base}{EXPERIMENTS}/{experiment.iid}/candidates"),
        Link(name, f"{base}{CANDIDATES}/{row.iid}"),
    )
    running = "▶ " if Status(row.status) is Status.RUNNING else ""
    titles = (*((title,) if title else ()), f"{running}{name} — {row.name}", experiment.name)
    where, found = in_project(session, actor, project, CURRENT, title=titles, way=way)
    check(found, ability)
    beside = neighbours_of(session, actor, project, row)
    is_live = Status(row.status) in ALIVE
    return OpenedCandidate(
        project,
        experiment,
        row,
        where,
        found,
        {
            "previous_url": f"{base}{CANDIDATES}/{beside.previous_iid}" if beside.previous_iid is not None else "",
            "next_url": f"{base}{CANDIDATES}/{beside.next_iid}" if beside.next_iid is not None else "",
        },
        version_of_candidate(session, actor, project, row.id) if is_live else "",
        authors_of(session, actor, {row.creator_id}).get(row.creator_id) if row.creator_id is not None else None,
        deletion_of(row.deleted_ms, visit.installation.settings.deletion_days),
        models,
        sum(entry.size_bytes for entry in files) + sum(model.size_bytes for model in models),
        sum(entry.files for entry in files) + sum(model.files for model in models),
    )

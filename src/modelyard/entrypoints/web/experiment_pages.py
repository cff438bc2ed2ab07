"""What the pages of one experiment have in common: its heading, tabs and state."""

from dataclasses import dataclass

from markupsafe import Markup

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, Standing, check
from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.experiment_search import Activity, ExperimentRow, activity_of, read_experiment
from modelyard.domains.tracking.news import Version, version_of_experiment
from modelyard.entrypoints.web.chrome import Link
from modelyard.entrypoints.web.deletions import Deletion, deletion_of
from modelyard.entrypoints.web.formatting import count, relative
from modelyard.entrypoints.web.navigation import EXPERIMENTS, in_project, project_url
from modelyard.entrypoints.web.recollection import Recollection
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.clock import from_ms, now_ms
from modelyard.platform.database import Session

CURRENT = "Experiments"
AT_REST_MS = 3_000

_activities: Recollection[Activity] = Recollection(lasts_s=30)


@dataclass(frozen=True, slots=True)
class OpenedExperiment:
    """The experiment that an address names, and what the actor may do in its project."""

    project: Project
    experiment: ExperimentRow
    version: Version
    activity: Activity
    where: Where
    standing: Standing
    deletion: Deletion | None

    @property
    def list_url(self) -> str:
        return project_url(self.project) + EXPERIMENTS

    @property
    def url(self) -> str:
        return f"{self.list_url}/{self.experiment.iid}"

    @property
    def state(self) -> str:
        return state_of(self.experiment)

    @property
    def may(self) -> dict[str, bool]:
        return abilities(self.standing)

    def tabs(self, current: str) -> list[Link]:
        candidates = Link("Candidates", f"{self.url}/candidates", count=self.activity.candidates)
        return [_marked(link, current) for link in (Link("Overview", self.url), candidates)]

    def facts(self) -> list[str | Markup]:
        """The line below the heading."""
        if self.deletion is not None:
            return [self.deletion.sentence]
        activity, metric = self.activity, self.experiment.primary_metric
        plural = "" if activity.candidates == 1 else "s"
        facts: list[str | Markup] = [f"{count(activity.candidates)} candidate{plural}"]
        if activity.running:
            facts.append(f"{count(activity.running)} running")
        if metric:
            better = "lower" if self.experiment.primary_metric_is_lower_better else "higher"
            facts.append(Markup("primary metric <code>{}</code>, {} is better").format(metric, better))
        if activity.last_ms is not None:
            facts.append(f"last activity {relative(from_ms(activity.last_ms))}")
        return facts


def state_of(experiment: ExperimentRow) -> str:
    if experiment.deleted_ms is not None:
        return "deleted"
    return "archived" if experiment.archived_ms is not None else "active"


def abilities(standing: Standing) -> dict[str, bool]:
    """What the templates of tracking ask about."""
    writes = Ability.WRITE_TRACKING in standing.abilities
    return {
        "write_experiments": writes,
        "write_candidates": writes,
        "create_token": Ability.ADMIN_TOKENS in standing.abilities,
    }


def open_experiment(
    visit: Visit, session: Session, actor: Actor, ability: Ability = Ability.READ_TRACKING, *, title: str = ""
) -> OpenedExperiment:
    """The experiment in a route's `{project}` and `{experiment}`, deleted or not, for somebody with `ability` there.

    Raises:
        NotFound, Forbidden
    """
    project = get_project(session, actor, visit.variable("project"))
    experiment = read_experiment(session, actor, project, visit.number("experiment"))
    version = version_of_experiment(session, actor, project, experiment.id)
    activity = _activity(session, actor, project, experiment, version)
    list_url = project_url(project) + EXPERIMENTS
    titles = (title, experiment.name) if title else (experiment.name,)
    way = (Link("Experiments", list_url), Link(experiment.name, f"{list_url}/{experiment.iid}/candidates"))
    where, found = in_project(session, actor, project, CURRENT, title=titles, way=way)
    check(found, ability)
    deletion = deletion_of(experiment.deleted_ms, visit.installation.settings.deletion_days)
    return OpenedExperiment(project, experiment, version, activity, where, found, deletion)


def _activity(
    session: Session, actor: Actor, project: Project, experiment: ExperimentRow, version: Version
) -> Activity:
    """The counts of an experiment; of one at rest they are known from the last time."""

    def find() -> Activity:
        return activity_of(session, actor, project, [experiment.iid])[experiment.iid]

    is_at_rest = version.changed_ms < now_ms() - AT_REST_MS
    return _activities.recall((experiment.id, version.of_rows), find) if is_at_rest else find()


def shown_experiment(opened: OpenedExperiment) -> dict[str, object]:
    """What the heading of an experiment's pages needs."""
    return {
        "name": opened.experiment.name,
        "iid": opened.experiment.iid,
        "url": opened.url,
        "state": opened.state,
        "is_deleted": opened.state == "deleted",
    }


def _marked(link: Link, current: str) -> Link:
    return Link(link.label, link.url, count=link.count, current=link.label == current)

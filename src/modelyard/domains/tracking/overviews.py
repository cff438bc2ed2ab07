"""Candidates across experiments and projects, for overviews: the newest ones, and how many there are."""

from dataclasses import dataclass

from sqlalchemy import case, func, select, union_all
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, Role, projects_with, require, visible_projects
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.tables import Candidate, Experiment

MOST_RECENT = 6
MOST_PROJECTS = 20


@dataclass(frozen=True)
class RecentCandidate:
    """A candidate with the names of what it lies in. `status` is the number of a `Status`."""

    iid: int
    name: str
    status: int
    start_ms: int
    experiment_iid: int
    experiment_name: str
    project_path: str


@dataclass(frozen=True)
class ProjectTotals:
    """What a project holds, deleted things left out."""

    experiments: int
    candidates: int
    running: int


def recent_candidates(
    session: Session, actor: Actor, project: Project | None = None, *, experiment_id: int | None = None
) -> list[RecentCandidate]:
    """The newest candidates of one project, or one experiment of it, else of all projects that the actor belongs to.

    Raises:
        Forbidden, NotFound: of the project.
    """
    if project is not None:
        require(session, actor, Ability.READ_TRACKING, project)
        ids = [project.id]
    else:
        ids = _own_projects(session, actor)
    if not ids:
        return []
    within = [] if experiment_id is None else [Candidate.experiment_id == experiment_id]
    # The indexes that there are: by number in a project, by start in an experiment.
    by_start = [Candidate.start_ms.desc(), Candidate.run_id.desc()]
    newest_first = [Candidate.iid.desc()] if experiment_id is None else by_start
    # One short walk down the index of each project, instead of a sort of all their candidates.
    newest = [
        select(
            select(Candidate.id, Candidate.start_ms)
            .where(Candidate.project_id == id_, Candidate.deleted_ms.is_(None), *within)
            .order_by(*newest_first)
            .limit(MOST_RECENT)
            .subquery()
        )
        for id_ in ids
    ]
    candidates = union_all(*newest).subquery()
    rows = session.execute(
        select(
            Candidate.iid,
            Candidate.name,
            Candidate.status,
            Candidate.start_ms,
            Experiment.iid,
            Experiment.name,
            Project.full_path,
        )
        .join(candidates, candidates.c.id == Candidate.id)
        .join(Experiment, Experiment.id == Candidate.experiment_id)
        .join(Project, Project.id == Candidate.project_id)
        .order_by(Candidate.start_ms.desc(), Candidate.id.desc())
        .limit(MOST_RECENT)
    )
    return [RecentCandidate(*row) for row in rows]


def _own_projects(session: Session, actor: Actor) -> list[int]:
    """The projects that the actor belongs to and whose candidates they may see, those first that got one last.

    An administrator belongs everywhere. Deleted ones count, so that finding the newest is one step in an index.
    """
    chosen = visible_projects(actor).where(Project.model_experiments_access_level != "disabled")
    if not actor.is_administrator:
        chosen = chosen.where(projects_with(actor, Role.GUEST))
    newest = (
        select(Candidate.id)
        .where(Candidate.project_id == Project.id)
        .order_by(Candidate.iid.desc())
        .limit(1)
        .scalar_subquery()
    )
    ordered = chosen.with_only_columns(Project.id).order_by(newest.desc().nulls_last(), Project.id.desc())
    return list(session.scalars(ordered.limit(MOST_PROJECTS)))


def totals_of(session: Session, actor: Actor, project: Project) -> ProjectTotals:
    """How many experiments and candidates a project has.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    experiments = select(func.count()).where(Experiment.project_id == project.id, Experiment.deleted_at.is_(None))
    is_running = func.sum(case((Candidate.status == Status.RUNNING, 1), else_=0))
    candidates, running = session.execute(
        select(func.count(), is_running).where(Candidate.project_id == project.id, Candidate.deleted_ms.is_(None))
    ).one()
    return ProjectTotals(session.scalar(experiments) or 0, candidates, running or 0)


def statuses_of(session: Session, actor: Actor, project: Project, experiment_id: int) -> list[tuple[Status, int]]:
    """How many candidates of an experiment of the project are in which state, deleted ones left out.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    rows = session.execute(
        select(Candidate.status, func.count())
        .where(
            Candidate.project_id == project.id,
            Candidate.experiment_id == experiment_id,
            Candidate.deleted_ms.is_(None),
        )
        .group_by(Candidate.status)
        .order_by(Candidate.status)
    )
    return [(Status(status), number) for status, number in rows]

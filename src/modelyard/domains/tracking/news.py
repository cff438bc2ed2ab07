"""What has changed since somebody looked: cheap enough to be asked every second."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.platform.errors import NotFound
from modelyard.platform.raw import read_rows

MOST_COUNTED = 1_000


@dataclass(frozen=True)
class News:
    """How many candidates came and how many changed; `version` is what to ask with next time."""

    version: int
    created: int = 0
    changed: int = 0


def version_of_experiment(session: Session, actor: Actor, project: Project, experiment_id: int) -> int:
    """A number that grows whenever a candidate of the experiment comes, changes its state or goes.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    rows = read_rows(session, "SELECT max(updated_ms) FROM candidates WHERE experiment_id = ?", (experiment_id,))
    return int(rows[0][0] or 0)


def news_of_experiment(session: Session, actor: Actor, project: Project, experiment_iid: int, since: int) -> News:
    """What happened in an experiment after the version `since`, counted to a thousand.

    Raises:
        Forbidden, NotFound: of the project; there is no such experiment.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    numbers = read_rows(
        session, "SELECT id FROM experiments WHERE project_id = ? AND iid = ?", (project.id, experiment_iid)
    )
    if not numbers:
        raise NotFound("There is no such experiment.")
    rows = read_rows(
        session,
        "SELECT updated_ms, created_ms FROM candidates WHERE experiment_id = ? AND updated_ms > ?"
        " ORDER BY updated_ms LIMIT ?",
        (int(numbers[0][0] or 0), since, MOST_COUNTED),
    )
    if not rows:
        return News(since)
    created = sum(int(created_ms or 0) > since for _, created_ms in rows)
    return News(int(rows[-1][0] or 0), created, len(rows) - created)


def version_of_candidate(session: Session, actor: Actor, project: Project, candidate_id: int) -> str:
    """A text that differs whenever something was logged to the candidate, or its state changed.

    Raises:
        Forbidden, NotFound: of the project; there is no such candidate in it.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    rows = read_rows(
        session,
        "SELECT c.updated_ms, (SELECT count(*) FROM candidate_parameters p WHERE p.candidate_id = c.id),"
        " (SELECT count(*) FROM candidate_tags t WHERE t.candidate_id = c.id), m.metrics, m.step, m.newest_ms,"
        " (SELECT max(s.id) FROM metric_segments s WHERE s.candidate_id = c.id)"
        " FROM candidates c, (SELECT count(*) AS metrics, max(step) AS step, max(timestamp_ms) AS newest_ms"
        " FROM latest_metrics WHERE candidate_id = ?) m WHERE c.id = ? AND c.project_id = ?",
        (candidate_id, candidate_id, project.id),
    )
    if not rows:
        raise NotFound("There is no such candidate.")
    return "-".join(str(part if part is not None else "") for part in rows[0])

"""What has changed since somebody looked: cheap enough to be asked every second.

Changes of candidates are told by the time they carry. That time is taken before the commit, so that one may come after
another that is newer: what was changed in the last seconds before the newest change is therefore counted too, to a
thousand. Metrics change nothing in their candidate's row: the numbers of the newest segments are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.hot.operations import Status
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.raw import read_rows

MOST_COUNTED = 1_000
# A change that commits later than this after a newer one is told with the next one.
LATE_MS = 10_000
# Of so many of the newest candidates, those that run are asked for their metrics.
MOST_FOLLOWED = 100
_MOST_TEXT = 120


class Version(NamedTuple):
    """What an experiment is told from its earlier states by; equal ones mean that nothing is new."""

    changed_ms: int
    late: int = 0
    late_ms: int = 0
    segment: int = 0
    segments_ms: int = 0

    def __str__(self) -> str:
        return "-".join(map(str, self))

    @property
    def of_rows(self) -> tuple[int, int, int]:
        """The part that metrics do not change."""
        return self.changed_ms, self.late, self.late_ms


@dataclass(frozen=True)
class News:
    """How many candidates came and how many changed; `version` is what to ask with next time."""

    version: Version
    created: int = 0
    changed: int = 0


def version_from(text: str) -> Version:
    """The version that a page was given as text.

    Raises:
        Invalid: it is none.
    """
    parts = text.split("-") if len(text) <= _MOST_TEXT else []
    if len(parts) != len(Version._fields) or not all(part.isascii() and part.isdecimal() for part in parts):
        raise Invalid("since is the version that the page was given.")
    return Version(*map(int, parts))


def version_of_experiment(session: Session, actor: Actor, project: Project, experiment_id: int) -> Version:
    """Another one whenever a candidate of the experiment comes, changes or goes, or one that runs logs something.

    It is another one, too, when metrics of a running candidate are folded. Metrics are followed of those that run among
    the newest hundred candidates.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    newest = read_rows(session, "SELECT max(updated_ms) FROM candidates WHERE experiment_id = ?", (experiment_id,))
    changed_ms = int(newest[0][0] or 0)
    since_ms = changed_ms - LATE_MS
    late = read_rows(
        session,
        "SELECT count(*), sum(l.updated_ms) FROM (SELECT updated_ms FROM candidates"
        " WHERE experiment_id = ? AND updated_ms > ? ORDER BY updated_ms DESC LIMIT ?) l",
        (experiment_id, since_ms, MOST_COUNTED),
    )
    segments = read_rows(
        session,
        "SELECT max(s.newest), sum(s.newest / 1000000) FROM ("
        " SELECT (SELECT max(m.id) FROM metric_segments m WHERE m.candidate_id = c.id) AS newest FROM ("
        " SELECT id, status FROM candidates WHERE experiment_id = ? ORDER BY start_ms DESC LIMIT ?"
        ") c WHERE c.status IN (?, ?)) s",
        (experiment_id, MOST_FOLLOWED, int(Status.RUNNING), int(Status.SCHEDULED)),
    )
    return Version(changed_ms, *(int(part or 0) for part in (*late[0], *segments[0])))


def news_of_experiment(session: Session, actor: Actor, project: Project, experiment_iid: int, since: Version) -> News:
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
    experiment_id = int(numbers[0][0] or 0)
    version = version_of_experiment(session, actor, project, experiment_id)
    if version == since:
        return News(since)
    rows = read_rows(
        session,
        "SELECT created_ms FROM candidates WHERE experiment_id = ? AND updated_ms > ? ORDER BY updated_ms LIMIT ?",
        (experiment_id, since.changed_ms, MOST_COUNTED),
    )
    created = sum(int(created_ms or 0) > since.changed_ms for (created_ms,) in rows)
    # What came late, and metrics, are in none of these rows.
    return News(version, created, len(rows) - created or int(not created))


def version_of_project(session: Session, actor: Actor, project: Project) -> str:
    """Another text whenever an experiment or a candidate comes, or one of the newest candidates starts, ends or goes.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    rows = read_rows(
        session,
        "SELECT (SELECT max(iid) FROM experiments WHERE project_id = ?), max(n.iid),"
        " sum(CASE WHEN n.deleted_ms IS NULL THEN 1 ELSE 0 END),"
        " sum(CASE WHEN n.deleted_ms IS NULL AND n.status = ? THEN 1 ELSE 0 END)"
        " FROM (SELECT iid, status, deleted_ms FROM candidates WHERE project_id = ? ORDER BY iid DESC LIMIT ?) n",
        (project.id, int(Status.RUNNING), project.id, MOST_FOLLOWED),
    )
    return _text(rows[0])


def version_of_candidate(session: Session, actor: Actor, project: Project, candidate_id: int) -> str:
    """Another text whenever something was logged to the candidate, or it changed; also when its metrics are folded.

    Raises:
        Forbidden, NotFound: of the project; there is no such candidate in it.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    rows = read_rows(
        session,
        "SELECT c.updated_ms, m.metrics, m.step, m.newest_ms,"
        " (SELECT max(s.id) FROM metric_segments s WHERE s.candidate_id = c.id)"
        " FROM candidates c, (SELECT count(*) AS metrics, max(step) AS step, max(timestamp_ms) AS newest_ms"
        " FROM latest_metrics WHERE candidate_id = ?) m WHERE c.id = ? AND c.project_id = ?",
        (candidate_id, candidate_id, project.id),
    )
    if not rows:
        raise NotFound("There is no such candidate.")
    return _text(rows[0])


def _text(parts: Sequence[object]) -> str:
    return "-".join(str(part if part is not None else "") for part in parts)

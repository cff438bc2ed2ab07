"""When something last went on in a project, for lists that are ordered by it."""

from sqlalchemy import func, select, update

from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.tables import Candidate, Experiment
from modelyard.platform.clock import from_ms, to_ms
from modelyard.platform.database import Database, execute_counting

AT_ONCE = 200


def note_last_activity(database: Database) -> int:
    """Let every project say when a candidate of it was last begun, ended or described; how many had to be told.

    Done every few minutes instead of with each request: a script may log a thousand times a second.
    """
    newest = select(func.max(Candidate.updated_ms)).where(Candidate.experiment_id == Experiment.id).scalar_subquery()
    chosen = (
        select(Project.id, Project.last_activity_at, func.max(newest))
        .join(Experiment, Experiment.project_id == Project.id)
        .where(Project.deleted_at.is_(None))
        .group_by(Project.id, Project.last_activity_at)
    )
    with database.read() as session:
        rows = session.execute(chosen).all()
    later = [(id_, at_ms) for id_, noted_at, at_ms in rows if at_ms is not None and at_ms > to_ms(noted_at)]
    for start in range(0, len(later), AT_ONCE):
        with database.write(changes_access=False, uses_reserve=True) as session:
            for id_, at_ms in later[start : start + AT_ONCE]:
                at = from_ms(at_ms)
                noted = update(Project).where(Project.id == id_, Project.last_activity_at < at)
                execute_counting(session, noted.values(last_activity_at=at))
    return len(later)

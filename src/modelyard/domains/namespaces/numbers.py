"""Numbers that count from 1 inside a project: experiments, candidates, later work items."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.namespaces.tables import Counter
from modelyard.platform.inserting import insert_into


def next_number(session: Session, project_id: int, kind: str) -> int:
    """The next number of `kind` in a project; unique even under a race, and never given out again once committed."""
    statement = insert_into(session, Counter).values(project_id=project_id, kind=kind, last=1)
    statement = statement.on_conflict_do_update(
        index_elements=[Counter.project_id, Counter.kind], set_={"last": Counter.last + 1}
    )
    return session.execute(statement.returning(Counter.last)).scalar_one()


def last_number(session: Session, project_id: int, kind: str) -> int:
    """The last number that was given out, 0 before the first."""
    chosen = select(Counter.last).where(Counter.project_id == project_id, Counter.kind == kind)
    return session.scalar(chosen) or 0

"""How a writer of PostgreSQL finds out, after a connection was lost during COMMIT, whether the commit happened.

Each transaction of a lane counts its writer's mark up. A mark that has the transaction's number was committed with it.
"""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from modelyard.platform.clock import now
from modelyard.platform.database import Moment, Table, execute_counting

KEPT = timedelta(days=7)


class CommitMark(Table):
    """The number of the last transaction that a writer committed."""

    __tablename__ = "commit_marks"

    writer: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    marked_at: Mapped[datetime] = mapped_column(Moment)


def forget_old_marks(session: Session) -> int:
    """Delete the marks of writers that have ended; one that only rested makes its mark anew."""
    return execute_counting(session, delete(CommitMark).where(CommitMark.marked_at < now() - KEPT))

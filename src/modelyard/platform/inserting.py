"""The INSERT of whichever engine there is: both know ON CONFLICT, each in a class of its own."""

from sqlalchemy import Connection, TableClause
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from modelyard.platform.database import Table

Insert = sqlite.Insert | postgresql.Insert


def insert_for(dialect: str, table: type[Table] | TableClause) -> Insert:
    """An insert into `table` for an engine by its name in SQLAlchemy."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def insert_into(bound: Session | Connection, table: type[Table] | TableClause) -> Insert:
    """An insert into `table` for the engine that a session or connection has."""
    bind = bound.get_bind() if isinstance(bound, Session) else bound
    return insert_for(bind.dialect.name, table)

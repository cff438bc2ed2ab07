"""The INSERT of whichever engine there is: both know ON CONFLICT, each in a class of its own.

Only the engine's own part of SQLAlchemy is loaded.
"""

import importlib
from typing import TYPE_CHECKING

from sqlalchemy import Connection, TableClause
from sqlalchemy.orm import Session

from modelyard.platform.database import Table

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert


def insert_for(dialect: str, table: type[Table] | TableClause) -> "SqliteInsert | PostgresqlInsert":
    """An insert into `table` for an engine by its name in SQLAlchemy."""
    made: SqliteInsert | PostgresqlInsert = importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
    return made


def insert_into(bound: Session | Connection, table: type[Table] | TableClause) -> "SqliteInsert | PostgresqlInsert":
    """An insert into `table` for the engine that a session or connection has."""
    bind = bound.get_bind() if isinstance(bound, Session) else bound
    return insert_for(bind.dialect.name, table)

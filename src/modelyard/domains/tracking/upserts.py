"""Inserting rows that may be there already, alike on both engines."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from modelyard.platform.database import Table
from modelyard.platform.inserting import insert_into

Values = Mapping[str, object]


def insert_missing(connection: Connection, table: type[Table], rows: Sequence[Values]) -> None:
    """Insert; a row that breaks a unique constraint is left out."""
    if rows:
        connection.execute(insert_into(connection, table).on_conflict_do_nothing(), [dict(row) for row in rows])


def insert_or_replace(connection: Connection, table: type[Table], rows: Sequence[Values], replaced: str) -> None:
    """Insert; where the primary key is there already, only the column `replaced` takes the new value."""
    if not rows:
        return
    insert = insert_into(connection, table)
    keys = [column.name for column in table.__table__.primary_key]
    statement = insert.on_conflict_do_update(index_elements=keys, set_={replaced: insert.excluded[replaced]})
    connection.execute(statement, [dict(row) for row in rows])

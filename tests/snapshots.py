"""All that a database holds, to prove that a refused request has changed nothing."""

from sqlalchemy import select

from modelyard.platform.database import Database, Table

# Noted in the background when a token or session is used, whatever became of the request.
NOTED = {"last_used_at", "last_seen_at"}

Snapshot = dict[str, list[tuple[object, ...]]]


def snapshot(database: Database) -> Snapshot:
    """Every row of every table, but for when credentials were last used."""
    found: Snapshot = {}
    with database.read() as session:
        for table in Table.metadata.sorted_tables:
            columns = [column for column in table.columns if column.name not in NOTED]
            rows = session.execute(select(*columns).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in rows]
    return found

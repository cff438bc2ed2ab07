"""Removes all that hangs on some rows by foreign keys, a few rows to a transaction.

One DELETE of a big thing would cascade for seconds, and on SQLite nobody else writes meanwhile. Here the same cascade
is done from its far ends in short transactions with rests between them. Ended in the middle, it is simply begun again.
The caller has made sure that nobody needs the rows any more, and deletes them itself when nothing hangs on them.
"""

import time
from collections.abc import Iterator, Sequence

from sqlalchemy import Column, Delete, LargeBinary, Update, and_, bindparam, delete, select, update
from sqlalchemy import Table as SqlTable

from modelyard.platform.database import Database, Table

ROWS_AT_ONCE = 200
# Of rows with payloads, each of which may lie on many pages.
BIG_ROWS_AT_ONCE = 20
# After each transaction so many times as long as it took is left to others.
REST_RATIO = 2.0
MOST_REST_S = 1.0

Key = tuple[object, ...]


def purge_below(database: Database, kind: type[Table], ids: Sequence[int], *, most_s: float | None = None) -> bool:
    """Remove everything that hangs on the rows of `kind` with these ids, but not the rows themselves.

    Answers whether that is done; False after `most_s` seconds, when others shall have a turn.
    """
    began = time.monotonic()
    for took_s in purge_steps(database, kind, ids):
        time.sleep(min(MOST_REST_S, took_s * REST_RATIO))
        if most_s is not None and time.monotonic() > began + most_s:
            return False
    return True


def purge_steps(database: Database, kind: type[Table], ids: Sequence[int]) -> Iterator[float]:
    """The same as steps of one short transaction each, with the seconds that it took."""
    yield from _purge_below(database, Table.metadata.tables[kind.__tablename__], [(number,) for number in ids])


def hanging_on(table: SqlTable) -> list[tuple[Column[object], bool]]:
    """The columns that refer to a table, and whether a row goes along with what it refers to or just forgets it.

    Other references keep what they refer to from being deleted, and are left to whoever made them.
    """
    return [
        (key.parent, key.ondelete == "CASCADE")
        for other in Table.metadata.sorted_tables
        for key in sorted(other.foreign_keys, key=lambda it: it.parent.name)
        if key.column.table is table and key.ondelete in {"CASCADE", "SET NULL"}
    ]


def _purge_below(database: Database, table: SqlTable, keys: Sequence[Key]) -> Iterator[float]:
    for column, goes_along in hanging_on(table):
        other = column.table
        while found := _referring(database, column, keys):
            if goes_along:
                yield from _purge_below(database, other, found)
            statement = delete(other) if goes_along else update(other).values({column.name: None})
            yield _write(database, other, statement, found)


def _referring(database: Database, column: Column[object], keys: Sequence[Key]) -> list[Key]:
    """The keys of some rows whose `column` is one of `keys`, as many as one transaction may take."""
    table = column.table
    is_big = any(isinstance(other.type, LargeBinary) for other in table.columns)
    chosen = select(*table.primary_key.columns).where(column.in_([key[0] for key in keys]))
    with database.read() as session:
        rows = session.execute(chosen.limit(BIG_ROWS_AT_ONCE if is_big else ROWS_AT_ONCE))
        return [tuple(row) for row in rows]


def _write(database: Database, table: SqlTable, statement: Delete | Update, keys: Sequence[Key]) -> float:
    """Change the rows of a table with these keys; how many seconds that took."""
    own = table.primary_key.columns
    this_one = and_(*(column == bindparam(f"key_{index}") for index, column in enumerate(own)))
    rows = [{f"key_{index}": part for index, part in enumerate(key)} for key in keys]
    with database.write(changes_access=False, uses_reserve=True) as session:
        # Others wait until here for the pen; what counts is how long it is held.
        began = time.monotonic()
        session.connection().execute(statement.where(this_one), rows)
    return time.monotonic() - began

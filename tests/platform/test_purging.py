"""What hangs on a row goes before it in bounded transactions, and no cascade ever has to search for it."""

import pytest
from sqlalchemy import Table as SqlTable

from modelyard.migrations.upgrade import every_table
from modelyard.platform.purging import hanging_on

PLACES = ("namespaces", "projects", "experiments", "candidates", "logged_models", "packages", "uploads", "datasets")


def beginnings(table: SqlTable) -> set[str]:
    """The columns by which a row is found without reading the whole table."""
    first = {next(iter(index.columns)).name for index in table.indexes if index.columns}
    first |= {next(iter(rule.columns)).name for rule in table.constraints if hasattr(rule, "columns") and rule.columns}
    return first


@pytest.mark.parametrize("name", PLACES)
def test_what_refers_to_what_is_purged_is_found_by_an_index(name: str) -> None:
    tables = every_table().tables
    found = hanging_on(tables[name])
    assert found
    for column, _ in found:
        assert column.name in beginnings(column.table), f"Deleting from {name} would read all of {column.table.name}."


def test_everything_that_can_hang_is_looked_at() -> None:
    tables = every_table().tables
    seen = {"namespaces"}
    while grown := {column.table.name for name in seen for column, _ in hanging_on(tables[name])} - seen:
        seen |= grown
    assert {name for name in seen if hanging_on(tables[name])} == set(PLACES)

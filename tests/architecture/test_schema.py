"""One schema, whichever way a database came to it: its revisions one by one, or made at once from the code."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import ReflectedIndex

from modelyard.migrations.upgrade import HEAD, HERE, apply_revisions
from modelyard.platform.database import Database
from modelyard.platform.settings import Settings

# SQLite's indexes are also compared by their text.
pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")


@pytest.fixture
def by_revisions(settings: Settings, database: Database) -> Iterator[Engine]:
    """An empty database to which every revision was applied; `database` was made at once."""
    name = f"{database.url.database}_r"
    if database.is_sqlite:
        made = Database(URL.create("sqlite", database=str(settings.data / "revisions.sqlite3")))
    else:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        made = Database(database.url.set(database=name))
    with made.engine.begin() as connection:
        apply_revisions(connection)
    yield made.engine
    made.close()
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def described(engine: Engine) -> dict[str, Any]:
    """Everything that reflection tells of a database."""
    found = inspect(engine)
    return {
        table: {
            "columns": {it["name"]: {**it, "type": str(it["type"])} for it in found.get_columns(table)},
            "primary key": found.get_pk_constraint(table),
            "foreign keys": sorted(found.get_foreign_keys(table), key=str),
            "unique": sorted(found.get_unique_constraints(table), key=str),
            "checks": sorted(found.get_check_constraints(table), key=str),
            "indexes": {it["name"]: {**it, "dialect_options": _texts(it)} for it in found.get_indexes(table)},
            "options": found.get_table_options(table) if engine.dialect.name == "sqlite" else {},
        }
        for table in found.get_table_names()
    }


def _texts(index: ReflectedIndex) -> dict[str, str]:
    return {name: str(option) for name, option in index.get("dialect_options", {}).items()}


def index_texts(engine: Engine) -> dict[str, str]:
    """The statements that made SQLite's indexes."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
        return {name: statement.replace('"', "") for name, statement in rows}


TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": """
        SELECT tgname, pg_get_triggerdef(pg_trigger.oid) || pg_get_functiondef(tgfoid)
        FROM pg_trigger WHERE NOT tgisinternal
        """,
}


def trigger_texts(engine: Engine) -> dict[str, str]:
    """The triggers, as the database tells them."""
    with engine.connect() as connection:
        rows = connection.execute(text(TRIGGERS[engine.dialect.name]))
        return {name: " ".join(statement.split()) for name, statement in rows}


def test_both_ways_lead_to_the_same_schema(database: Database, by_revisions: Engine) -> None:
    at_once, step_by_step = described(database.engine), described(by_revisions)
    assert len(at_once) > 20
    for table in at_once | step_by_step:
        assert at_once.get(table) == step_by_step.get(table), table
    assert len(trigger_texts(by_revisions)) == 3
    assert trigger_texts(database.engine) == trigger_texts(by_revisions)
    if database.is_sqlite:
        assert index_texts(database.engine) == index_texts(by_revisions)


def test_the_newest_revision_is_the_one_that_is_looked_for() -> None:
    assert ScriptDirectory(str(HERE)).get_current_head() == HEAD

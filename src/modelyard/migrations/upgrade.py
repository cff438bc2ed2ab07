"""Brings a database to the newest schema. Going back is done by restoring a backup."""

import importlib
from pathlib import Path

from sqlalchemy import MetaData, inspect, text

from modelyard.platform.database import Database, Table
from modelyard.platform.errors import Conflict

HERE = Path(__file__).parent
# The newest file in versions/; a test compares. Known here so that a start does not import Alembic for nothing.
HEAD = "0001"
TABLE_MODULES = (
    "modelyard.platform.events",
    "modelyard.platform.commit_marks",
    "modelyard.platform.tasks.tables",
    "modelyard.domains.accounts.tables",
    "modelyard.domains.namespaces.tables",
    "modelyard.domains.packages.tables",
    "modelyard.domains.tracking.tables",
)
LOCK_NUMBER = 6_051_968


def every_table() -> MetaData:
    """The schema as the code has it."""
    for module in TABLE_MODULES:
        importlib.import_module(module)
    return Table.metadata


def current_revision(database: Database) -> str | None:
    """The revision of a database, None for an empty one."""
    with database.read() as session:
        connection = session.connection()
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check_revision(database: Database) -> None:
    """Prove that the database has the schema of this version.

    Raises:
        Conflict: it has another one.
    """
    revision = current_revision(database)
    if revision != HEAD:
        raise Conflict(
            f"The database has schema {revision or 'none'}, but this version of Modelyard works with {HEAD}."
            " Run `modelyard migrate` with the newest version that uses it."
        )


def upgrade(database: Database) -> bool:
    """Apply what is missing, in one transaction; whether anything was."""
    if current_revision(database) == HEAD:
        return False
    command = importlib.import_module("alembic.command")
    config = importlib.import_module("alembic.config").Config()
    config.set_main_option("script_location", str(HERE))
    with database.pen_held(), database.engine.begin() as connection:
        if not database.is_sqlite:
            # Several replicas may start at once; the others wait here and then find nothing to do.
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True

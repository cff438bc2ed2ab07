"""Brings a database to the newest schema. Going back is done by restoring a backup."""

import importlib
from pathlib import Path

from sqlalchemy import Connection, MetaData, inspect, text

from modelyard.platform.database import Database, Table
from modelyard.platform.deadlines import unhurried
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
# As Alembic makes it.
REVISION_TABLE = """
    CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
"""


def every_table() -> MetaData:
    """The schema as the code has it."""
    for module in TABLE_MODULES:
        importlib.import_module(module)
    return Table.metadata


def current_revision(database: Database) -> str | None:
    """The revision of a database, None for an empty one."""
    with database.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


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
    with unhurried(), database.pen_held(), database.engine.begin() as connection:
        if not database.is_sqlite:
            # Several replicas may start at once; the others wait here and then find nothing to do.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))
        if inspect(connection).get_table_names():
            apply_revisions(connection)
        else:
            _create(connection)
    return True


def apply_revisions(connection: Connection) -> None:
    """Apply the revisions that are missing, one after the other."""
    command = importlib.import_module("alembic.command")
    config = importlib.import_module("alembic.config").Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _create(connection: Connection) -> None:
    """Make the newest schema in an empty database: what all revisions come to, as a test proves, and much sooner."""
    every_table().create_all(connection)
    connection.execute(text(REVISION_TABLE))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})

"""How commands come to an installation: with the server running beside them, or without it."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from modelyard.platform.database import SQLITE_FILE, Database, open_database
from modelyard.platform.deadlines import unhurried
from modelyard.platform.errors import Conflict, NotFound
from modelyard.platform.lock import is_locked, prepare_data_directory
from modelyard.platform.settings import Settings, load_settings

MIGRATIONS = "modelyard.migrations.upgrade"


def settings_of(**flags: object) -> Settings:
    """The settings, with these flags above all."""
    return load_settings(flags)


@contextmanager
def installed(settings: Settings) -> Iterator[Database]:
    """The database of an installation that is there, with the schema of this version.

    Raises:
        NotFound: there is none in the data directory.
        Conflict: its schema is another one.
    """
    if not settings.is_postgresql and not (settings.data / SQLITE_FILE).exists():
        raise NotFound(
            f"There is no Modelyard in {settings.data}. Name its directory with --data,"
            " or make one with `modelyard serve`."
        )
    database = open_database(settings)
    try:
        check: Callable[[Database], None] = importlib.import_module(MIGRATIONS).check_revision
        check(database)
        with unhurried():
            yield database
    finally:
        database.close()


def upgraded(settings: Settings, *, is_server: bool = False) -> tuple[Database, bool]:
    """The database, made or migrated if need be, and whether there was need. A server holds the lock itself.

    Raises:
        Conflict: a server runs on the older schema.
    """
    prepare_data_directory(settings.data)
    database = open_database(settings)
    migrations = importlib.import_module(MIGRATIONS)
    revision: str | None = migrations.current_revision(database)
    is_behind = revision is not None and revision != migrations.HEAD
    if is_behind and not is_server and not settings.is_postgresql and is_locked(settings.data):
        database.close()
        raise Conflict("A server of another version runs on this directory. Stop it, and try again.")
    return database, bool(migrations.upgrade(database))

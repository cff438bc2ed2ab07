"""A migrated database for a whole module, since a property test cannot begin each example with a new one."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from modelyard.platform.database import Database
from tests.conftest import ENGINES


@pytest.fixture(scope="module", params=ENGINES)
def shared_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = shutil.copy(template, tmp_path_factory.mktemp("shared") / "modelyard.sqlite3")
        database = Database(URL.create("sqlite", database=str(path)))
        yield database
        database.close()
        return
    address: URL = request.getfixturevalue("postgresql_template")
    name = f"shared_{os.getpid()}"
    server = Database(address.set(database="postgres"))
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_modelyard"))
    database = Database(address.set(database=name))
    yield database
    database.close()
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.close()

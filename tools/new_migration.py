"""Writes a migration from what the tables have and the newest one has not: `python tools/new_migration.py "Why"`."""

import re
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import URL

from modelyard.migrations.upgrade import HERE, every_table
from modelyard.platform.database import Database


def tidied(script: str) -> str:
    """Autogenerate's script without its remarks, our own types as what they are in the database."""
    script = re.sub(r"modelyard\.platform\.database\.Moment\(\)", "sa.BigInteger()", script)
    script = re.sub(r" *# ### .*\n", "", script)
    return re.sub(
        r" *with op\.batch_alter_table\('(\w+)', schema=None\) as batch_op:\n((?: +batch_op\.create_index\(.*\n)+)",
        lambda found: re.sub(
            r" +batch_op\.create_index\(('\w+'|batch_op\.f\('\w+'\)),",
            rf"    op.create_index(\1, '{found[1]}',",
            found[2],
        ),
        script,
    ).replace("batch_op.f(", "op.f(")


def write(message: str, revision: str) -> Path:
    """The new file, to be read and corrected by a person."""
    every_table()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(URL.create("sqlite", database=f"{folder}/schema.sqlite3"))
        config = Config()
        config.set_main_option("script_location", str(HERE))
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            command.revision(config, message=message, autogenerate=True, rev_id=revision)
        database.close()
    path = next(HERE.glob(f"versions/{revision}_*.py"))
    path.write_text(tidied(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


if __name__ == "__main__":
    numbers = [int(path.name[:4]) for path in HERE.glob("versions/[0-9]*.py")]
    sys.stdout.write(f"{write(sys.argv[1], f'{max(numbers, default=0) + 1:04d}')}\n")

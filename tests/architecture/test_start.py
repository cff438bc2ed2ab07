"""What a server loads before it listens: no more than its first answers need."""

import subprocess
import sys

LATER = ("alembic", "fastapi", "httpx", "jinja2", "numpy", "psycopg", "pydantic")


def test_what_the_first_answers_do_not_need_is_loaded_later() -> None:
    program = f"import sys, modelyard.app; print([name for name in {LATER} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"

"""Guides are run as they are written: every block marked `run`, in order, against a server of its own.

The words after a fence's language: `run` runs the block; `file=NAME` saves it instead; `serve` starts it in the
background and waits until the server answers, `stopped` stops that server before the block runs. A guide that starts no
server gets one, with a project and a token in MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import boto3
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from modelyard.platform.database import Database
from tests.architecture.documents import ROOT, SHELL, Block, Document, document, guides
from tests.blob_stores import CREDENTIALS, bucket_server
from tests.conftest import free_port

__all__ = ["bucket_server"]

DEFAULT_ADDRESS = "http://127.0.0.1:8000"
ELSEWHERE = {
    "postgresql://modelyard:SECRET@db.example.org/modelyard": "postgresql",
    "https://s3.example.org": "bucket",
}
BUCKET = "models"
START_S = 30.0
PROGRAMS = {"modelyard": "-m modelyard", "python": "", "python3": ""}


class Reader:
    """Somebody who follows a guide, in a folder and a shell of their own."""

    def __init__(self, folder: Path, elsewhere: Mapping[str, str]) -> None:
        # What the guide says of other machines, and where that is in this test.
        self._elsewhere = elsewhere
        self._folder = folder / "work"
        self._folder.mkdir()
        self._url = f"http://127.0.0.1:{free_port()}"
        self._server: subprocess.Popen[bytes] | None = None
        self._kept = folder / "environment.sh"
        self._kept.write_text("", encoding="utf-8")
        programs = folder / "programs"
        programs.mkdir()
        for name, arguments in PROGRAMS.items():
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n', encoding="utf-8")
            program.chmod(0o755)
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("MODELYARD_", "MLFLOW_"))}
        self._environment = mine | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "MODELYARD_PORT": self._url.rpartition(":")[2],
            "HOME": str(folder),
        }

    def follow(self, guide: Document) -> None:
        """Do what each block says."""
        if not any(block.is_marked("serve") for block in guide.blocks):
            self._serve("modelyard serve")
        for block in guide.blocks:
            body = block.body
            for address, here in [*self._elsewhere.items(), (DEFAULT_ADDRESS, self._url)]:
                body = body.replace(address, here)
            if block.is_marked("stopped"):
                self.stop()
            if block.file:
                (self._folder / block.file).write_text(body, encoding="utf-8")
            elif block.is_marked("serve"):
                self._serve(body)
            elif block.is_marked("run"):
                self._run(body if block.language in SHELL else self._as_shell(block, body))

    def stop(self) -> None:
        """Stop the server as Ctrl-C does."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGINT)
            self._server.wait(START_S)
            self._server = None

    def _as_shell(self, block: Block, body: str) -> str:
        assert block.language == "python", f"line {block.line}: nobody can run {block.language}"
        name = f"block_{block.line}.py"
        (self._folder / name).write_text(body, encoding="utf-8")
        return f"python {name}"

    def _serve(self, command: str) -> None:
        self.stop()
        script = f". {shlex.quote(str(self._kept))}\nexec {command.strip()}"
        with (self._folder.parent / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_it_answers()
        if "MLFLOW_TRACKING_TOKEN" not in self._environment:
            self._give_access()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self._url}/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        log = (self._folder.parent / "server.log").read_text(encoding="utf-8")
        pytest.fail(f"The server of this guide does not answer.\n{log}")

    def _give_access(self) -> None:
        """What a person does on the pages: a project and its token."""
        printed = self._run("modelyard bootstrap --project team/churn --json")
        made = json.loads(printed.strip().splitlines()[-1])
        self._environment |= {
            "MLFLOW_TRACKING_URI": made["tracking_uri"],
            "MLFLOW_TRACKING_TOKEN": made["token"],
        }

    def _run(self, body: str) -> str:
        kept = shlex.quote(str(self._kept))
        script = f"set -euo pipefail\n. {kept}\n{body}\nexport -p > {kept}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{body}\n— exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def postgresql(postgresql_server: URL) -> Iterator[str]:
    """The address of an empty database."""
    name = f"guide_{os.getpid()}_{time.time_ns()}"
    server = Database(postgresql_server)
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    address = postgresql_server.set(database=name, drivername="postgresql")
    yield address.render_as_string(hide_password=False)
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    server.close()


@pytest.fixture
def bucket(bucket_server: str) -> str:
    """The address of a store with the bucket that guides speak of."""
    names = ("aws_access_key_id", "aws_secret_access_key", "region_name")
    credentials = dict(zip(names, CREDENTIALS.values(), strict=True))
    boto3.client("s3", endpoint_url=bucket_server, **credentials).create_bucket(Bucket=BUCKET)
    return bucket_server


@pytest.fixture
def follow(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[Document], None]]:
    """Follows a guide, with the database or store that it speaks of."""
    readers: list[Reader] = []

    def start(guide: Document) -> None:
        elsewhere = {
            address: str(request.getfixturevalue(fixture))
            for address, fixture in ELSEWHERE.items()
            if address in guide.text
        }
        readers.append(Reader(tmp_path, elsewhere))
        readers[-1].follow(guide)

    yield start
    for reader in readers:
        reader.stop()


@pytest.mark.timeout(300)
def test_the_example_of_the_readme_runs(follow: Callable[[Document], None]) -> None:
    follow(document("README.md"))


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "guide", [guide for guide in guides() if guide.path != "README.md"], ids=lambda guide: guide.path
)
def test_every_guide_can_be_followed(follow: Callable[[Document], None], guide: Document) -> None:
    follow(guide)

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
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.documents import ROOT, SHELL, Block, Document, document, guides
from tests.conftest import free_port

DEFAULT_ADDRESS = "http://127.0.0.1:8000"
START_S = 30.0
PROGRAMS = {"modelyard": "-m modelyard", "python": "", "python3": ""}


class Reader:
    """Somebody who follows a guide, in a folder and a shell of their own."""

    def __init__(self, folder: Path) -> None:
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
            body = block.body.replace(DEFAULT_ADDRESS, self._url)
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
        log = (self._folder.parent / "server.log").open("ab")
        script = f". {shlex.quote(str(self._kept))}\nexec {command.strip()}"
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
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader whose server ends with the test."""
    somebody = Reader(tmp_path)
    yield somebody
    somebody.stop()


@pytest.mark.timeout(300)
def test_the_example_of_the_readme_runs(reader: Reader) -> None:
    reader.follow(document("README.md"))


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "guide", [guide for guide in guides() if guide.path != "README.md"], ids=lambda guide: guide.path
)
def test_every_guide_can_be_followed(reader: Reader, guide: Document) -> None:
    reader.follow(guide)

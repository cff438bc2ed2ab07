"""A real server in a process of its own, for what no thread can show: signals, kills, locks, output."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import free_port

ROOT = Path(__file__).parents[1]
START_LIMIT_S = 60


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment without settings of ours, and with these instead."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    given = {f"MODELYARD_{name.upper()}": str(value) for name, value in settings.items()}
    return {**kept, **given, "PYTHONPATH": str(ROOT / "src")}


def command(
    *words: str, settings: Mapping[str, object], given: str = "", limit_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a `modelyard` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "modelyard", *words],
        env=environment(settings),
        input=given,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


@dataclass
class ServerProcess:
    """A server that can be started, stopped, killed and started again on the same data."""

    settings: dict[str, object]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    program: tuple[str, ...] = ("-m", "modelyard", "serve")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it, and by default wait until it is ready."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *self.program],
                env=environment({**self.settings, "port": self.port}),
                stdout=output,
                stderr=output,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while self.status("/readyz") != 200:
            assert self.running.poll() is None, f"The server ended:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"The server did not become ready:\n{self.log.read_text()}"
            time.sleep(0.02)

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "The server was not started."
        return self.process

    def status(self, path: str) -> int:
        """The status of a GET, 0 when there is no answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def kill(self) -> None:
        """End it as a power switch would, as far as the process is concerned."""
        self.running.kill()
        self.running.wait()

    def stop(self, *, limit_s: float = 60) -> int:
        """Ask it to stop; its exit status."""
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(limit_s)

    def clean_up(self) -> None:
        """End whatever is left of it."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()

    def bootstrap(self, project: str = "acme/churn") -> dict[str, Any]:
        """The address, token and project for a script."""
        made = command("bootstrap", "--project", project, "--json", settings={**self.settings, "port": self.port})
        assert made.returncode == 0, made.stderr
        answer: dict[str, Any] = json.loads(made.stdout)
        return answer

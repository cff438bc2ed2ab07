#!/usr/bin/env python3
"""The one door to working on Modelyard. It needs Python 3.11 with `venv` and makes the rest by itself.

python3 dev.py serve [ARGS]            start the server, as `modelyard serve ARGS`
python3 dev.py demo [ARGS]             train a few real models into that server, as `modelyard demo ARGS`
python3 dev.py test [--full] [ARGS]    run the quick tests, or all of them; ARGS go to pytest
python3 dev.py check                   format, lint, types, imports, locks and house rules
python3 dev.py bench [ARGS]            measure against other trackers
python3 dev.py lock [--upgrade]        resolve the dependencies into hashed locks
python3 dev.py assets                  build what browsers load
python3 dev.py size                    the longest files and functions
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this is the file that an older Python meets first
    sys.exit(f"Modelyard needs Python 3.11 or newer; this is {sys.version.split()[0]}.")

from tools import environments, locks, sizes
from tools.assets.build import is_current
from tools.environments import DEVELOPMENT, MLFLOW_2, ROOT, RUN, Environment, EnvironmentFault

# The full tier waits for servers most of the time. A file stays with one process, which has its browser and databases.
SIDE_BY_SIDE = ("--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder", "--durations=30")
_TYPED = ("src", "tests", "tools", "benchmarks", "dev.py", "hatch_build.py")


def serve(arguments: list[str]) -> int:
    """Replace this process by the server."""
    environment = _ready(RUN)
    return _become(environment.program("modelyard"), "serve", *arguments)


def demo(arguments: list[str]) -> int:
    """Replace this process by the demonstration, in the environment that has the libraries it trains with."""
    return _become(_ready(DEVELOPMENT).program("modelyard"), "demo", *arguments)


def test(arguments: list[str]) -> int:
    """Replace this process by pytest; with `--full` every tier runs and nothing may be skipped."""
    environment = _ready(DEVELOPMENT)
    if "--full" in arguments:
        arguments = [*SIDE_BY_SIDE, *(argument for argument in arguments if argument != "--full")]
        os.environ["MODELYARD_TEST_TIER"] = "full"
        os.environ["MODELYARD_MLFLOW2_PYTHON"] = str(environments.ensure(MLFLOW_2).python)
    return _become(environment.python, "-m", "pytest", *arguments)


def check(_arguments: list[str]) -> int:
    """Run every check, also after one has failed, and name those that did."""
    environment = _ready(DEVELOPMENT)
    steps = {
        "format": [environment.program("ruff"), "format", "--check", "."],
        "lint": [environment.program("ruff"), "check", "."],
        "types": [environment.program("mypy"), *(path for path in _TYPED if (ROOT / path).exists())],
        "imports": [environment.program("lint-imports"), "--no-logo"],
        "house rules": [environment.python, "-m", "tools.house"],
    }
    failed = []
    for name, command in steps.items():
        print(f"— {name}", flush=True)
        if subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
    print(f"Failed: {', '.join(failed)}." if failed else "Every check passed.")
    return 1 if failed else 0


def bench(arguments: list[str]) -> int:
    """Replace this process by the benchmark."""
    return _become(_ready(DEVELOPMENT).python, "-m", "benchmarks", *arguments)


def lock(arguments: list[str]) -> int:
    """Write the locks anew."""
    locks.lock(arguments)
    return 0


def assets(_arguments: list[str]) -> int:
    """Build the assets if their sources have changed."""
    return _become(environments.ensure(RUN).python, "-m", "tools.assets")


def size(_arguments: list[str]) -> int:
    """Print what is longest."""
    print(sizes.report(ROOT))
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    command.__name__: command for command in (serve, demo, test, check, bench, lock, assets, size)
}


def _ready(environment: Environment) -> Environment:
    """The environment, made, and the assets, built."""
    environment = environments.ensure(environment)
    if not is_current(ROOT):
        environments.run(environment.python, "-m", "tools.assets")
    return environment


def _become(program: Path, *arguments: str) -> int:
    """Go on as another program, which then gets our signals and whose exit status is ours."""
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(program, [str(program), *arguments])  # noqa: S606 - becoming another program is the point


def main(arguments: list[str]) -> int:
    """Run one command; faults of the machine are told in a sentence."""
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__)
        return 0 if arguments[:1] in ([], ["-h"], ["--help"]) else 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except EnvironmentFault as fault:
        print(f"dev.py: {fault}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The peers' own virtual environments and our load driver, built once and kept in a directory git ignores."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent / ".bench"


def environment(name: str) -> Path:
    """The `bin` directory of the environment that `requirements-NAME.txt` describes, made when missing or outdated."""
    requirements = HERE / f"requirements-{name}.txt"
    directory = CACHE / name
    stamp = directory / "made-from.sha256"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        print(f"Installing {name} beside us (once; about a minute) ...", file=sys.stderr, flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        # The files list everything that is needed: nothing is resolved, and nothing comes without its hash.
        install = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([directory / "bin" / "python", "-m", "pip", *install, "-r", requirements], check=True)
        stamp.write_text(digest)
    return directory / "bin"


def driver() -> Path:
    """The compiled load driver; `driver.c` says what it does."""
    source = HERE / "driver.c"
    program = CACHE / f"driver-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not program.is_file():
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            sys.exit(
                "The benchmark's load driver is written in C, so that it is not the bottleneck, and no C compiler was"
                " found. Install one (Debian: apt-get install gcc libc6-dev) and run this again."
            )
        CACHE.mkdir(exist_ok=True)
        unfinished = program.with_suffix(".new")
        subprocess.run([compiler, "-O2", "-o", unfinished, source], check=True)
        unfinished.rename(program)
    return program

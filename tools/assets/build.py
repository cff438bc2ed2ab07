"""From sources to `static/dist`: hashed names, links between them, integrity, compressed copies, one manifest."""

import base64
import gzip
import hashlib
import json
import posixpath
import shutil
import tempfile
from functools import partial
from pathlib import Path

from tools.assets import node
from tools.assets.links import BrokenLinkError, check_imports, link_styles
from tools.assets.sources import STATIC, import_names, own_assets, vendor_assets

MANIFEST = "manifest.json"
_COMPRESSIBLE = {".css", ".js", ".json", ".svg", ".txt"}


def inputs_hash(root: Path) -> str:
    """A hash of everything the assets are made of: our sources, the npm lock and this tool."""
    static = root / STATIC / "src"
    files = [root / "package.json", root / "package-lock.json", *(root / "tools" / "assets").glob("*.py")]
    files += [path for path in static.rglob("*") if path.is_file()]
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def is_current(root: Path) -> bool:
    """Whether `static/dist` was built from exactly what the sources are now."""
    manifest = root / STATIC / "dist" / MANIFEST
    return manifest.exists() and json.loads(manifest.read_bytes())["inputs"] == inputs_hash(root)


def build(root: Path) -> Path:
    """Build `static/dist` anew and put it in place of the old one in one step; its path."""
    inputs = inputs_hash(root)
    own = own_assets(root)
    assets = vendor_assets(root, node.install_packages(root)) | own
    imports = import_names(assets)
    for name, content in own.items():
        if name.endswith(".js"):
            check_imports(name, content.decode(), imports)
    finished = _with_hashed_names(assets)
    files = {name: _describe(path, content) for name, (path, content) in finished.items()}
    paths = {bare: finished[name][0] for bare, name in imports.items()}
    manifest = {"inputs": inputs, "files": files, "imports": paths}
    target = root / STATIC / "dist"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as folder:
        building = Path(folder) / "dist"
        _write(building, dict(finished.values()), target)
        (building / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        if target.exists():
            target.rename(Path(folder) / "old")
        building.rename(target)
    return target


def _with_hashed_names(assets: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
    """Logical name -> (path with the hash, content). Style sheets come last, as they name the others."""
    finished: dict[str, tuple[str, bytes]] = {}
    for name in sorted(assets, key=lambda name: (name.endswith(".css"), name)):
        content = assets[name]
        if name.endswith(".css"):
            content = link_styles(name, content.decode(), partial(_path_of, finished, name)).encode()
        stem, suffix = posixpath.splitext(name)
        finished[name] = (f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}{suffix}", content)
    return finished


def _path_of(finished: dict[str, tuple[str, bytes]], linking: str, name: str) -> str:
    if name not in finished:
        raise BrokenLinkError(f"{linking} links to {name}, which does not exist.")
    return finished[name][0]


def _describe(path: str, content: bytes) -> dict[str, str | int]:
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    return {"path": path, "integrity": f"sha384-{digest}", "size_bytes": len(content)}


def _write(folder: Path, contents: dict[str, bytes], previous: Path) -> None:
    """Write the files and their compressed copies; those of the previous build serve again, as names carry the hash."""
    to_compress = []
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if path.suffix not in _COMPRESSIBLE:
            continue
        Path(f"{path}.gz").write_bytes(gzip.compress(content, mtime=0))
        earlier = previous / f"{name}.br"
        if earlier.exists():
            shutil.copyfile(earlier, f"{path}.br")
        else:
            to_compress.append(path)
    node.compress_with_brotli(to_compress)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)

import base64
import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tools.assets import build as assets
from tools.assets import node
from tools.assets.links import BrokenLinkError
from tools.assets.sources import STATIC

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a few sources of its own and this project's locked packages."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(node.install_packages(ROOT))
    source = tmp_path / STATIC / "src"
    for name, text in {
        "css/app.css": '@import "fonts.css";\nmain { color: red; }\n',
        "css/fonts.css": '@font-face { font-family: "Inter"; src: url("../fonts/inter-latin.woff2"); }\n',
        "js/app.js": 'import "htmx.org";\nimport { grid } from "modelyard/grid/table.js";\ngrid();\n',
        "js/grid/table.js": 'import uPlot from "uplot";\nexport const grid = () => uPlot;\n',
        "images/empty.svg": "<svg/>\n",
        "icons.txt": "box\n",
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_file_is_named_by_its_content_and_says_so_in_the_manifest(project: Path) -> None:
    target = assets.build(project)
    manifest = json.loads((target / "manifest.json").read_bytes())
    expected = {"css/app.css", "js/app.js", "js/grid/table.js", "images/empty.svg", "images/icons.svg", "licences.txt"}
    assert expected < manifest["files"].keys()
    for entry in manifest["files"].values():
        content = (target / entry["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest()[:12] in entry["path"]
        assert entry["integrity"] == "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
        assert entry["size_bytes"] == len(content)


def test_the_import_map_leads_from_bare_names_to_files(project: Path) -> None:
    target = assets.build(project)
    imports = json.loads((target / "manifest.json").read_bytes())["imports"]
    assert {"uplot", "htmx.org", "modelyard/app.js", "modelyard/grid/table.js"} == imports.keys()
    assert all((target / path).is_file() for path in imports.values())


def test_the_style_sheet_is_one_file_that_links_to_hashed_fonts(project: Path) -> None:
    target = assets.build(project)
    files = json.loads((target / "manifest.json").read_bytes())["files"]
    css = (target / files["css/app.css"]["path"]).read_text(encoding="utf-8")
    assert "css/fonts.css" not in files
    assert f'url("../{files["fonts/inter-latin.woff2"]["path"]}")' in css


def test_text_lies_beside_its_compressed_copies(project: Path) -> None:
    target = assets.build(project)
    path = target / json.loads((target / "manifest.json").read_bytes())["files"]["vendor/uplot.js"]["path"]
    assert gzip.decompress(Path(f"{path}.gz").read_bytes()) == path.read_bytes()
    assert 0 < Path(f"{path}.br").stat().st_size < Path(f"{path}.gz").stat().st_size
    assert not list(target.rglob("*.woff2.gz"))


def test_a_build_is_current_until_a_source_changes(project: Path) -> None:
    assert not assets.is_current(project)
    assets.build(project)
    assert assets.is_current(project)
    (project / STATIC / "src/css/app.css").write_text("main { color: blue; }\n", encoding="utf-8")
    assert not assets.is_current(project)


def test_building_twice_gives_the_same_files(project: Path) -> None:
    first = {path.name: path.read_bytes() for path in assets.build(project).rglob("*") if path.is_file()}
    second = {path.name: path.read_bytes() for path in assets.build(project).rglob("*") if path.is_file()}
    assert first == second


def test_a_broken_source_leaves_the_last_good_build(project: Path) -> None:
    target = assets.build(project)
    before = sorted(target.rglob("*"))
    (project / STATIC / "src/js/app.js").write_text('import "modelyard/gone.js";\n', encoding="utf-8")
    with pytest.raises(BrokenLinkError, match=r"modelyard/gone\.js"):
        assets.build(project)
    assert sorted(target.rglob("*")) == before
    assert {path.name for path in target.parent.iterdir()} == {"src", "dist"}

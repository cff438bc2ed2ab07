"""What pages load: by names that carry a hash, compressed, for ever; and pages without any of it."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from starlette.requests import Request

from modelyard.entrypoints.web.assets import MODULES, Assets, load_assets
from modelyard.entrypoints.web.chrome import FormState, Shell
from modelyard.entrypoints.web.static import StaticFiles
from modelyard.entrypoints.web.templating import TEMPLATES, template_environment
from tools.assets.sources import VENDOR, VENDOR_IMPORTS

SOURCES = TEMPLATES.parent / "static" / "src"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A build of one file."""
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "app.1234.css").write_bytes(b"body {}")
    (tmp_path / "css" / "app.1234.css.br").write_bytes(b"brotli")
    files = {"css/app.css": {"path": "css/app.1234.css", "integrity": "sha384-x", "size_bytes": 7}}
    manifest = {"inputs": "", "files": files, "imports": {"modelyard/</script>": "js/a.js"}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def get(name: str, accepted: str = "") -> Request:
    headers = [(b"accept-encoding", accepted.encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "path_params": {"name": name}})


async def answer(files: StaticFiles, name: str, accepted: str = "") -> tuple[int, bytes, dict[str, str]]:
    found = await files.serve(get(name, accepted))
    return found.status_code, bytes(found.body), dict(found.headers)


def test_a_file_is_known_by_its_name_and_served_under_another(dist: Path) -> None:
    assets = load_assets(dist)
    assert assets.url("css/app.css") == "/-/static/css/app.1234.css"
    assert "</script>" not in assets.import_map
    with pytest.raises(KeyError):
        assets.url("css/other.css")


@pytest.mark.parametrize(
    ("accepted", "body", "encoding"),
    [("gzip, br", b"brotli", "br"), ("gzip", b"body {}", None), ("", b"body {}", None)],
)
def test_the_smallest_form_that_a_browser_takes_is_sent(
    dist: Path, accepted: str, body: bytes, encoding: str | None
) -> None:
    status, sent, headers = asyncio.run(answer(StaticFiles(dist), "css/app.1234.css", accepted))
    assert (status, sent, headers.get("content-encoding")) == (200, body, encoding)
    assert "immutable" in headers["cache-control"]
    assert headers["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("name", ["manifest.json", "css/app.css", "../manifest.json", "css/app.1234.css.br", ""])
def test_only_what_was_built_can_be_asked_for(dist: Path, name: str) -> None:
    assert asyncio.run(answer(StaticFiles(dist), name))[0] == 404


def test_without_a_build_pages_say_what_to_run() -> None:
    shell = Shell("Sign in", "/", csrf_token="x", nonce="y")
    template = template_environment(Assets()).get_template("sign_in/sign_in.html")
    html = template.render(shell=shell, form_state=FormState(), next="/", server_name="here", has_administrator=True)
    assert "python3 dev.py assets" in html
    assert "<form" in html
    assert "importmap" not in html


def test_the_sprite_has_the_icons_in_use_and_no_others() -> None:
    listed = {line.strip() for line in (SOURCES / "icons.txt").read_text().splitlines() if not line.startswith("#")}
    code = "\n".join(
        path.read_text()
        for folder, pattern in ((TEMPLATES, "*.html"), (SOURCES / "js", "*.js"), (TEMPLATES.parent, "*.py"))
        for path in folder.rglob(pattern)
    )
    used = set(re.findall(r'\bicon(?:_name)?(?:\(|=)"([a-z0-9-]+)"', code)) - {"icon"}
    assert used <= listed
    assert {name for name in listed if f'"{name}"' not in code and not name.startswith("file-")} == set()


def test_modules_that_are_loaded_ahead_exist() -> None:
    own = {name for name in MODULES if name.startswith("js/")}
    assert own <= {path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.js")}


def test_nothing_is_vendored_that_no_page_loads() -> None:
    modules = "\n".join(path.read_text() for path in (SOURCES / "js").rglob("*.js"))
    styles = "\n".join(path.read_text() for path in (SOURCES / "css").glob("*.css"))
    imported = set(re.findall(r'\bfrom "([^"]+)"|\bimport\("([^"]+)"\)', modules))
    names = {VENDOR_IMPORTS.get(name) for pair in imported for name in pair}
    unused = {name for name in VENDOR if name not in names and name.rpartition("/")[2] not in styles}
    assert unused == set()

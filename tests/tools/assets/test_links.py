import pytest

from tools.assets.links import BrokenLinkError, check_imports, imported_styles, inline_imports, link_styles

KNOWN = {"uplot", "modelyard/dom.js"}


def hashed(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.0a1b.{suffix}"


@pytest.mark.parametrize(
    ("written", "linked"),
    [
        ('url("../fonts/inter.woff2")', 'url("../fonts/inter.0a1b.woff2")'),
        ("url(../images/icons.svg#box)", 'url("../images/icons.0a1b.svg#box")'),
        ("url( 'grain.png' )", 'url("grain.0a1b.png")'),
        ("url(data:image/png;base64,AA==)", "url(data:image/png;base64,AA==)"),
        ("url(#gradient)", "url(#gradient)"),
        ('format("woff2")', 'format("woff2")'),
    ],
)
def test_links_in_styles_follow_their_files(written: str, linked: str) -> None:
    assert link_styles("css/app.css", f"a {{ b: {written}; }}", hashed) == f"a {{ b: {linked}; }}"


@pytest.mark.parametrize("target", ["https:" + "//example.test/x.png", "/static/x.png"])
def test_styles_load_nothing_from_elsewhere(target: str) -> None:
    with pytest.raises(BrokenLinkError, match=r"css/app.css links to"):
        link_styles("css/app.css", f"a {{ b: url({target}); }}", hashed)


def test_imported_sheets_become_one() -> None:
    styles = {
        "css/app.css": '@layer a, b;\n@import "one.css";\n@import url("two.css") layer(b);\nend {}',
        "css/one.css": "/* remark */one {}",
        "css/two.css": '@import "three.css";\ntwo {}',
        "css/three.css": "three {}",
    }
    assert inline_imports("css/app.css", styles) == "@layer a, b;\none {}\n@layer b {\nthree {}\ntwo {}}\nend {}"
    assert imported_styles(styles) == {"css/one.css", "css/two.css", "css/three.css"}


@pytest.mark.parametrize(
    ("css", "fault"),
    [
        ('@import "gone.css";', "does not exist"),
        ('@import "app.css";', "in a circle"),
        ('@import "one.css" screen;', "not of the form"),
        ('@import "../one.css";', "beside each other"),
    ],
)
def test_an_import_that_cannot_be_followed_is_named(css: str, fault: str) -> None:
    with pytest.raises(BrokenLinkError, match=fault):
        inline_imports("css/app.css", {"css/app.css": css, "css/one.css": ""})


@pytest.mark.parametrize(
    "line",
    [
        'import uPlot from "uplot";',
        'import { element,\n  text } from "modelyard/dom.js";',
        'export { element } from "modelyard/dom.js";',
        'const dom = await import("modelyard/dom.js");',
        'import "uplot";',
        '// import "./old.js";',
        '/** @type {import("./types.js").Point} */',
        'const text = "a sentence from somewhere";',
    ],
)
def test_bare_names_in_the_import_map_pass(line: str) -> None:
    check_imports("js/chart.js", line, KNOWN)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('import { element } from "./dom.js";', "bare name"),
        ('const dom = await import("/static/dom.js");', "bare name"),
        ('export * from "../dom.js";', "bare name"),
        ('import d3 from "d3";', "does not have"),
        ('import { x } from "modelyard/dmo.js";', "does not have"),
    ],
)
def test_an_import_the_map_cannot_answer_is_named(line: str, fault: str) -> None:
    with pytest.raises(BrokenLinkError, match=fault):
        check_imports("js/chart.js", line, KNOWN)

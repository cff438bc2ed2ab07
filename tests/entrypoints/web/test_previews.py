"""Previews are made from bytes, never from what a name promises. Pure, so no engine."""

import json

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from modelyard.entrypoints.web.previews import HEAD_BYTES, MOST_LINES, MOST_ROWS, preview_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
SCRIPT = "<script>alert(1)</script>"


def test_a_picture_is_known_by_its_bytes() -> None:
    assert preview_of("notes.txt", PNG, len(PNG)).kind == "image"
    assert preview_of("picture.png", b"no picture", 10).kind == "text"


def test_svg_and_html_are_text() -> None:
    for name in ("page.html", "drawing.svg"):
        shown = preview_of(name, SCRIPT.encode(), len(SCRIPT))
        assert shown.kind == "text"
        assert "<script" not in "".join(shown.lines)


def test_markdown_is_rendered_without_anything_that_runs() -> None:
    text = f"# Report\n\n{SCRIPT}\n\n[a](javascript:alert(1)) ![x](https://elsewhere.example/x.png)"
    soup = BeautifulSoup(preview_of("README.md", text.encode(), len(text)).html, "html.parser")
    assert [heading.text for heading in soup.select("h2")] == ["Report"]
    assert not soup.select("script, img, [href]")


def test_a_table_shows_its_first_rows_and_says_so() -> None:
    text = "name,gain\n" + "".join(f"f{row},{row / 7}\n" for row in range(500))
    shown = preview_of("features.csv", text.encode(), len(text))
    assert (shown.kind, list(shown.header), len(shown.rows)) == ("table", ["name", "gain"], MOST_ROWS)
    assert shown.numeric == {1}
    assert shown.note == "The first 200 of 500 rows."


def test_a_table_that_is_cut_leaves_the_broken_row_out() -> None:
    head = b"a,b\n1,2\n3,4\n5,"
    shown = preview_of("big.csv", head, HEAD_BYTES * 5)
    assert [list(row) for row in shown.rows] == [["1", "2"], ["3", "4"]]
    assert "Download" in shown.note


def test_a_table_as_mlflow_logs_it_is_a_table() -> None:
    text = json.dumps({"columns": ["x", "y"], "data": [[1, "a"], [2, None]]})
    shown = preview_of("predictions.json", text.encode(), len(text))
    assert (shown.kind, [list(row) for row in shown.rows]) == ("table", [["1", "a"], ["2", "null"]])


def test_json_is_written_one_entry_a_line() -> None:
    shown = preview_of("params.json", b'{"depth":8,"eta":0.1}', 21)
    assert len(shown.lines) == 4


def test_long_text_is_cut_and_says_so() -> None:
    text = "line\n" * (MOST_LINES + 5)
    shown = preview_of("train.log", text.encode(), len(text))
    assert len(shown.lines) == MOST_LINES
    assert shown.note.startswith("The first 2")


@pytest.mark.parametrize("head", [bytes(range(256)), b"\x80\x04\x95pickle", b"PK\x03\x04\x00\x00"])
def test_binary_files_have_no_preview(head: bytes) -> None:
    shown = preview_of("model.pkl", head, len(head))
    assert (shown.kind, shown.sentence.startswith("This kind of file")) == ("none", True)


def test_a_character_that_is_cut_at_the_end_does_not_make_text_binary() -> None:
    head = "grün".encode()[:-2]
    assert preview_of("a.txt", head, 99).kind == "text"


@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.tsv", "a.json", "a.md", "a.py", "a", "a.yaml"]))
def test_no_bytes_break_a_preview(head: bytes, name: str) -> None:
    for size_bytes in (len(head), len(head) + 10):
        shown = preview_of(name, head, size_bytes)
        assert shown.kind in {"image", "table", "markdown", "text", "none"}
        assert all(len(row) == len(shown.header) for row in shown.rows)

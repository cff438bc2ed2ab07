"""What a file looks like: a picture, a table, highlighted text or rendered Markdown, from its first bytes. Pure.

The kind is sniffed from the bytes; the name only says how to show text. Nothing is ever run or unpacked.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup, escape

from modelyard.entrypoints.web.code import highlighted_lines
from modelyard.entrypoints.web.formatting import count, size
from modelyard.platform.markdown import safe_html

HEAD_BYTES = 1024 * 1024
MOST_IMAGE_BYTES = 20 * 1024 * 1024
MOST_ROWS = 200
MOST_CELLS_IN_ROW = 60
MOST_LINES = 2_000
MOST_HIGHLIGHTED = 120_000
_IMAGES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
_TABLES = {".csv": ",", ".tsv": "\t"}
_MARKDOWN = (".md", ".markdown")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|nan|inf|-inf|", re.IGNORECASE)
_BINARY = "This kind of file has no preview. Modelyard never loads models; download the file to use it."


@dataclass(frozen=True, slots=True)
class Preview:
    """What the page shows of a file. Only the fields of its `kind` are filled; `note` says what was left out."""

    kind: Literal["image", "table", "markdown", "text", "none"]
    label: str
    note: str = ""
    sentence: str = ""
    html: Markup = field(default_factory=Markup)
    lines: Sequence[Markup] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    numeric: frozenset[int] = frozenset()


def image_kind(head: bytes) -> str:
    """The media type of a picture that browsers may show; empty for everything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _IMAGES if head.startswith(magic)), "")


def preview_of(path: str, head: bytes, size_bytes: int) -> Preview:
    """The preview of a file whose first bytes are `head`."""
    if kind := image_kind(head):
        if size_bytes > MOST_IMAGE_BYTES:
            return Preview(
                "none", kind, sentence=f"Pictures are shown up to {size(MOST_IMAGE_BYTES)}. Download it to see it."
            )
        return Preview("image", f"{kind.removeprefix('image/').upper()} picture")
    text = _text(head, is_whole=len(head) >= size_bytes)
    if text is None:
        return Preview("none", "binary file", sentence=_BINARY)
    if not text:
        return Preview("none", "empty file", sentence="This file is empty.")
    return _preview_of_text(path.lower(), text, is_whole=len(head) >= size_bytes)


def _text(head: bytes, *, is_whole: bool) -> str | None:
    """The bytes as text; None when they are none. A character that is cut at the end is left out."""
    if b"\0" in head:
        return None
    try:
        return head.decode()
    except UnicodeDecodeError as fault:
        is_cut = not is_whole and fault.start >= len(head) - 4
        return head[: fault.start].decode() if is_cut else None


def _preview_of_text(path: str, text: str, *, is_whole: bool) -> Preview:
    suffix = path[path.rfind(".") :] if "." in path else ""
    note = "" if is_whole else f"The first {size(HEAD_BYTES)} of this file. Download it to see the rest."
    if suffix in _TABLES:
        return _table_of(text, _TABLES[suffix], is_whole=is_whole)
    if suffix in _MARKDOWN:
        return Preview("markdown", "Markdown", html=Markup(safe_html(text)))  # noqa: S704  # sanitised
    if suffix == ".json" and is_whole:
        return _json(path, text)
    return _lines(path, text, note)


def _json(path: str, text: str) -> Preview:
    """A table as MLflow logs them, else the value with one entry a line."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _lines(path, text, "")
    if isinstance(value, dict) and set(value) == {"columns", "data"} and isinstance(value["data"], list):
        header, data = value["columns"], value["data"]
        if isinstance(header, list) and all(isinstance(row, list) for row in data):
            rows = [[_cell(cell) for cell in row] for row in data[:MOST_ROWS]]
            return _table([_cell(name) for name in header], rows, len(data), "JSON table")
    return _lines(path, _whole(json.dumps(value, indent=2, ensure_ascii=False)), "")


def _cell(value: object) -> str:
    return _whole(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _whole(text: str) -> str:
    """Without halves of characters, which JSON can spell and no page can carry."""
    return text.encode("utf-8", "replace").decode()


def _table_of(text: str, separator: str, *, is_whole: bool) -> Preview:
    first = text.partition("\n")[0]
    if separator == "," and first.count(";") > first.count(","):
        separator = ";"
    lines = text if is_whole else text[: text.rfind("\n") + 1]
    reader = csv.reader(io.StringIO(lines), delimiter=separator)
    try:
        rows = [row for row in reader if row]
    except csv.Error:
        rows = []
    if not rows:
        return _lines("table.txt", text, "This could not be read as a table.")
    total = len(rows) - 1 if is_whole else None
    return _table(rows[0], rows[1 : MOST_ROWS + 1], total, "TSV" if separator == "\t" else "CSV")


def _table(header: list[str], rows: list[list[str]], total: int | None, label: str) -> Preview:
    """`total` is the number of rows of the whole file, if that is known."""
    width = min(len(header), MOST_CELLS_IN_ROW)
    if total is None:
        note = f"The first {count(len(rows))} rows. Download the file to see the rest."
    else:
        note = f"The first {count(len(rows))} of {count(total)} rows." if total > len(rows) else ""
    if width < len(header):
        note = f"{note} The first {width} of {count(len(header))} columns.".strip()
    cut = [[*row[:width], *[""] * (width - len(row))] for row in rows]
    numeric = frozenset(index for index in range(width) if cut and all(_NUMBER.fullmatch(row[index]) for row in cut))
    plural = "" if len(header) == 1 else "s"
    return Preview(
        "table", f"{label}, {count(len(header))} column{plural}", note, header=header[:width], rows=cut, numeric=numeric
    )


def _lines(path: str, text: str, note: str) -> Preview:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if len(lines) > MOST_LINES:
        note = f"The first {count(MOST_LINES)} lines. Download the file to see the rest."
        lines = lines[:MOST_LINES]
    shown = "\n".join(lines)
    marked = highlighted_lines(shown, path) if len(shown) <= MOST_HIGHLIGHTED else [escape(line) for line in lines]
    return Preview("text", "text", note, lines=marked)

"""A button says what it does to what: "Delete project risk/credit", never only "Delete"."""

import re
from collections.abc import Iterator
from pathlib import Path

from tools.house.sources import PACKAGE, Finding, project_files

RULE = "labels"
_BARE = (
    "Add", "Archive", "Create", "Delete", "Edit", "New", "OK", "Promote", "Remove", "Rename", "Restore", "Revoke",
    "Submit", "Update",
)  # fmt: skip
_WORD = rf"(?:{'|'.join(_BARE)})(?:…|\.\.\.)?"
_TEXT = rf"(?:<[^>]*>|\s)*{_WORD}(?:<[^>]*>|\s)*"
_BUTTONS = (
    re.compile(rf"<button\b[^>]*>{_TEXT}</button>", re.IGNORECASE),
    re.compile(rf"<a\b[^>]*\bclass=[\"'][^\"']*\bbutton\b[^>]*>{_TEXT}</a>", re.IGNORECASE),
    re.compile(rf"<input\b[^>]*\bvalue=[\"']\s*{_WORD}\s*[\"']", re.IGNORECASE),
    re.compile(rf"\baria-label=[\"']\s*{_WORD}\s*[\"']", re.IGNORECASE),
    re.compile(rf"\b\w*(?:button|action|menu_item|submit)\w*\(\s*(?:label\s*=\s*)?[\"']{_WORD}[\"']", re.IGNORECASE),
    re.compile(rf"{{%-?\s*call\s+[\w.]*(?:button|submit)\w*\([^%]*%}}{_TEXT}{{%-?\s*endcall", re.IGNORECASE),
)


def check_templates(root: Path) -> Iterator[Finding]:
    """Buttons in every template whose whole label is a bare verb."""
    for name in project_files(root):
        if name.startswith(PACKAGE.as_posix()) and name.endswith((".html", ".jinja", ".j2")):
            yield from _check_template(name, (root / name).read_text(encoding="utf-8"))


def _check_template(name: str, text: str) -> Iterator[Finding]:
    for pattern in _BUTTONS:
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            label = re.sub(r"<[^>]*>", "", found[0]).strip() or found[0]
            yield Finding(name, line, RULE, f"{label!r} does not say what it acts on: verb, object, identity.")

from pathlib import Path

import pytest

from tools.house.macros import check_macros

TEMPLATE = Path("src/modelyard/entrypoints/web/templates/page.html")
IMPORT = '<p></p>\n{% from "macros/actions.html" import button, icon as drawn with context %}\n'


def findings_in(project: Path, text: str) -> list[tuple[int, str]]:
    path = project / TEMPLATE
    path.parent.mkdir(parents=True)
    path.write_text(IMPORT + text, encoding="utf-8")
    return [(finding.line, finding.message.split()[0]) for finding in check_macros(project)]


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("button drawn {# button() drawn() #}", ["button", "drawn"]),
        ("{{ button('Show') }}", ["drawn"]),
        ("{% call button() %}{{ icon }}{% endcall %}", ["drawn"]),
        ("{% block content %}{% if x %}{{ frame(button('A'), drawn) }}{% endif %}{% endblock %}", []),
    ],
)
def test_a_macro_that_is_imported_is_used(project: Path, text: str, unused: list[str]) -> None:
    assert findings_in(project, text) == [(2, name) for name in unused]

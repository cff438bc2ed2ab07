from pathlib import Path

import pytest

from tools.house.labels import check_templates

TEMPLATE = Path("src/modelyard/entrypoints/web/templates/page.html")


def labels_in(project: Path, text: str) -> list[int]:
    path = project / TEMPLATE
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return [finding.line for finding in check_templates(project)]


@pytest.mark.parametrize(
    "text",
    [
        "<button>Delete</button>",
        '<button class="x"\n type="submit">\n  Create\n</button>',
        '<button><svg class="icon"><use href="#pencil"></use></svg> Edit</button>',
        '<a class="button primary" href="/x">Promote</a>',
        '<input type="submit" value="Submit">',
        '<button aria-label="Delete"><svg></svg></button>',
        '{{ button("Delete") }}',
        "{{ ui.submit_button(label='Create', kind='primary') }}",
        '{% call ui.button(kind="danger") %}Delete{% endcall %}',
        "<button>Promote…</button>",
    ],
)
def test_a_bare_verb_is_no_label(project: Path, text: str) -> None:
    assert len(labels_in(project, text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "<button>Delete project {{ project.path }}</button>",
        '{{ button("Create experiment") }}',
        "<h2>Delete</h2>",
        '<a href="/x">Edit</a>',
        "<button>Cancel</button>",
    ],
)
def test_a_whole_label_or_another_element_passes(project: Path, text: str) -> None:
    assert labels_in(project, text) == []


def test_the_line_of_the_button_is_named(project: Path) -> None:
    assert labels_in(project, "<main>\n<p>Text</p>\n<button>Delete</button>\n</main>") == [3]

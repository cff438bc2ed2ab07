"""Groups and projects as rows of a list, and what a description looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.entrypoints.web.navigation import namespace_url, project_url
from modelyard.platform.markdown import safe_html

_MOST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A group or project in a list. `label` is its name with the names that lead to it."""

    name: str
    label: str
    url: str
    visibility: str
    description: str = ""
    active_at: datetime | None = None
    counts: tuple[tuple[str, int], ...] = ()


def project_row(project: Project, *, short: bool = False) -> PlaceRow:
    """A project; `short` where the page says already which group it is in."""
    label = project.name if short else f"{project.namespace.full_path.replace('/', ' / ')} / {project.name}"
    return PlaceRow(
        project.name,
        label,
        project_url(project),
        project.visibility,
        _first_line(project.description),
        project.last_activity_at,
    )


def group_row(group: Namespace, *, short: bool = False) -> PlaceRow:
    """A group; `short` where the page says already which group it is in."""
    label = group.name if short or not group.parent_id else group.full_path.replace("/", " / ")
    return PlaceRow(group.name, label, namespace_url(group), group.visibility, _first_line(group.description))


def rows_of(groups: Sequence[Namespace], projects: Sequence[Project], *, short: bool = False) -> list[PlaceRow]:
    """Groups first, then projects."""
    return [
        *(group_row(group, short=short) for group in groups),
        *(project_row(project, short=short) for project in projects),
    ]


def described(text: str) -> Markup:
    """A description, written in Markdown, as markup; empty where nothing is written."""
    return Markup(safe_html(text)) if text.strip() else Markup()  # noqa: S704  # sanitised by safe_html


def _first_line(description: str) -> str:
    line = description.strip().split("\n", 1)[0].lstrip("#").strip()
    return line if len(line) <= _MOST_SHOWN else line[: _MOST_SHOWN - 1] + "…"

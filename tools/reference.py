"""`python -m tools.reference`: writes the reference pages that code itself knows best, in `docs/reference`.

A test compares them with the code, so that a new ability, setting or route is documented before it is merged.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, get_args, get_origin

from modelyard.domains.accounts.actor import SENTENCES, Scope
from modelyard.domains.namespaces.access import RULES, Ability, Role, Rule
from modelyard.entrypoints.mlflow.router import API_PREFIXES
from modelyard.entrypoints.mlflow.routes import all_routes
from modelyard.entrypoints.rest.app import MOUNTS
from modelyard.entrypoints.rest.openapi import who_may
from modelyard.platform.settings import declarations

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("docs/reference")
NOTICE = "<!-- Written by `python -m tools.reference`; change the code, not this page. -->"

Row = tuple[str, ...]


def table(heads: Row, rows: Iterable[Row]) -> str:
    """A table of Markdown."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def page(title: str, *parts: str) -> str:
    """A page of paragraphs and tables."""
    return "\n\n".join([f"# {title}", NOTICE, *parts]) + "\n"


# Permissions


def permissions() -> str:
    """Who may do what: `access.RULES` and the scopes of tokens."""
    roles: list[Role] = [role for role in Role if role > Role.NONE]
    heads = ("May …", "Visitors", *(f"{role.name.title()} ({role.value})" for role in roles), "Scopes of a token")
    return page(
        "Permissions",
        "A role in a group holds for everything below it; somebody with several roles has the greatest.\n"
        "Visitors are those without a role: everybody at what is public, whoever is signed in at what is internal.\n"
        "What somebody may not see answers 404, as if it were not there.\n"
        "Administrators may do everything.",
        table(heads, (_permission(ability, rule, roles) for ability, rule in RULES.items())),
        "Rows marked * belong to a part of a project that can be switched off, or be kept for members alone"
        " (`model_experiments_access_level`, `model_registry_access_level`, `package_registry_access_level`).\n"
        "Rows marked † stop while a project is archived.",
        "## Scopes of access tokens",
        "A scope narrows what the token's user may do; it never widens it.",
        table(("Scope", "What it is for"), ((f"`{scope}`", SENTENCES[scope]) for scope in Scope)),
    )


def _permission(ability: Ability, rule: Rule, roles: list[Role]) -> Row:
    marks = ("*" if rule.feature else "") + ("†" if rule.stops_when_archived else "")
    scopes = ", ".join(f"`{scope}`" for scope in Scope if scope in rule.scopes)
    allowed = ["yes" if role >= rule.least else "" for role in roles]
    return (f"{ability.value} {marks}".strip(), "yes" if rule.open_to_all else "", *allowed, scopes)


# Settings


def settings() -> str:
    """Every setting, as `modelyard settings` lists them."""
    rows = [
        (f"`{one.name}`", f"`{one.variable}`", _kind(one.kind), _code(one.default), one.sentence)
        for one in declarations()
    ]
    return page(
        "Settings",
        "A flag of the command line counts more than a variable of the environment, and that more than the TOML file"
        " that `MODELYARD_CONFIG` names.",
        table(("Name", "Variable", "Kind", "Default", "What it says"), rows),
    )


def _code(default: object) -> str:
    return f"`{default}`" if str(default) else ""


def _kind(kind: object) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    names = {bool: "true or false", int: "whole number", str: "text", Path: "path"}
    return names[kind] if isinstance(kind, type) and kind in names else str(kind)


# Routes


def mlflow_routes() -> str:
    """Every route of the MLflow protocol."""
    prefixes = ", ".join(f"`{prefix.decode().strip('/')}`" for prefix in API_PREFIXES)
    rows = [(route.method, f"`{route.path}`", who_may(route.policy)) for route in all_routes().all]
    return page(
        "Routes of the MLflow protocol",
        "Below a project's address, `/api/v4/projects/ID/ml/mlflow`, and at the server's root, where the project is the"
        " workspace that the client names, or the token's default project.",
        f"Paths that do not begin with `/` follow any of these prefixes, which all mean the same: {prefixes}.",
        table(("Method", "Path", "Who may"), sorted(rows, key=lambda row: (row[1], row[0]))),
    )


def rest_routes() -> str:
    """Every route of REST."""
    parts: list[str] = []
    for routes in MOUNTS:
        rows = [
            (
                one.method,
                f"`{one.path}`",
                (one.handler.__doc__ or "").partition("\n")[0],
                who_may(one.policy),
            )
            for one in routes.all
        ]
        parts += [f"## {routes.tag}", table(("Method", "Path", "What it does", "Who may"), rows)]
    return page(
        "REST routes",
        "Below `/api/v4`, compatible with GitLab's clients; `/api/v4/openapi.json` describes parameters and answers.\n"
        "A project or group is named by its number or by its URL-encoded full path.\n"
        "A token goes into the header `PRIVATE-TOKEN`, or `Authorization` as Bearer or as the password of Basic.",
        *parts,
    )


PAGES: dict[str, Callable[[], str]] = {
    "permissions.md": permissions,
    "settings.md": settings,
    "mlflow-routes.md": mlflow_routes,
    "rest-routes.md": rest_routes,
}


def stale(root: Path) -> list[str]:
    """The pages that say something else than the code."""
    folder = root / FOLDER
    return [
        name
        for name, write in PAGES.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != write()
    ]


def main() -> int:
    """Write every page."""
    folder = ROOT / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (folder / name).write_text(write(), encoding="utf-8")
        print(FOLDER / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Documents may not rot: what they name must be there, and what is there must be in them."""

import dataclasses
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dev
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.search.parser import parse_filter, parse_order
from modelyard.domains.tracking.search.vocabulary import CANDIDATES
from modelyard.entrypoints.cli.main import every_command
from modelyard.entrypoints.mlflow.routes import all_routes
from modelyard.platform.errors import Invalid
from modelyard.platform.settings import PREFIX, declarations
from tests.architecture.documents import ROOT, Document, document, documents
from tools.command_reference import commands_below, written_page
from tools.house.sources import project_files

COMMANDS = "docs/reference/command-line.md"
EVENTS = "docs/reference/events.md"
MLFLOW = "docs/reference/mlflow-routes.md"
MONITORING = "docs/how-to/monitor.md"
PERMISSIONS = "docs/reference/permissions.md"
SEARCH = "docs/reference/search-language.md"
SETTINGS = "docs/reference/settings.md"

VARIABLE = re.compile(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b")
# `modelyard` where a command can stand, and the words after it up to the end of that command.
COMMAND = re.compile(r"(?:^|[\s(|;&`])(?:modelyard|python3? -m modelyard) +([a-z][^|;&)#`]*)")
DEVELOPING = re.compile(r"python3? dev\.py +([a-z]+)")
NAMED_FILE = re.compile(r"[\w.][\w./-]*")
EXTENSIONS = (".py", ".md", ".toml", ".json", ".c", ".html", ".css", ".js")

every_document = pytest.mark.parametrize("text", documents(), ids=lambda text: text.path)


THE_COMMANDS = dict(commands_below(every_command()))


def options_of(command: Any) -> set[str]:  # noqa: ANN401  # typer's own class, which it does not publish
    """Every `--option` of a command, and the two that all of them have."""
    spelled = (option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
    return {option for option in spelled if option.startswith("--")} | {"--help"}


# What documents name must be there


@every_document
def test_every_link_leads_somewhere(text: Document) -> None:
    broken = [link for link in text.links if not link.startswith(("http://", "https://")) and not leads(text, link)]
    assert not broken, f"{text.path} links to what is not there: {broken}"


def leads(text: Document, link: str) -> bool:
    """Whether a relative link has a file, and the heading that it names."""
    path, _, anchor = link.partition("#")
    target = (ROOT / text.path).parent / path if path else ROOT / text.path
    if not target.exists():
        return False
    if not anchor:
        return True
    return anchor in document(target.resolve().relative_to(ROOT).as_posix()).anchors


@every_document
def test_every_named_file_is_there(text: Document) -> None:
    written = {block.file for block in text.blocks if block.file}
    missing = [span for span in text.spans if names_a_file(span) and span not in written and not is_file(text, span)]
    assert not missing, f"{text.path} names files that are not there: {missing}"


def top_folders() -> set[str]:
    """Folders in which a path may begin: the project's, and those of the package."""
    package = ROOT / "src" / "modelyard"
    listed = {name.split("/")[0] for name in project_files(ROOT) if "/" in name}
    return listed | {path.name for path in package.iterdir() if path.is_dir()}


def names_a_file(span: str) -> bool:
    if not NAMED_FILE.fullmatch(span.removesuffix("/**").removesuffix("/*")):
        return False
    first, slash, _ = span.partition("/")
    return bool(slash and first in top_folders()) or span.endswith(EXTENSIONS)


def is_file(text: Document, span: str) -> bool:
    path = span.removesuffix("/**").removesuffix("/*")
    parents = (ROOT, (ROOT / text.path).parent, ROOT / "src" / "modelyard")
    if any((parent / path).exists() for parent in parents):
        return True
    return "/" not in path and any(Path(name).name == path for name in project_files(ROOT))


@every_document
def test_every_named_command_is_there(text: Document) -> None:
    wrong = [
        f"modelyard {words}"
        for line in text.commands
        for words in COMMAND.findall(line)
        if not is_command(words.split())
    ]
    wrong += [
        f"dev.py {word}" for line in text.commands for word in DEVELOPING.findall(line) if word not in dev.COMMANDS
    ]
    assert not wrong, f"{text.path} names commands or options that are not there: {wrong}"


def is_command(words: list[str]) -> bool:
    """Whether the first words call a command, or a group of commands that is meant as a whole, with its options."""
    for length in range(len(words), 0, -1):
        command = THE_COMMANDS.get(tuple(words[:length]))
        if command is not None:
            given = {word.partition("=")[0] for word in words[length:] if word.startswith("--")}
            return given <= options_of(command)
    return len(words) == 1 and any(path[0] == words[0] for path in THE_COMMANDS)


@every_document
def test_every_named_setting_is_there(text: Document) -> None:
    known = {declared.variable for declared in declarations()} | {PREFIX + "CONFIG"}
    unknown = sorted(set(VARIABLE.findall(text.text)) - known)
    assert not unknown, f"{text.path} names settings that are not there: {unknown}"


# What is there must be in the documents


def told(path: str) -> str:
    """The text of a reference page."""
    page = ROOT / path
    assert page.exists(), f"{path} is missing."
    return page.read_text(encoding="utf-8")


def test_every_setting_has_its_reference() -> None:
    text = told(SETTINGS)
    missing = [declared.variable for declared in declarations() if f"`{declared.variable}`" not in text]
    assert not missing, f"{SETTINGS} does not know {missing}; run `python3 -m tools.reference`."


def test_every_ability_has_its_reference() -> None:
    text = told(PERMISSIONS).lower()
    missing = [ability.value for ability in Ability if ability.value.lower() not in text]
    assert not missing, f"{PERMISSIONS} does not know {missing}; run `python3 -m tools.reference`."


def test_every_family_of_mlflow_routes_has_its_reference() -> None:
    text = told(MLFLOW)
    families = {family_of(route.path) for route in all_routes().all}
    missing = sorted(family for family in families if family not in text)
    assert not missing, f"{MLFLOW} does not know {missing}; run `python3 -m tools.reference`."


def family_of(path: str) -> str:
    """`mlflow/runs` of `mlflow/runs/get`; a path directly below the base is its own."""
    parts = path.strip("/").split("/")
    return "/".join(parts[:2])


def test_every_command_and_option_has_its_reference() -> None:
    assert told(COMMANDS) == written_page(), f"{COMMANDS} is old; run `python -m tools.command_reference`."


def events() -> list[type]:
    """Every event: the frozen dataclasses in the domains' `events.py`."""
    found: list[type] = []
    for path in sorted((ROOT / "src/modelyard/domains").glob("*/events.py")):
        module = importlib.import_module(f"modelyard.domains.{path.parent.name}.events")
        found += [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
        ]
    return found


@pytest.mark.parametrize("event", events(), ids=lambda event: event.__name__)
def test_every_event_has_its_reference(event: type) -> None:
    rows = [line for line in told(EVENTS).splitlines() if line.startswith(f"| `{event.__name__}` |")]
    assert len(rows) == 1, f"{EVENTS} has {len(rows)} rows for {event.__name__}."
    fields = {field.name for field in dataclasses.fields(event)}
    named = set(re.findall(r"`(\w+)`", rows[0])) - {event.__name__}
    assert named == fields, f"{EVENTS}, {event.__name__}: fields are {sorted(fields)}, the page has {sorted(named)}."


def test_every_figure_has_its_line_in_the_guide() -> None:
    exposition = (ROOT / "src/modelyard/entrypoints/operator/exposition.py").read_text(encoding="utf-8")
    exposed = {name.removesuffix("_total") for name in re.findall(r'"(modelyard_\w+)"', exposition)}
    told_of = {name.removesuffix("_total") for name in re.findall(r"`(modelyard_\w+)`", told(MONITORING))}
    assert exposed == told_of, f"{MONITORING} has other figures than /metrics: {sorted(exposed ^ told_of)}"


def test_every_fragment_of_the_changelog_says_its_kind() -> None:
    names = [path.name for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]
    kinds = "added|changed|fixed|removed|security"
    wrong = [name for name in names if not re.fullmatch(rf"[a-z0-9-]+\.({kinds})\.md", name)]
    assert not wrong, f"changelog.d/README.md says how fragments are named; these are not: {wrong}"


# Examples that are read without a server


def examples(language: str) -> list[tuple[str, bool]]:
    """The search page's examples: the text, and whether it is said to be refused."""
    blocks = [block for block in document(SEARCH).blocks if block.language == language]
    return [(block.body.strip(), block.is_marked("refused")) for block in blocks]


def reads(read: Callable[[], object]) -> bool:
    try:
        read()
    except Invalid:
        return False
    return True


@pytest.mark.parametrize(("text", "is_refused"), examples("filter"))
def test_every_filter_on_the_search_page_is_read_as_it_says(text: str, *, is_refused: bool) -> None:
    assert reads(lambda: parse_filter(text, CANDIDATES)) is not is_refused


@pytest.mark.parametrize(("text", "is_refused"), examples("order"))
def test_every_order_on_the_search_page_is_read_as_it_says(text: str, *, is_refused: bool) -> None:
    assert reads(lambda: parse_order([text], CANDIDATES)) is not is_refused

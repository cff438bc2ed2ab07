"""Writes the reference of the command line from the commands themselves: `python -m tools.command_reference`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelyard.entrypoints.cli.main import every_command

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "command-line.md"
_HEAD = """\
# Commands

Everything that `modelyard` can do.
`modelyard COMMAND --help` says the same on the terminal, `modelyard --version` which version it is.

Options that are settings, too, win over `MODELYARD_*` variables, which win over the file that `MODELYARD_CONFIG` names.
All [settings](settings.md) have a variable.

<!-- Written by `python -m tools.command_reference` from the commands themselves; change those. -->
"""
_KINDS = {int: "NUMBER", str: "TEXT", Path: "PATH", float: "NUMBER"}
_EXAMPLES = ("Example:", "Examples:")


def commands_below(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401  # typer does not publish the class of its commands
    """Every command that does something, by the words that call it."""
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield words, command
    for name, subcommand in subcommands.items():
        yield from commands_below(subcommand, (*words, name))


def written_page() -> str:
    """The page as it has to be."""
    return "\n".join([_HEAD, *(_section(words, command) for words, command in commands_below(every_command()))])


def _section(words: tuple[str, ...], command: Any) -> str:  # noqa: ANN401  # as above
    parameters = [parameter for parameter in command.params if not parameter.hidden and parameter.name != "help"]
    rows = [f"| {_spelled(parameter)} | {_sentence(parameter)} |" for parameter in parameters]
    table = ["| | |", "|---|---|", *rows] if rows else []
    return "\n".join([f"## `modelyard {' '.join(words)}`", "", *_told(command.help or ""), *table, ""])


def _spelled(parameter: Any) -> str:  # noqa: ANN401  # as above
    """How a parameter is written on the command line."""
    if not parameter.opts[0].startswith("-"):
        return f"`{parameter.metavar or parameter.name.upper()}`"
    options = [*parameter.opts, *parameter.secondary_opts]
    value = "" if parameter.is_flag else f" {_KINDS[parameter.type_descriptor.annotation]}"
    return ", ".join(f"`{option}{value}`" for option in options if option.startswith("--"))


def _sentence(parameter: Any) -> str:  # noqa: ANN401  # as above
    required = " Required." if parameter.required and parameter.opts[0].startswith("-") else ""
    return f"{parameter.help or ''}{required}".replace("|", "\\|")


def _told(text: str) -> Iterator[str]:
    """The help in Markdown: a line for each paragraph, and the indented lines after `Examples:` as code."""
    paragraph: list[str] = []
    examples: list[str] = []
    for line in text.replace("\f", "").splitlines():
        if line.strip() in _EXAMPLES:
            continue
        if line.startswith("    "):
            examples.append(line.strip())
        elif line.strip():
            yield from _fenced(examples)
            examples = []
            paragraph.append(line.strip())
        elif paragraph:
            yield from (" ".join(paragraph), "")
            paragraph = []
    if paragraph:
        yield from (" ".join(paragraph), "")
    yield from _fenced(examples)


def _fenced(lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("```sh", *lines, "```", "")


if __name__ == "__main__":
    PAGE.write_text(written_page(), encoding="utf-8")

"""A group of commands whose modules are loaded when one of them is called; listing them loads nothing."""

import importlib
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command


@dataclass(frozen=True)
class Late:
    """One command: the module that has it as `app`, and its sentence in the list."""

    module: str
    sentence: str

    def load(self) -> Any:  # noqa: ANN401  # typer does not publish the class of its commands
        return get_command(importlib.import_module(self.module).app)


class LateGroup(TyperGroup):
    """Puts the real command in the place of its entry in the list before it is called."""

    table: dict[str, Late]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  # as above
        if args and args[0] in self.table:
            self.commands[args[0]] = self.table[args[0]].load()
        return super().resolve_command(ctx, args)


def late_app(table: dict[str, Late], **options: Any) -> typer.Typer:  # noqa: ANN401  # what typer.Typer takes
    """A typer application of these commands."""
    group = type("Commands", (LateGroup,), {"table": table})
    app = typer.Typer(cls=group, **options)
    for name, late in table.items():
        app.command(name, help=late.sentence)(_nothing)
    return app


def complete(app: typer.Typer, table: dict[str, Late]) -> Any:  # noqa: ANN401  # as above
    """The group with every command loaded, for whoever describes them all."""
    group: Any = get_command(app)
    for name, late in table.items():
        group.commands[name] = late.load()
    return group


def _nothing() -> None:
    """Stands in the list for a command that is not loaded yet."""

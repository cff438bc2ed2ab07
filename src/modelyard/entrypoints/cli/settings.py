"""`modelyard settings`: what can be set, and what is."""

import dataclasses
import json

import typer

from modelyard.entrypoints.cli.options import AsJson
from modelyard.platform.settings import Declaration, Settings, declarations, load_settings
from modelyard.platform.telemetry import masked

app = typer.Typer(add_completion=False)

SECRET = frozenset({"secret_key", "metrics_token"})


@app.command()
def settings(as_json: AsJson = False) -> None:
    """List every setting with its value and what it means.

    A setting comes from a flag, else from its MODELYARD_* variable, else from the TOML file that MODELYARD_CONFIG
    names, else from its default. Secrets are not shown.

    Examples:
        modelyard settings

        MODELYARD_PORT=9000 modelyard settings --json
    """
    current = load_settings()
    if as_json:
        values = {declared.name: _shown(declared, current) for declared in declarations()}
        typer.echo(json.dumps(values, indent=2))
        return
    for declared in declarations():
        value = _shown(declared, current)
        note = "" if getattr(current, declared.name) != declared.default else "  (default)"
        typer.echo(f"{declared.variable}={value}{note}\n    {declared.sentence}")


def _shown(declared: Declaration, current: Settings) -> str | int | bool:
    """A value as it may be seen by others."""
    value = dataclasses.asdict(current)[declared.name]
    if declared.name in SECRET and value:
        return "***"
    return value if isinstance(value, bool | int) else masked(str(value))

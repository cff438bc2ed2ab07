"""Background tasks: how the queue stands, what failed, and another try."""

import json
from typing import Annotated

import typer

from modelyard.entrypoints.cli.opening import installed
from modelyard.entrypoints.cli.options import AsJson, Data, DatabaseUrl
from modelyard.platform.settings import load_settings
from modelyard.platform.tasks.queue import queue_state, retry, troubled

app = typer.Typer(add_completion=False)


@app.command("tasks")
def list_tasks(as_json: AsJson = False, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Say how many background tasks there are by state, and list those that have failed.

    Example:
        modelyard admin tasks
    """
    with (
        installed(load_settings({"data": data, "database_url": database_url})) as database,
        database.read() as session,
    ):
        state, failed = queue_state(session), troubled(session)
    if as_json:
        rows = [
            {"id": it.id, "kind": it.kind, "state": it.state, "attempt": it.attempt, "error": it.last_error}
            for it in failed
        ]
        typer.echo(json.dumps({"counts": state.counts, "failed": rows}, indent=2))
        return
    typer.echo(", ".join(f"{count} {name}" for name, count in state.counts.items()))
    for it in failed:
        typer.echo(f"{it.id:8} {it.state:8} attempt {it.attempt:2}  {it.kind}: {it.last_error}")


@app.command("retry-task")
def retry_task(
    number: Annotated[int, typer.Argument(help="The number of a dead task, from `modelyard admin tasks`.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Let a dead task be tried again, from its first attempt.

    Example:
        modelyard admin retry-task 42
    """
    with (
        installed(load_settings({"data": data, "database_url": database_url})) as database,
        database.write(changes_access=False, uses_reserve=True) as session,
    ):
        retry(session, number)
    typer.echo(f"Task {number} is tried again.")

"""W1: start a run, as the MLflow client does from a script."""

from benchmarks import load, tracking
from benchmarks.race import Race

TITLE = "W1 create-run"


def measure(race: Race) -> None:
    """Create runs in one experiment over 1 and 16 connections."""
    experiments = {server.name: tracking.create_experiment(server, "w1") for server in race.each(TITLE)}
    for connections in (1, 16):
        title = f"{TITLE}, {connections} conn"
        for server in race.turns(title):
            request = load.post(server, "runs/create", tracking.create_run_body(experiments[server.name]))
            found = load.drive(server, [request], connections=connections, seconds=race.sizes.seconds)
            race.record_load(server, f"W1.{connections}", title, found, per_request=(1, "req"))

"""W2: log one metric a request."""

from benchmarks import load, tracking
from benchmarks.race import Race

TITLE = "W2 log-metric"
MOST_CONNECTIONS = 64


def measure(race: Race) -> None:
    """Each connection logs to a run of its own, over 1, 16 and 64 connections."""
    runs = {server.name: tracking.create_runs(server, "w2", MOST_CONNECTIONS) for server in race.each(TITLE)}
    point = tracking.metric("loss", f"{tracking.FIRST_MS}{tracking.SEQUENCE}0000", f"1{tracking.SEQUENCE}")
    body = f'{{"run_id": "{tracking.ANY_RUN}", {point[1:]}'
    for connections in (1, 16, MOST_CONNECTIONS):
        title = f"{TITLE}, {connections} conn"
        for server in race.turns(title):
            request = load.post(server, "runs/log-metric", body)
            found = load.drive(
                server, [request], connections=connections, seconds=race.sizes.seconds, items=runs[server.name]
            )
            race.record_load(server, f"W2.{connections}", title, found, per_request=(1, "req"))

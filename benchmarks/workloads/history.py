"""W6: read the whole history of one metric."""

from benchmarks import load, tracking
from benchmarks.race import Race
from benchmarks.samples import Unmeasurable
from benchmarks.servers import Server

TITLE = "W6 get-history"
KEY = "loss"
BATCH = 1000


def _log_series(server: Server, points: int) -> str:
    """The run that has them, logged a thousand at a time."""
    run_id = tracking.create_runs(server, "w6", 1)[0]
    request = load.post(server, "runs/log-batch", tracking.series_batch_body(run_id, [KEY], BATCH))
    batches = points // BATCH
    found = load.drive(server, [request], connections=1, at_least=batches, at_most=batches)
    if found.failure is not None:
        raise Unmeasurable(f"{server.name} could not be filled with a history: {found.failure}")
    return run_id


def measure(race: Race) -> None:
    """Over one connection, again and again; the answer must hold every point."""
    points, routes = race.sizes.points, {}
    for server in race.each(f"{TITLE}, logging {points} points"):
        run_id = _log_series(server, points)
        history = tracking.call(server, "GET", "metrics/get-history", run_id=run_id, metric_key=KEY)["metrics"]
        if len(history) != points:
            raise Unmeasurable(f"{server.name} returned {len(history)} of {points} points.")
        routes[server.name] = f"metrics/get-history?run_id={run_id}&metric_key={KEY}"
    title = f"{TITLE}, {points} points"
    for server in race.turns(title):
        found = load.drive(
            server, [load.get(server, routes[server.name])], connections=1, seconds=race.sizes.seconds, at_least=2
        )
        race.record_load(server, "W6", title, found, per_request=(1, "req"))

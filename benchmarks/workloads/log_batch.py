"""W3 and W4: log many metrics a request: a thousand (10 keys, 100 steps), and the ten of one step."""

from dataclasses import dataclass

from benchmarks import load, tracking
from benchmarks.race import Race

KEYS = [f"metric_{number}" for number in range(10)]


@dataclass(frozen=True)
class Batches:
    """A kind of batch and the numbers of connections it is sent over."""

    key: str
    title: str
    steps: int
    connections: tuple[int, ...]

    @property
    def points(self) -> int:
        return self.steps * len(KEYS)

    @property
    def body(self) -> str:
        return tracking.series_batch_body(tracking.ANY_RUN, KEYS, self.steps)


THOUSAND = Batches("W3", "W3 log-batch of 1000", 100, (1, 8))
TEN = Batches("W4", "W4 log-batch of 10", 1, (16,))


def measure(race: Race, batches: Batches) -> None:
    """Each connection logs to a run of its own."""
    most = max(batches.connections)
    runs = {server.name: tracking.create_runs(server, batches.key.lower(), most) for server in race.each(batches.title)}
    for connections in batches.connections:
        title = f"{batches.title}, {connections} conn"
        for server in race.turns(title):
            request = load.post(server, "runs/log-batch", batches.body)
            found = load.drive(
                server, [request], connections=connections, seconds=race.sizes.seconds, items=runs[server.name]
            )
            key = f"{batches.key}.{connections}"
            race.record_load(server, key, title, found, per_request=(batches.points, "points"))


def measure_thousand(race: Race) -> None:
    """W3."""
    measure(race, THOUSAND)


def measure_ten(race: Race) -> None:
    """W4."""
    measure(race, TEN)

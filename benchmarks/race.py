"""The contenders on one engine, all started, of which only the one whose turn it is may run."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import browser, load, postgres, processes, servers
from benchmarks.contenders import Contender, Product
from benchmarks.load import Load
from benchmarks.samples import Measure, Samples, Turn, Unmeasurable
from benchmarks.servers import Server


@dataclass(frozen=True)
class Sizes:
    """How long and how much: the run's whole dial."""

    seconds: float
    rounds: int
    candidates: int  # of W5
    points: int  # of W6
    settle_seconds: float  # before a server counts as idle
    training_steps: int  # of W10
    disk_batches: int  # of the bytes a point


USUAL = Sizes(2, 3, 10_000, 100_000, 8, 100, 100)
QUICK = Sizes(0.3, 1, 300, 5_000, 1, 5, 5)


@dataclass
class Race:
    """Running servers, whose turn it is, and what was found so far."""

    sizes: Sizes
    directory: Path
    samples: Samples
    servers: list[Server] = field(default_factory=list)
    cluster: postgres.Cluster | None = None
    workload: str = ""
    fallen: set[str] = field(default_factory=set)
    begun: float = field(default_factory=time.monotonic)

    def awake(self, server: Server | None) -> contextlib.AbstractContextManager[None]:
        """Let one server run and no other, or none at all."""
        return processes.paused([other.leader for other in self.servers if other is not server and other.leader])

    def those_of(self, only: Product | None) -> list[Server]:
        """The servers of one product, or all."""
        return [server for server in self.servers if only in {None, server.contender.product}]

    def each(self, doing: str, *, only: Product | None = None) -> Iterator[Server]:
        """Every server once, alone, for what is not measured."""
        for server in self.those_of(only):
            self.say(f"{doing}: {server.name}")
            with self.awake(server):
                yield server

    def turns(self, doing: str, *, rounds: int | None = None, only: Product | None = None) -> Iterator[Server]:
        """Every server in every round, alone, in the opposite order in every second one.

        Rounds are short and contenders alternate, so that what disturbs the machine disturbs them alike.
        Who has failed a request sits out the rest: mlflow's failures take half a minute each.
        """
        self.fallen.clear()
        taking_part = self.those_of(only)
        for number in range(rounds or self.sizes.rounds):
            for server in taking_part if number % 2 == 0 else reversed(taking_part):
                if server.name in self.fallen:
                    continue
                self.say(f"{doing}, round {number + 1}: {server.name}")
                with self.turn(server, awake=server):
                    yield server

    @contextlib.contextmanager
    def turn(self, server: Server, *, awake: Server | None) -> Iterator[None]:
        """One contender's turn, between two looks at the gauge."""
        with self.awake(awake):
            before = load.gauge(self.directory)
            yield
            self.samples.turns.append(Turn(self.workload, server.name, before, load.gauge(self.directory)))

    def record(self, server: Server, measure: Measure, value: float) -> None:
        """Keep a sample."""
        self.samples.add(measure, server.name, value)

    def record_load(self, server: Server, key: str, title: str, found: Load, *, per_request: tuple[int, str]) -> None:
        """Keep the rate, the latencies and the processor time of one run of the driver.

        `per_request` is how many of which unit a request carries: (1000, "points").
        """
        amount, unit = per_request
        figures = (
            (Measure(f"{key}.rate", title, f"{unit}/s", is_better_higher=True), found.rate * amount),
            (Measure(f"{key}.p50", title, "p50 ms"), found.p50_ms),
            (Measure(f"{key}.p99", title, "p99 ms"), found.p99_ms),
            (Measure(f"{key}.cpu", title, "server CPU ms/request"), found.server_cpu_ms),
        )
        self.samples.driver_shares[f"{title}, {server.name}"] = found.driver_share
        for measure, value in figures:
            if found.failure is None:
                self.samples.add(measure, server.name, value)
            else:
                self.samples.add_failure(measure, server.name, found.failure)
        if found.failure is not None:
            self.fallen.add(server.name)
            self.say(f"{title}, {server.name}: {found.failure}")

    def say(self, text: str) -> None:
        """Tell the person who waits what is going on, and for how long already."""
        minutes, seconds = divmod(int(time.monotonic() - self.begun), 60)
        print(f"{minutes:3}:{seconds:02} {text}", file=sys.stderr, flush=True)

    def add_server(self, contender: Contender, name: str) -> Server:
        """A server of the contender with an empty data directory and, on PostgreSQL, an empty database."""
        directory = self.directory / name
        directory.mkdir()
        if self.cluster is None:
            return Server(contender, directory)
        url = postgres.create_database(self.cluster, name)
        return Server(contender, directory, database_url=url, database_leader=self.cluster.leader)


def _enrol(race: Race, server: Server) -> None:
    """Get what clients and, for our pages, a browser need. Without pages the rest can still be measured."""
    if server.contender.product is Product.MODELYARD:
        try:
            browser.sign_up(server)
        except Unmeasurable as fault:
            race.say(f"no browser can sign in: {fault}")
    servers.enrol(server)


@contextlib.contextmanager
def started(race: Race, contenders: Sequence[Contender]) -> Iterator[None]:
    """Start a server for each contender, ready for clients; stop them all at the end."""
    try:
        for contender in contenders:
            race.say(f"starting {contender.name}")
            server = race.add_server(contender, contender.name)
            with race.awake(server):
                servers.start(server)
                race.servers.append(server)
                servers.wait_until_quiet(server)
                _enrol(race, server)
        yield
    finally:
        for server in race.servers:
            servers.stop(server)

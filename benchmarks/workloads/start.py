"""W9: how long a server takes to be there, and what it weighs when nothing happens."""

import time

from benchmarks import processes, servers
from benchmarks.race import Race
from benchmarks.samples import Measure
from benchmarks.servers import Server

FIRST = Measure("W9.first", "W9 start on an empty directory", "s to the first 200")
AGAIN = Measure("W9.again", "W9 start on existing data", "s to the first 200")
IDLE = Measure("W9.idle", "W9 idle memory, all processes", "MB PSS")
PATIENCE_SECONDS = 10


def measure(race: Race) -> None:
    """Start a second server of each contender on data of its own, everybody else paused.

    Quick starters are started again for the median; nobody waits for a third start of a slow one.
    """
    for running in race.servers:
        race.say(f"W9 start: {running.name}")
        with race.turn(running, awake=None):
            begun, number = time.monotonic(), 0
            while number < race.sizes.rounds and (number == 0 or time.monotonic() - begun < PATIENCE_SECONDS):
                number += 1
                _measure_once(race, running, number)


def _measure_once(race: Race, running: Server, number: int) -> None:
    server = race.add_server(running.contender, f"{running.name}-start-{number}")
    try:
        race.record(running, FIRST, servers.start(server))
        servers.stop(server)
        race.record(running, AGAIN, servers.start(server))
        if number == 1:
            time.sleep(race.sizes.settle_seconds)
            race.record(running, IDLE, processes.pss_bytes(server.leader) / 1e6)
    finally:
        servers.stop(server)

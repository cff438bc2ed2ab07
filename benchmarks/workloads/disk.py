"""Bytes a point: how much a database grows by what is logged, fresh and after our compaction."""

from benchmarks import load, servers, tracking
from benchmarks.contenders import Product
from benchmarks.race import Race
from benchmarks.samples import Measure, Unmeasurable
from benchmarks.servers import Server
from benchmarks.workloads.log_batch import TEN, THOUSAND, Batches

COMPACT_COMMAND = ("admin", "compact")
COMPACTED = Measure("disk.compacted", "Disk, after compaction (peers: as it is)", "bytes/point")


def measure(race: Race) -> None:
    """Log both kinds of batches to a run each, and look at the database in between."""
    for server in race.turns("Disk", rounds=1):
        _compact(server)
        begun = servers.used_bytes(server)
        points = 0
        for batches, requests in ((THOUSAND, race.sizes.disk_batches), (TEN, race.sizes.disk_batches * 3)):
            run_id = tracking.create_runs(server, f"disk-{batches.key}", 1)[0]
            before = servers.used_bytes(server)
            logged = _log(server, run_id, batches, requests)
            grown = servers.used_bytes(server) - before
            fresh = Measure(f"disk.{batches.key}", f"Disk, as logged in {batches.title[3:]}", "bytes/point")
            race.record(server, fresh, grown / logged)
            points += logged
        _compact(server)
        race.record(server, COMPACTED, (servers.used_bytes(server) - begun) / points)


def _log(server: Server, run_id: str, batches: Batches, requests: int) -> int:
    """The number of points logged."""
    request = load.post(server, "runs/log-batch", batches.body)
    found = load.drive(server, [request], connections=1, at_least=requests, at_most=requests, items=[run_id])
    if found.failure is not None:
        raise Unmeasurable(f"{server.name} could not be filled to weigh its data: {found.failure}")
    return requests * batches.points


def _compact(server: Server) -> None:
    if server.contender.product is Product.MODELYARD:
        servers.run_own_command(server, *COMPACT_COMMAND)

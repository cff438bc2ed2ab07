"""Run the benchmark: `python3 dev.py bench`."""

import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import environments, options, postgres, processes, report
from benchmarks.contenders import Engine, Product
from benchmarks.options import Options
from benchmarks.race import Race, started
from benchmarks.samples import Samples, Unmeasurable
from benchmarks.workloads import client, create_run, disk, history, log_batch, log_metric, search, start

MEASURE: dict[str, Callable[[Race], None]] = {
    "W1": create_run.measure,
    "W2": log_metric.measure,
    "W3": log_batch.measure_thousand,
    "W4": log_batch.measure_ten,
    "W5": search.measure,
    "W6": history.measure,
    "W9": start.measure,
    "W10": client.measure,
    "disk": disk.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; fail when a workload or a request of ours has. A missed promise is for a person to weigh."""
    if not sys.platform.startswith("linux"):
        raise SystemExit("The benchmark runs on Linux: it measures through /proc and drives through epoll.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as a fault, so that no server of ours is left behind
    asked = options.parse(arguments)
    _prepare(asked)
    samples, facts = Samples(), report.machine()
    try:
        for engine in Engine:
            try:
                _race(asked, engine, samples, facts)
            except Unmeasurable as fault:
                samples.abandoned[f"everything on {engine}"] = str(fault)
    finally:
        print(report.as_text(samples, asked.contenders, facts, is_quick=asked.is_quick))
        if asked.json_file is not None:
            asked.json_file.write_text(json.dumps(report.as_json(samples, facts, asked.sizes), indent=2) + "\n")
    ours = {contender.name for contender in asked.contenders if contender.product is Product.MODELYARD}
    return int(bool(samples.abandoned) or any(name in ours for _, name in samples.failures))


def _prepare(asked: Options) -> None:
    """Everything that takes long and is kept: not while the clock runs."""
    environments.driver()
    products = {contender.product for contender in asked.contenders}
    if Product.MLFLOW in products or "W10" in asked.workloads:
        environments.environment("mlflow")
    if Product.FASTTRACKML in products:
        environments.environment("fasttrackml")


def _race(asked: Options, engine: Engine, samples: Samples, facts: dict[str, str]) -> None:
    contenders = [contender for contender in asked.contenders if contender.engine is engine]
    if not contenders:
        return
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="modelyard-bench-")))
        directory.chmod(0o755)  # PostgreSQL runs as somebody else
        race = Race(asked.sizes, directory, samples)
        if engine is Engine.POSTGRES:
            race.cluster = stack.enter_context(postgres.cluster(directory))
            facts["postgresql"] = race.cluster.version
        stack.enter_context(started(race, contenders))
        facts["weight"] = "raised" if processes.raise_weight(race.servers[0].leader) else "equal"
        for workload in asked.workloads:
            race.workload = workload
            try:
                MEASURE[workload](race)
            except Unmeasurable as fault:
                race.say(f"{workload} is abandoned: {fault}")
                samples.abandoned[f"{workload} on {engine}"] = str(fault)


if __name__ == "__main__":
    sys.exit(main())

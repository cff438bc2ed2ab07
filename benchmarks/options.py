"""The command line of the benchmark."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import race
from benchmarks.contenders import CONTENDERS, Contender, Engine, Product
from benchmarks.race import Sizes

WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "W6", "W9", "W10", "disk")


@dataclass(frozen=True)
class Options:
    """What the person asked for."""

    contenders: tuple[Contender, ...]
    workloads: tuple[str, ...]
    sizes: Sizes
    is_quick: bool
    json_file: Path | None


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line, or leave with what is wrong with it."""
    parser = _parser()
    given = parser.parse_args(arguments)
    sizes = race.QUICK if given.quick else race.USUAL
    sizes = replace(sizes, seconds=given.seconds or sizes.seconds, rounds=given.rounds or sizes.rounds)
    engines = {"on": set(Engine), "off": {Engine.SQLITE}, "only": {Engine.POSTGRES}}[given.postgres]
    ours = _choose(parser, "--ours", given.ours, is_ours=True)
    peers = _choose(parser, "--peers", given.peers, is_ours=False)
    chosen = tuple(contender for contender in (*ours, *peers) if contender.engine in engines)
    if not chosen:
        parser.error("nobody is left to measure: look at --ours, --peers and --postgres.")
    return Options(chosen, _workloads(parser, given.only), sizes, given.quick, given.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev.py bench", description="Measure ourselves beside mlflow and FastTrackML, in one run, and judge it."
    )
    ours, peers = (", ".join(one.name for one in CONTENDERS if _is_ours(one) is wanted) for wanted in (True, False))
    parser.add_argument("--only", metavar="W2,W4", help=f"these workloads of {', '.join(WORKLOADS)}")
    parser.add_argument("--ours", default="all", metavar="NAMES", help=f"all, none, or some of {ours}")
    parser.add_argument("--peers", default="all", metavar="NAMES", help=f"all, none, or some of {peers}")
    parser.add_argument("--postgres", choices=("on", "off", "only"), default="on", help="PostgreSQL beside SQLite")
    parser.add_argument("--seconds", type=float, metavar="S", help=f"length of one sample ({race.USUAL.seconds})")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help=f"samples a contender and measure ({race.USUAL.rounds})"
    )
    parser.add_argument("--quick", action="store_true", help="tiny counts, to see that everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to this file")
    return parser


def _is_ours(contender: Contender) -> bool:
    return contender.product is Product.MODELYARD


def _choose(parser: argparse.ArgumentParser, option: str, names: str, *, is_ours: bool) -> list[Contender]:
    possible = {contender.name: contender for contender in CONTENDERS if _is_ours(contender) is is_ours}
    if names in {"all", "none"}:
        return list(possible.values()) if names == "all" else []
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in possible]:
        parser.error(f"{option}: there is no {unknown[0]}; there are {', '.join(possible)}.")
    return [possible[name] for name in wanted]


def _workloads(parser: argparse.ArgumentParser, only: str | None) -> tuple[str, ...]:
    wanted = WORKLOADS if only is None else tuple(only.split(","))
    if unknown := [name for name in wanted if name not in WORKLOADS]:
        parser.error(f"--only: there is no {unknown[0]}; there are {', '.join(WORKLOADS)}.")
    return tuple(name for name in WORKLOADS if name in wanted)

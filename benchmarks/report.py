"""The result of a run, as Markdown tables for people and as JSON for machines."""

import dataclasses
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.contenders import Contender, Engine
from benchmarks.race import Sizes
from benchmarks.samples import Samples
from benchmarks.targets import Verdict, verdicts

NOISY_FACTOR = 2


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns aligned."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    rule = "-|-".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])


def number(value: float | None) -> str:
    """Three significant digits, thousands with their commas."""
    if value is None:
        return "-"
    if abs(value) >= 100:  # noqa: PLR2004 - where three digits need no decimals
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figures(samples: Samples, contenders: Sequence[Contender]) -> str:
    """Every measure by contender; the median of the rounds."""
    names = [contender.name for contender in contenders]
    rows = []
    for key, measure in samples.measures.items():
        if any((key, name) in samples.values or (key, name) in samples.failures for name in names):
            rows.append([measure.title, measure.unit, *(_cell(samples, key, name) for name in names)])
    return table(["measure", "unit", *names], rows) if rows else ""


def _cell(samples: Samples, key: str, name: str) -> str:
    failed = len(samples.failures.get((key, name), ()))
    if not failed:
        return number(samples.median(key, name))
    succeeded = len(samples.values.get((key, name), ()))
    shown = number(samples.median(key, name))
    return f"{shown} ({failed} of {failed + succeeded} failed)"


def judgement(found: Sequence[Verdict]) -> str:
    """The promises and what came of them."""
    words = {True: "met", False: "NOT MET", None: "not judged"}
    rows = [
        [
            verdict.title,
            verdict.ours,
            number(verdict.own),
            verdict.against,
            number(verdict.other),
            "-" if verdict.ratio is None else f"{number(verdict.ratio)}x",
            verdict.asked,
            words[verdict.is_met],
        ]
        for verdict in found
    ]
    return table(["measure", "ours", "figure", "peer", "figure", "ratio", "asked", ""], rows) if rows else ""


def failures(samples: Samples) -> str:
    """Each failure once, in the server's words."""
    lines = {}
    for (key, name), texts in samples.failures.items():
        measure = samples.measures[key]
        lines[measure.title, name] = f"- {measure.title}, {name}, {len(texts)} rounds: {texts[0]}"
    return "\n".join(lines.values())


def noise(samples: Samples) -> str:
    """How quiet the machine and its disk were."""
    looks = [gauge for turn in samples.turns for gauge in (turn.before, turn.after)]
    if not looks:
        return ""
    spins, flushes = [look.spin_ms for look in looks], [look.flush_ms for look in looks]
    noisy = {
        f"{turn.workload} ({turn.contender})"
        for turn in samples.turns
        if max(turn.before.spin_ms, turn.after.spin_ms) > NOISY_FACTOR * min(spins)
    }
    lines = [
        f"Gauge: a fixed spin loop took {_range(spins)}, a flush of one page to disk {_range(flushes)}.",
        f"Disturbed turns: {', '.join(sorted(noisy))}." if noisy else "No turn was disturbed.",
    ]
    return " ".join(lines)


def _range(times_ms: Sequence[float]) -> str:
    return f"{number(min(times_ms))} to {number(max(times_ms))} ms (median {number(median(times_ms))})"


def driving(samples: Samples) -> str:
    """How far the load driver was from being the bottleneck."""
    if not samples.driver_shares:
        return ""
    where, share = max(samples.driver_shares.items(), key=lambda item: item[1])
    return f"The load driver took at most {share:.0%} of one core ({where})."


def machine() -> dict[str, str]:
    """Where the run took place."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f}",
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def as_text(samples: Samples, contenders: Sequence[Contender], facts: dict[str, str], *, is_quick: bool) -> str:
    """The whole report."""
    parts = ["; ".join(f"{name} {value}" for name, value in facts.items())]
    for engine in Engine:
        shown = figures(samples, [contender for contender in contenders if contender.engine is engine])
        if shown:
            parts.append(f"## {engine.value}: medians of the rounds\n\n{shown}")
    judged = judgement(verdicts(samples))
    if judged:
        note = "\n\nA quick run only shows that everything works: its ratios mean nothing." if is_quick else ""
        parts.append(f"## Promises\n\n{judged}{note}")
    if samples.abandoned:
        parts.append("## Abandoned\n\n" + "\n".join(f"- {what}: {why}" for what, why in samples.abandoned.items()))
    if samples.failures:
        parts.append(f"## Failed requests\n\n{failures(samples)}")
    return "\n\n".join(part for part in [*parts, noise(samples), driving(samples)] if part)


def as_json(samples: Samples, facts: dict[str, str], sizes: Sizes) -> dict[str, Any]:
    """The same with every single sample."""
    return {
        "machine": facts,
        "sizes": dataclasses.asdict(sizes),
        "measures": [
            dataclasses.asdict(measure)
            | {
                "samples": {name: values for (of, name), values in samples.values.items() if of == key},
                "medians": {name: samples.median(key, name) for of, name in samples.values if of == key},
                "failures": {name: texts for (of, name), texts in samples.failures.items() if of == key},
            }
            for key, measure in samples.measures.items()
        ],
        "promises": [dataclasses.asdict(verdict) for verdict in verdicts(samples)],
        "abandoned": samples.abandoned,
        "driver_shares": samples.driver_shares,
        "turns": [dataclasses.asdict(turn) for turn in samples.turns],
    }

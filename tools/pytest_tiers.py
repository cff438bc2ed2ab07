"""Two tiers of tests: quick leaves out what is marked `full` and says so; full runs everything and skips nothing."""

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

TIER_VARIABLE = "MODELYARD_TEST_TIER"
_LEFT_OUT = pytest.StashKey[list[str]]()


def is_full_tier() -> bool:
    """Whether this run must leave nothing out: `dev.py test --full` says so in the environment."""
    return os.environ.get(TIER_VARIABLE, "quick") == "full"


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a tier that does not exist, rather than run less than was asked for."""
    config.stash[_LEFT_OUT] = []
    tier = os.environ.get(TIER_VARIABLE, "quick")
    if tier not in {"quick", "full"}:
        message = f"{TIER_VARIABLE} is {tier!r}; it is either 'quick' or 'full'."
        raise pytest.UsageError(message)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take what is marked `full` out of the quick tier; in the full one begin with the files that may take longest."""
    if is_full_tier():
        _put_longest_first(items)
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    items[:] = [item for item in items if not item.get_closest_marker("full")]
    config.stash[_LEFT_OUT] = [item.nodeid for item in left_out]
    config.hook.pytest_deselected(items=left_out)


def _put_longest_first(items: list[pytest.Item]) -> None:
    """So that no process is left with them when the others have ended. A long test is one with a time limit."""
    limits: Counter[Path] = Counter()
    for item in items:
        marker = item.get_closest_marker("timeout")
        if marker is not None:
            limits[item.path] = max(limits[item.path], int(marker.args[0]))
    items.sort(key=lambda item: -limits[item.path])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what the quick tier left out, file by file, so that nobody takes it for the whole."""
    left_out = config.stash[_LEFT_OUT]
    if not left_out:
        return
    terminalreporter.section("left out of the quick tier")
    for path, count in sorted(Counter(node.split("::")[0] for node in left_out).items()):
        terminalreporter.line(f"{path}: {count}")
    terminalreporter.line(f"{len(left_out)} tests left out; `python3 dev.py test --full` runs them too.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In the full tier a skipped test is a failed one: its part was meant to be there. Expected failures may stay."""
    report = yield
    if is_full_tier() and report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = _refusal(report.longrepr)
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """As for one test, for a module that skips itself while it is collected."""
    report = yield
    if is_full_tier() and report.skipped:
        report.longrepr = _refusal(report.longrepr)
        report.outcome = "failed"
    return report


def _refusal(skip: object) -> str:
    where = ": ".join(str(part) for part in skip) if isinstance(skip, tuple) else str(skip)
    return f"Skipped in the full tier, in which nothing may be skipped.\n{where}"

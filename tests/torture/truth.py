"""Compares what a server says it has with what it has answered: nothing lost, nothing doubled, nothing half."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.torture.writers import POINTS, Client, Fate, Written, content_of


@dataclass
class Verdict:
    """What was compared, and everything that is not as it should be."""

    runs: int = 0
    batches: int = 0
    points: int = 0
    files: int = 0
    unknown: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, {self.batches} answered batches ({self.points} points), {self.files} answered files,"
            f" {self.unknown} of unknown fate; {len(self.faults)} faults"
        )


def compare(client: Client, written: Written) -> Verdict:
    """Read everything back."""
    verdict = Verdict(faults=list(written.strange))
    stored = _all_runs(client)
    by_key = Counter(_tags(run).get("torture.key", "") for run in stored.values())
    for key, count in by_key.items():
        if count > 1:
            verdict.faults.append(f"Run {key} is there {count} times.")
        if key not in written.runs and key not in written.unknown_runs:
            verdict.faults.append(f"Nobody asked for run {key}.")
    for key, run_id in written.runs.items():
        verdict.runs += 1
        run = stored.get(run_id)
        if run is None:
            verdict.faults.append(f"Run {run_id} was answered and is lost.")
        else:
            _compare_run(client, written, key, run_id, run, verdict)
    return verdict


def _compare_run(
    client: Client, written: Written, key: str, run_id: str, run: dict[str, Any], verdict: Verdict
) -> None:
    if _tags(run).get("torture.key") != key:
        verdict.faults.append(f"Run {run_id} has lost its tag.")
    if written.ended.get(run_id) is Fate.DONE and run["info"]["status"] != "FINISHED":
        verdict.faults.append(f"The end of run {run_id} was answered and is lost.")
    steps = _steps(client, run_id)
    doubled = [step for step, count in Counter(steps).items() if count > 1]
    if doubled:
        verdict.faults.append(f"Run {run_id} has steps {doubled[:5]} more than once.")
    parameters = {it["key"]: it["value"] for it in run["data"].get("params", [])}
    present = set(steps)
    for (owner, number), fate in written.batches.items():
        if owner == run_id:
            _compare_batch(run_id, number, fate, present, parameters, _tags(run), verdict)
    latest = {it["key"]: it["step"] for it in run["data"].get("metrics", [])}
    if steps and latest.get("loss") != max(steps):
        verdict.faults.append(
            f"The latest step of run {run_id} is {latest.get('loss')}, its history ends at {max(steps)}."
        )
    for (owner, path), fate in written.files.items():
        if owner == run_id:
            _compare_file(client, run_id, path, fate, verdict)


def _compare_batch(
    run_id: str,
    number: int,
    fate: Fate,
    present: set[int],
    parameters: dict[str, str],
    tags: dict[str, str],
    verdict: Verdict,
) -> None:
    wanted = set(range(number * POINTS, (number + 1) * POINTS))
    value = f"{run_id} {number}"
    parts = [len(wanted & present) == POINTS, parameters.get(f"p{number}") == value, tags.get(f"t{number}") == value]
    traces = [bool(wanted & present), f"p{number}" in parameters, f"t{number}" in tags]
    if fate is Fate.DONE:
        verdict.batches += 1
        verdict.points += POINTS
        if not all(parts):
            verdict.faults.append(f"Batch {number} of run {run_id} was answered and is not whole: {parts}.")
    else:
        verdict.unknown += fate is Fate.UNKNOWN
        if any(traces) and not all(parts):
            verdict.faults.append(f"Batch {number} of run {run_id} was not answered and is there in part: {parts}.")
        if fate is Fate.REFUSED and any(traces):
            verdict.faults.append(f"Batch {number} of run {run_id} was refused and is there.")


def _compare_file(client: Client, run_id: str, path: str, fate: Fate, verdict: Verdict) -> None:
    status, content = client.ask("GET", f"mlflow-artifacts/artifacts/0/{run_id}/artifacts/{path}")
    if fate is Fate.DONE:
        verdict.files += 1
        if status != 200:
            verdict.faults.append(f"File {path} of run {run_id} was answered and is lost ({status}).")
    if status == 200 and content != content_of(run_id, path):
        verdict.faults.append(f"File {path} of run {run_id} holds {len(content)} other bytes.")


def _all_runs(client: Client) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    token = ""
    while True:
        body = {"experiment_ids": ["0"], "max_results": 1000, "page_token": token}
        status, answer = client.ask("POST", "mlflow/runs/search", body)
        assert status == 200, answer
        for run in answer.get("runs", []):
            found[run["info"]["run_id"]] = run
        token = answer.get("next_page_token", "")
        if not token:
            return found


def _steps(client: Client, run_id: str) -> list[int]:
    status, answer = client.ask("GET", f"mlflow/metrics/get-history?run_id={run_id}&metric_key=loss")
    assert status == 200, answer
    return [int(point["step"]) for point in answer.get("metrics", [])]


def _tags(run: dict[str, Any]) -> dict[str, str]:
    return {it["key"]: it["value"] for it in run["data"].get("tags", [])}

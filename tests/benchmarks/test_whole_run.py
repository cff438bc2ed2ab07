import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.options import WORKLOADS

ROOT = Path(__file__).parents[2]


@pytest.mark.full
@pytest.mark.timeout(900)
def test_every_workload_runs_on_both_engines_and_every_request_is_answered(tmp_path: Path) -> None:
    """With tiny counts and one peer: that everything works, not how fast."""
    result = tmp_path / "result.json"
    search_path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--peers", "fasttrackml", "--json", str(result)],
        env=os.environ | {"PYTHONPATH": search_path},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    measures = json.loads(result.read_text())["measures"]
    measured = {(measure["key"].split(".")[0], name) for measure in measures for name in measure["medians"]}
    ours = ("modelyard-full", "modelyard-normal", "modelyard-pg")
    assert {(workload, name) for workload in WORKLOADS for name in ours} <= measured

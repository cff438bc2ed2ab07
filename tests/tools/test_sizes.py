import subprocess
from pathlib import Path

from tools.sizes import SHOWN, report


def test_the_longest_come_first_and_twenty_are_shown(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for number in range(1, SHOWN + 6):
        body = "    pass\n" * number
        (tmp_path / f"file_{number}.py").write_text(f"async def function_{number}():\n{body}", encoding="utf-8")
    lines = report(tmp_path).splitlines()
    assert lines[1].split() == [str(SHOWN + 6), f"file_{SHOWN + 5}.py"]
    assert lines[SHOWN + 3].split() == [str(SHOWN + 6), f"file_{SHOWN + 5}.py:1", f"function_{SHOWN + 5}"]
    assert len(lines) == 2 * SHOWN + 3

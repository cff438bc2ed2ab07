"""Servers as process sessions: start, pause, weigh, measure and stop everything one command has started."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
RAISED_NICENESS = -5
Leader = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat says that is needed here."""

    pid: int
    state: str
    parent: int
    session: int
    cpu_seconds: float


def start(command: list[str], *, environment: Mapping[str, str], directory: Path, user: int | None = None) -> Leader:
    """Start a command as the leader of a session of its own, its output in `DIRECTORY/server.log`.

    A session of its own is also a scheduling group of its own, so that fifteen processes weigh no more than one.
    """
    with (directory / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    raise_weight(process.pid)
    return process


def raise_weight(pid: int) -> bool:
    """Ask for a larger share of the processor for a session; says whether that was allowed. Equal shares otherwise."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(RAISED_NICENESS))
    except OSError:
        return False
    return True


def read_stat(pid: int) -> Stat | None:
    """The process's parent, session and consumed processor time, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return Stat(pid, fields[0], int(fields[1]), int(fields[3]), (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND)


def session_of(leader: int) -> list[Stat]:
    """Every living process of the session, in no order."""
    stats = (read_stat(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [stat for stat in stats if stat is not None and stat.session == leader and stat.state != "Z"]


def cpu_seconds(leader: int) -> float:
    """Processor time consumed so far by the processes of the session that are alive."""
    return sum(stat.cpu_seconds for stat in session_of(leader))


def pss_bytes(leader: int) -> int:
    """Memory of the whole session, a page shared by n processes counted as one n-th in each."""
    total = 0
    for stat in session_of(leader):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{stat.pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def _generations(leader: int) -> list[list[int]]:
    """The session's process ids: the leader, its children, their children."""
    living = session_of(leader)
    generations = [[leader]]
    while children := [stat.pid for stat in living if stat.parent in generations[-1] and stat.pid != leader]:
        generations.append(children)
    return generations


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def pause(leader: int) -> None:
    """Stop the session's processes, supervisors first, so that none takes a stopped worker for a dead one."""
    for generation in _generations(leader):
        _signal(generation, signal.SIGSTOP)


def resume(leader: int) -> None:
    """Let a paused session go on, workers first: they answer their supervisor's question before it looks."""
    for generation in reversed(_generations(leader)):
        _signal(generation, signal.SIGCONT)
        time.sleep(0.05)


@contextlib.contextmanager
def paused(leaders: list[int]) -> Iterator[None]:
    """Keep these sessions still for a while."""
    for leader in leaders:
        pause(leader)
    try:
        yield
    finally:
        for leader in leaders:
            resume(leader)


def stop(process: Leader, *, by: signal.Signals = signal.SIGTERM, patience_seconds: float = 15) -> None:
    """Ask the leader to end and wait; what is left of its session after that is killed."""
    resume(process.pid)
    if process.poll() is None:
        process.send_signal(by)
    deadline = time.monotonic() + patience_seconds
    while (process.poll() is None or session_of(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    while process.poll() is None or session_of(process.pid):
        _signal([stat.pid for stat in session_of(process.pid)], signal.SIGKILL)
        time.sleep(0.01)


def free_port() -> int:
    """A port of this machine that nothing listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

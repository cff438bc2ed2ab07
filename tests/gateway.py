"""A real S3: Ceph's gateway with one monitor and one store that keeps everything in memory, of a test run's own.

Unlike moto it checks signatures and policies, and is the work of other people than the S3 we build against.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from boto3.session import Session

from tests.conftest import free_port

START_LIMIT_S = 60
OWNER, OTHER = "owner", "other"
CONFIGURATION = """
[global]
fsid = {identity}
mon_host = v1:127.0.0.1:{monitor_port}
public_addr = 127.0.0.1
keyring = {folder}/keyring
log_file = {folder}/$name.log
run_dir = {folder}
admin_socket = {folder}/$name.socket
pid_file =
crash_dir = {folder}
mon_data = {folder}/monitor
osd_data = {folder}/store
rgw_data = {folder}/gateway
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
rgw_frontends = beast endpoint=127.0.0.1:{port}
"""
KEYS = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"),
}


@dataclass(frozen=True)
class Gateway:
    """Where it is. Its users are OWNER and OTHER; the access key of each is the name, the secret `secret-` and that."""

    url: str

    def credentials(self, user: str) -> dict[str, str]:
        """The environment in which a server acts as `user`."""
        return {
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": f"secret-{user}",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
        }

    def client(self, user: str) -> Any:  # noqa: ANN401  # boto3 has no types
        """Another client of S3 as `user`; of a session of its own: boto3's keeps the first credentials it saw."""
        known = self.credentials(user)
        return Session(known["AWS_ACCESS_KEY_ID"], known["AWS_SECRET_ACCESS_KEY"]).client(
            "s3", endpoint_url=self.url, region_name=known["AWS_REGION"]
        )


class _Processes:
    """Programs of Ceph on one configuration."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._configuration = folder / "ceph.conf"
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self, program: str, *words: str | Path) -> None:
        """Run one to its end."""
        command = [program, "--conf", str(self._configuration), *(str(word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_LIMIT_S)
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def start(self, program: str, *words: str) -> None:
        """Start one that goes on."""
        with (self._folder / f"{program}.out").open("wb") as output:
            command = [program, "--conf", str(self._configuration), *words, "-f"]
            self._running.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT))

    def end(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()

    def check(self) -> None:
        """All that were started still run."""
        for process in self._running:
            assert process.poll() is None, f"{process.args!r} ended: see {self._folder}"


@contextmanager
def running_gateway() -> Iterator[Gateway]:
    """A gateway without a bucket."""
    folder = Path(tempfile.mkdtemp(prefix="modelyard-gateway-"))
    processes = _Processes(folder)
    try:
        yield _started(folder, processes)
    finally:
        processes.end()
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, processes: _Processes) -> Gateway:
    identity, monitor_port, port = str(uuid4()), free_port(), free_port()
    settings = {"folder": folder, "identity": identity, "monitor_port": monitor_port, "port": port}
    (folder / "ceph.conf").write_text(CONFIGURATION.format_map(settings))
    for name in ("monitor", "store", "gateway"):
        (folder / name).mkdir()
    _make_keys(folder / "keyring")
    monitors, address = folder / "monitors", f"[v1:127.0.0.1:{monitor_port}]"
    _run("monmaptool", "--create", "--addv", "a", address, "--fsid", identity, str(monitors))
    processes.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", folder / "keyring")
    processes.start("ceph-mon", "-i", "a")
    store = str(uuid4())
    processes.run("ceph", "--connect-timeout", "30", "osd", "new", store)
    processes.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store, "--no-mon-config")
    processes.start("ceph-osd", "-i", "0")
    for user in (OWNER, OTHER):
        keys = ("--access-key", user, "--secret-key", f"secret-{user}")
        processes.run("radosgw-admin", "user", "create", "--uid", user, "--display-name", user, *keys)
    processes.start("radosgw", "-n", "client.admin")
    deadline = time.monotonic() + START_LIMIT_S
    while not _listens(port):
        processes.check()
        assert time.monotonic() < deadline, "The gateway did not start."
        time.sleep(0.1)
    return Gateway(f"http://127.0.0.1:{port}")


def _make_keys(keyring: Path) -> None:
    _run("ceph-authtool", "--create-keyring", str(keyring))
    for name, abilities in KEYS.items():
        pairs = zip(abilities[::2], abilities[1::2], strict=True)
        words = [word for pair in pairs for word in ("--cap", *pair)]
        _run("ceph-authtool", str(keyring), "--gen-key", "-n", name, *words)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

"""Plans for the load driver, and one run of it against a server."""

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environments, processes, servers, tracking
from benchmarks.samples import Gauge, Unmeasurable
from benchmarks.servers import Server

PLACE = re.compile(rb"<<(sequence|random|item):(\d+)>>")
ENOUGH_PER_CONNECTION = 4
STALL_MESSAGE = "requests were never answered"


@dataclass(frozen=True)
class Place:
    """Bytes of a request that the driver overwrites before each sending."""

    kind: str  # s: sequence, r: random digits, i: the connection's item
    offset: int
    width: int


@dataclass(frozen=True)
class Request:
    """A request ready for the wire."""

    content: bytes
    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Load:
    """What one run of the driver has found."""

    issued: int
    rate: float  # requests a second
    p50_ms: float
    p99_ms: float
    bytes_in: int
    driver_share: float  # of one core
    server_cpu_ms: float
    failure: str | None  # the first one, in the server's words


def find_places(template: bytes) -> Request:
    """Replace each `<<kind:width>>` by that many zeros, and remember where."""
    content, places, end = b"", [], 0
    for found in PLACE.finditer(template):
        content += template[end : found.start()]
        width = int(found[2])
        places.append(Place(found[1][:1].decode(), len(content), width))
        content += b"0" * width
        end = found.end()
    return Request(content + template[end:], tuple(places))


def render(method: str, path: str, headers: dict[str, str], body: str = "") -> Request:
    """A request for the wire; only the body may hold places to overwrite."""
    payload = find_places(body.encode())
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if method != "GET":
        lines.append(f"Content-Length: {len(payload.content)}")
    head = "\r\n".join([*lines, "", ""]).encode()
    places = tuple(Place(place.kind, place.offset + len(head), place.width) for place in payload.places)
    return Request(head + payload.content, places)


def post(server: Server, route: str, body: str) -> Request:
    """A call of the tracking API with a body."""
    return render("POST", tracking.path_of(server, route), tracking.headers(server), body)


def get(server: Server, route: str) -> Request:
    """A call of the tracking API without one; the route has its query."""
    return render("GET", tracking.path_of(server, route), tracking.headers(server))


def write_plan(path: Path, requests: Sequence[Request], items: Sequence[str] = ()) -> None:
    """The file the driver reads; `driver.c` describes its layout."""
    with path.open("wb") as file:
        file.write(f"{len(items)}\n".encode() + "".join(f"{item}\n" for item in items).encode())
        file.write(f"{len(requests)}\n".encode())
        for request in requests:
            slots = "".join(f"{place.kind} {place.offset} {place.width}\n" for place in request.places)
            head = f"{len(request.content)} {len(request.places)}\n{slots}"
            # The driver skips one newline before the bytes: the slots' last one, or that of the line of counts.
            file.write(head.encode() + request.content + b"\n")


def drive(
    server: Server,
    requests: Sequence[Request],
    *,
    connections: int,
    seconds: float = 0,
    at_least: int | None = None,
    at_most: int = 0,
    items: Sequence[str] = (),
) -> Load:
    """Send the requests in turn over so many connections, at least that long and that many, at most that many.

    By default at least four for each connection: with fewer, the rate of a slow server is that of the window's edges.
    """
    at_least = ENOUGH_PER_CONNECTION * connections if at_least is None else at_least
    with tempfile.NamedTemporaryFile(prefix="bench-plan-") as plan:
        write_plan(Path(plan.name), requests, items)
        limits = [str(connections), str(seconds), str(at_least), str(at_most), str(server.sequence)]
        command = [str(environments.driver()), "load", "127.0.0.1", str(server.port), *limits, plan.name]
        cpu_before = servers.cpu_seconds(server)
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        processes.raise_weight(driver.pid)
        output, _ = driver.communicate()
        cpu_after = servers.cpu_seconds(server)
    if driver.returncode:
        raise Unmeasurable(f"The load driver stopped while it talked to {server.name}.")
    found = json.loads(output)
    server.sequence += int(found["issued"])
    return Load(
        issued=int(found["issued"]),
        rate=found["counted"] / found["elapsed_ms"] * 1000,
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        bytes_in=int(found["bytes_in"]),
        driver_share=found["driver_cpu_ms"] / found["elapsed_ms"],
        server_cpu_ms=(cpu_after - cpu_before) * 1000 / max(1, found["issued"]),
        failure=_failure(found["failures"], found["unanswered"], found["failure_status"], found["failure_body"]),
    )


def _failure(failures: int, unanswered: int, status: int, body: str) -> str | None:
    if failures:
        return f"{failures} requests failed; the first: {status} {body}"
    return f"{unanswered} {STALL_MESSAGE}" if unanswered else None


def gauge(directory: Path) -> Gauge:
    """Look at what else the machine is doing now, and its disk."""
    command = [str(environments.driver()), "gauge", str(directory)]
    spinner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    processes.raise_weight(spinner.pid)
    found = json.loads(spinner.communicate()[0])
    return Gauge(found["spin_ms"], found["flush_ms"])

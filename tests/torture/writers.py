"""Clients that write all the time, and remember what the server answered to what."""

import http.client
import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

POINTS = 20
FILE_BYTES = 20_000
PATIENCE_S = 60


class Fate(StrEnum):
    """Of a request: answered well, refused before any work (429), or nobody knows."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass
class Written:
    """What one writer asked for. A batch with number b holds the steps from b * POINTS on, a parameter and a tag."""

    runs: dict[str, str] = field(default_factory=dict)
    unknown_runs: set[str] = field(default_factory=set)
    batches: dict[tuple[str, int], Fate] = field(default_factory=dict)
    files: dict[tuple[str, str], Fate] = field(default_factory=dict)
    ended: dict[str, Fate] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    refusals: int = 0


class Client:
    """One keep-alive connection to a project's MLflow address."""

    def __init__(self, tracking_uri: str, token: str) -> None:
        parts = urlsplit(tracking_uri)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON, or bytes where the answer is none.

        Raises:
            OSError, http.client.HTTPException: no answer.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
        try:
            self._connection.request(method, f"{self._path}/api/2.0/{path}", data, self._headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        is_json = "json" in (answer.headers.get("content-type") or "")
        return answer.status, json.loads(content) if is_json and content else content

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Writer(threading.Thread):
    """Creates runs and logs batches, files and ends to them until told to stop. What failed is sometimes repeated."""

    def __init__(self, tracking_uri: str, token: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.written = Written()
        self._client = Client(tracking_uri, token)
        self._random = random.Random(seed)  # noqa: S311  # reproducible on purpose
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Finish the request at hand."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            key = uuid.uuid4().hex
            run_id = self._create(key)
            if run_id is None:
                continue
            for number in range(self._random.randint(3, 12)):
                if self._stopping.is_set():
                    break
                self._log(run_id, number)
                if self._random.random() < 0.2:
                    self._put(run_id, f"folder/file-{number}.bin")
            self._end(run_id)
        self._client.close()

    def _create(self, key: str) -> str | None:
        body = {"experiment_id": "0", "tags": [{"key": "torture.key", "value": key}]}
        fate, answer = self._try("POST", "mlflow/runs/create", body)
        if fate is Fate.DONE:
            run_id = str(answer["run"]["info"]["run_id"])
            self.written.runs[key] = run_id
            return run_id
        if fate is Fate.UNKNOWN:
            self.written.unknown_runs.add(key)
        return None

    def _log(self, run_id: str, number: int) -> None:
        first = number * POINTS
        body = {
            "run_id": run_id,
            "metrics": [
                {"key": "loss", "value": step / 7, "timestamp": 1_700_000_000_000 + step, "step": step}
                for step in range(first, first + POINTS)
            ],
            "params": [{"key": f"p{number}", "value": f"{run_id} {number}"}],
            "tags": [{"key": f"t{number}", "value": f"{run_id} {number}"}],
        }
        self.written.batches[run_id, number] = self._until_known("POST", "mlflow/runs/log-batch", body)

    def _put(self, run_id: str, path: str) -> None:
        address = f"mlflow-artifacts/artifacts/0/{run_id}/artifacts/{path}"
        self.written.files[run_id, path] = self._until_known("PUT", address, content_of(run_id, path))

    def _end(self, run_id: str) -> None:
        body = {"run_id": run_id, "status": "FINISHED", "end_time": 1}
        self.written.ended[run_id] = self._until_known("POST", "mlflow/runs/update", body)

    def _until_known(self, method: str, path: str, body: object) -> Fate:
        """Send it; when it is not known what became of it, or it was refused, mostly send it again, as clients do."""
        deadline = time.monotonic() + PATIENCE_S
        fate, _ = self._try(method, path, body)
        while fate is not Fate.DONE and time.monotonic() < deadline and self._random.random() < 0.9:
            time.sleep(0.05)
            again, _ = self._try(method, path, body)
            # Refused now says nothing about what became of it before.
            fate = again if again is Fate.DONE or fate is Fate.REFUSED else Fate.UNKNOWN
        return fate

    def _try(self, method: str, path: str, body: object) -> tuple[Fate, Any]:
        try:
            status, answer = self._client.ask(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            time.sleep(0.02)
            return (Fate.REFUSED if isinstance(error, ConnectionRefusedError) else Fate.UNKNOWN), None
        if status == 200:
            return Fate.DONE, answer
        if status == 429:
            self.written.refusals += 1
            time.sleep(0.05)
            return Fate.REFUSED, answer
        if status == 503 and method == "PUT" and "not known" in answer["message"]:
            # The database went away in the commit of an ordinary transaction; a file may be sent again.
            return Fate.UNKNOWN, answer
        self.written.strange.append(f"{method} {path}: {status} {answer!r:.300}")
        return Fate.UNKNOWN, answer


def content_of(run_id: str, path: str) -> bytes:
    """What a file holds, by its name."""
    return (f"{run_id} {path} ".encode() * FILE_BYTES)[:FILE_BYTES]


def start_writers(tracking_uri: str, token: str, count: int, *, seed: int) -> list[Writer]:
    """Writers at work."""
    writers = [Writer(tracking_uri, token, seed * 1000 + number) for number in range(count)]
    for writer in writers:
        writer.start()
    return writers


def stop_writers(writers: list[Writer]) -> Written:
    """What all of them wrote, once they have ended."""
    for writer in writers:
        writer.stop()
    total = Written()
    for writer in writers:
        writer.join(PATIENCE_S + 40)
        assert not writer.is_alive(), "A writer hangs."
        one = writer.written
        total.runs |= one.runs
        total.unknown_runs |= one.unknown_runs
        total.batches |= one.batches
        total.files |= one.files
        total.ended |= one.ended
        total.strange += one.strange
        total.refusals += one.refusals
    return total

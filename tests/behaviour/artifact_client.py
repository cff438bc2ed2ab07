"""A plain HTTP client of the artifact routes, for tests that must say what no real client would."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from modelyard.domains.tracking.tables import Candidate, LoggedModel
from modelyard.platform.clock import now_ms
from modelyard.platform.database import Database
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, Somebody, World


@dataclass(frozen=True)
class Artifacts:
    """One person at the artifacts of one run."""

    live: LiveServer
    world: World
    run_id: str
    somebody: Somebody | None

    @property
    def base(self) -> str:
        return f"{self.live.tracking_uri(self.world.project_id)}/api/2.0"

    def at(self, path: str) -> str:
        """The address of a file of the run."""
        return f"{self.base}/mlflow-artifacts/artifacts/0/{self.run_id}/artifacts/{path}"

    def ask(
        self,
        method: str,
        url: str,
        *,
        content: bytes | Iterable[bytes] | None = None,
        json: object = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        own = self.somebody.headers if self.somebody else {}
        return httpx.request(
            method, url, content=content, json=json, params=params, headers={**own, **(headers or {})}, timeout=30
        )

    def put(self, path: str, data: bytes) -> httpx.Response:
        return self.ask("PUT", self.at(path), content=data)

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.ask("GET", self.at(path), headers=headers)

    def ask_raw(self, method: str, raw_path: bytes, body: bytes = b"") -> tuple[int, bytes]:
        """Ask for a path that no client would send, byte for byte."""
        assert self.somebody is not None
        address = httpx.URL(self.live.url)
        with socket.create_connection((address.host, address.port or 80)) as connection:
            head = (
                b"%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n"
            )
            connection.sendall(head % (method.encode(), raw_path, self.somebody.token.encode(), len(body)) + body)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]

    def listed(self, path: str = "") -> list[dict[str, Any]]:
        """What the listing of a folder says."""
        address = f"0/{self.run_id}/artifacts" + (f"/{path}" if path else "")
        answer = self.ask("GET", f"{self.base}/mlflow-artifacts/artifacts", params={"path": address})
        assert answer.status_code == 200, answer.text
        return list(answer.json().get("files", []))

    def of(self, somebody: Somebody | None) -> "Artifacts":
        """The same artifacts, asked for by somebody else."""
        return Artifacts(self.live, self.world, self.run_id, somebody)


def create_run(live: LiveServer, world: World) -> str:
    """A run in the default experiment."""
    answer = httpx.post(
        f"{live.tracking_uri(world.project_id)}/api/2.0/mlflow/runs/create",
        json={"experiment_id": "0", "start_time": 1},
        headers=world.developer.headers,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["run"]["info"]["run_id"])


def create_logged_model(database: Database, run_id: str | None, world: World) -> str:
    """A logged model of a run, or of none; its id."""
    with database.write() as session:
        maker = session.query(Candidate).filter_by(run_id=run_id).one_or_none() if run_id else None
        experiment_id = session.query(Candidate.experiment_id).filter_by(project_id=world.project_id).first()
        assert experiment_id is not None
        model = LoggedModel(
            model_id=f"m-{hex_id()}",
            project_id=world.project_id,
            experiment_id=experiment_id[0],
            candidate_id=maker.id if maker else None,
            name="model",
            status=1,
            created_ms=now_ms(),
            updated_ms=now_ms(),
        )
        session.add(model)
        session.flush()
        return model.model_id

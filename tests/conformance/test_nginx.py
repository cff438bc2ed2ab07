"""A real nginx in front of the server, with the configuration of the guide as it is written there."""

import dataclasses
import hashlib
import ipaddress
import os
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from bs4 import BeautifulSoup
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from modelyard.domains.accounts.sign_in import start_session
from modelyard.domains.tracking.experiments import create_experiment
from modelyard.domains.tracking.hot.operations import CreateCandidate
from modelyard.platform.clock import now_ms
from modelyard.platform.ids import hex_id
from modelyard.platform.settings import Settings
from tests.architecture.documents import document
from tests.conftest import LiveServer, World, free_port

pytestmark = pytest.mark.full

GUIDE = "docs/how-to/run-behind-a-reverse-proxy.md"
MEBIBYTE = 1024 * 1024
WAIT_S = 20.0

Client = Callable[..., httpx.Client]


@pytest.fixture
def engine() -> str:
    return "sqlite"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As the guide says, with another port."""
    return dataclasses.replace(settings, external_url=f"https://127.0.0.1:{free_port()}", trusted_proxies="127.0.0.1")


def certificate(folder: Path) -> Path:
    """A certificate for this machine, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "certificate").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder


def configuration(folder: Path, settings: Settings) -> str:
    """The guide's server in a whole configuration, listening where the test can reach it."""
    (block,) = (block for block in document(GUIDE).blocks if block.language == "nginx")
    server = block.body
    for written, here in (
        ("listen 443 ssl", f"listen {settings.external_url.removeprefix('https://')} ssl"),
        ("/etc/ssl/models.example.org.pem", str(folder / "certificate")),
        ("/etc/ssl/models.example.org.key", str(folder / "key")),
        ("http://127.0.0.1:8000", f"http://127.0.0.1:{settings.port}"),
    ):
        assert written in server
        server = server.replace(written, here)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    return (
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}\n}}\n"
    )


@pytest.fixture
def client(live: LiveServer, settings: Settings, tmp_path: Path) -> Iterator[Client]:
    """Opens a client of nginx, from an address of this machine."""
    folder = certificate(tmp_path)
    path = folder / "nginx.conf"
    path.write_text(configuration(folder, settings))
    nginx = subprocess.Popen(["nginx", "-p", folder, "-c", path, "-e", "stderr"], stderr=subprocess.PIPE, text=True)
    trust = ssl.create_default_context(cafile=str(folder / "certificate"))
    opened: list[httpx.Client] = []

    def connect(address: str = "127.0.0.2") -> httpx.Client:
        transport = httpx.HTTPTransport(local_address=address, verify=trust)
        opened.append(httpx.Client(base_url=live.url, transport=transport, trust_env=False, timeout=60))
        return opened[-1]

    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            assert connect().get("/health").text == "OK"
            break
        except httpx.ConnectError:
            assert nginx.poll() is None, nginx.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield connect
    for one in opened:
        one.close()
    nginx.terminate()
    nginx.communicate(timeout=WAIT_S)


def test_uploads_and_downloads_go_through_as_they_come(client: Client, live: LiveServer, world: World) -> None:
    piece, held = os.urandom(MEBIBYTE), live.installation.reservations._held
    seen: list[int] = []

    def body() -> Iterator[bytes]:
        yield piece * 8
        deadline = time.monotonic() + WAIT_S
        while held.get(world.project_id, 0) < 7 * MEBIBYTE and time.monotonic() < deadline:
            time.sleep(0.01)
        seen.append(held.get(world.project_id, 0))
        yield piece * 8

    path = f"/api/v4/projects/{world.project_path.replace('/', '%2F')}/packages/generic/tool/1.0/weights"
    through = client()
    assert through.put(path, content=body(), headers=world.developer.headers).status_code == 201
    # The server had the first half before the second half was sent.
    assert 7 * MEBIBYTE <= seen[0] <= 8 * MEBIBYTE
    answer = through.get(path, headers=world.developer.headers)
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(piece * 16).digest()
    described = through.get(f"/api/v4/projects/{world.project_id}", headers=world.developer.headers).json()
    assert described["web_url"] == f"{live.url}/{world.project_path}"


def test_an_open_page_hears_of_changes_at_once(client: Client, live: LiveServer, world: World) -> None:
    with live.installation.database.write() as session:
        create_experiment(session, world.owner.actor, world.project(session), name="churn-xgb")
    through = client()
    cookies = sign_in_by_session(live, world)
    page = f"/{world.project_path}/-/ml/experiments/1/live?since=0-0-0-0-0"
    moment = now_ms()
    with through.stream("GET", page, headers=cookies) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        live.installation.lane.submit_and_wait(
            CreateCandidate(world.project_id, 1, hex_id(), "brave", "ada", None, moment, moment, {})
        )
        assert next(line for line in lines if line.startswith("event:")) == "event: change"
    assert now_ms() - moment < WAIT_S * 1000


def sign_in_by_session(live: LiveServer, world: World) -> dict[str, str]:
    """The cookie of a signed-in browser, as TLS wants it to be called."""
    assert world.developer.actor.user_id is not None
    with live.installation.database.write() as session:
        made = start_session(session, live.installation.key, world.developer.actor.user_id)
    return {"Cookie": f"__Host-modelyard_session={made.secret}"}


def test_visitors_are_told_apart_whatever_they_claim(client: Client) -> None:
    def attempt(through: httpx.Client, number: int) -> int:
        page = BeautifulSoup(through.get("/users/sign_in").text, "html.parser")
        found = page.select_one('meta[name="csrf-token"]')
        assert found is not None
        fields = {"login": f"user-{number}", "password": "wrong", "csrf_token": str(found["content"])}
        claimed = {"X-Forwarded-For": f"198.51.100.{number}", "Origin": str(through.base_url).rstrip("/")}
        return through.post("/users/sign_in", data=fields, headers=claimed).status_code

    one, other = client("127.0.0.2"), client("127.0.0.3")
    assert [attempt(one, number) for number in range(11)] == [401] * 10 + [429]
    assert attempt(other, 11) == 401

"""What is saved comes back whole, on both engines; what is damaged is found."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import URL

from modelyard.app import create_installation
from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.tokens import actor_of_token
from modelyard.domains.tracking.artifacts import ArtifactPath, get_artifact, put_artifact
from modelyard.domains.tracking.candidates import get_candidate
from modelyard.domains.tracking.hot.history import series_of
from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate, LogData, MetricColumns
from modelyard.domains.tracking.tables import Candidate, LatestMetric
from modelyard.entrypoints.request import Installation
from modelyard.platform.backup.manifest import read_manifest
from modelyard.platform.database import Database
from modelyard.platform.errors import Unauthenticated
from modelyard.platform.ids import hex_id
from modelyard.platform.lock import prepare_data_directory
from modelyard.platform.settings import Settings
from modelyard.platform.storage.blobs import StoredBlob
from tests.conftest import World, free_port
from tests.entrypoints.cli.conftest import Run

Fill = Callable[[int], list[str]]


def stored(installation: Installation, data: bytes) -> StoredBlob:
    writer = installation.store.writer(len(data))
    writer.write(data)
    return writer.finish()


def blob_path(installation: Installation, sha256: str) -> Path:
    """Where the bytes of that digest lie."""
    return next((installation.settings.data / "blobs" / "sha256").rglob(f"{sha256}.*"))


@pytest.fixture
def fill(installation: Installation, world: World) -> Fill:
    """Makes candidates with points and a file each; their run ids."""

    def make(count: int) -> list[str]:
        run_ids = []
        for number in range(count):
            run_id = hex_id()
            operation = CreateCandidate(world.project_id, 0, run_id, f"run {number}", "me", None, 1, 1, {})
            made = installation.lane.submit_and_wait(operation)
            assert isinstance(made, CandidateInfo)
            columns = MetricColumns(["loss"] * 3, [0, 1, 2], [10, 20, 30], [1.0, 0.5, 0.25])
            installation.lane.submit_and_wait(LogData(made.place, 1, metrics=columns))
            blob = stored(installation, run_id.encode() * 1000)
            with installation.database.write() as session:
                artifact = ArtifactPath("weights.bin", run_id=run_id)
                put_artifact(session, SYSTEM, world.project(session), artifact, blob)
            run_ids.append(run_id)
        return run_ids

    return make


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of a place where nothing is yet, on the same engine."""
    data = tmp_path / "elsewhere"
    if not settings.is_postgresql:
        yield replace(settings, data=data)
        return
    address: URL = request.getfixturevalue("postgresql_server")
    name = f"elsewhere_{os.getpid()}_{free_port()}"
    server = Database(address)
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = address.set(database=name).render_as_string(hide_password=False)
    yield replace(settings, data=data, database_url=url)
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.close()


def place(settings: Settings) -> tuple[str, ...]:
    return ("--data", str(settings.data), "--database-url", settings.database_url)


@pytest.fixture
def opened(elsewhere: Settings) -> Iterator[Callable[[], Installation]]:
    """Opens what was restored."""
    made: list[Installation] = []

    def open_it() -> Installation:
        made.append(create_installation(elsewhere))
        return made[-1]

    yield open_it
    for installation in made:
        installation.lane.stop()
        for crew in installation.crews:
            crew.shutdown()
        installation.database.close()


def test_everything_comes_back(
    run: Run,
    installation: Installation,
    world: World,
    fill: Fill,
    elsewhere: Settings,
    opened: Callable[[], Installation],
    tmp_path: Path,
) -> None:
    run_ids = fill(5)
    backup = tmp_path / "backup"
    ended = run("backup", str(backup))
    assert (ended.status, ended.err) == (0, "")
    key = installation.settings.data / "secret.key"
    saved, about_key = ended.out.splitlines()
    assert f" and 5 files ({5 * 32_000} bytes) in {backup}." in saved
    assert f"The server's key is not in it. Keep a copy of {key} in another place;" in about_key
    fill(2)  # after the backup
    ended = run("restore", str(backup), "--key", str(key), *place(elsewhere))
    assert (ended.status, ended.err) == (0, "")

    restored = opened()
    with restored.database.read() as session:
        project = world.project(session)
        assert set(session.scalars(select(Candidate.run_id))) == set(run_ids)
        for run_id in run_ids:
            file = get_artifact(session, SYSTEM, project, ArtifactPath("weights.bin", run_id=run_id))
            assert b"".join(restored.store.chunks(file.blob_name)) == run_id.encode() * 1000
            candidate = get_candidate(session, SYSTEM, project, run_id)
            assert series_of(session, project.id, candidate.id, "loss").values.tolist() == [1.0, 0.5, 0.25]
        assert actor_of_token(session, restored.key, world.developer.token).username == "developer"
    assert run("doctor", "--deep", *place(elsewhere)).status == 0


def test_without_the_key_tokens_are_worth_nothing(
    run: Run,
    world: World,
    fill: Fill,
    elsewhere: Settings,
    opened: Callable[[], Installation],
    tmp_path: Path,
) -> None:
    fill(1)
    assert run("backup", str(tmp_path / "backup")).status == 0
    assert not any("secret" in path.name for path in (tmp_path / "backup").rglob("*"))
    ended = run("restore", str(tmp_path / "backup"), *place(elsewhere))
    assert ended.status == 0
    assert "access tokens and sessions of the backup are not valid" in ended.out
    restored = opened()
    with restored.database.read() as session, pytest.raises(Unauthenticated):
        actor_of_token(session, restored.key, world.developer.token)


def test_a_key_that_is_a_setting_is_named(
    run: Run, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(1)
    monkeypatch.setenv("MODELYARD_SECRET_KEY", "k" * 40)
    ended = run("backup", str(tmp_path / "backup"))
    assert "not in it. It is the setting MODELYARD_SECRET_KEY: keep" in ended.out
    assert "kkk" not in ended.out


def test_another_key_is_refused(run: Run, fill: Fill, elsewhere: Settings, tmp_path: Path) -> None:
    fill(1)
    run("backup", str(tmp_path / "backup"))
    (tmp_path / "other.key").write_text("0" * 64)
    ended = run("restore", str(tmp_path / "backup"), "--key", str(tmp_path / "other.key"), *place(elsewhere))
    assert (ended.status, "not the key of the saved installation" in ended.err) == (1, True)
    assert not elsewhere.data.exists()


def test_nothing_is_written_over(run: Run, fill: Fill, settings: Settings, tmp_path: Path) -> None:
    fill(1)
    assert run("backup", str(tmp_path / "backup")).status == 0
    ended = run("backup", str(tmp_path / "backup"))
    assert (ended.status, "is not empty" in ended.err) == (1, True)
    ended = run("restore", str(tmp_path / "backup"), *place(settings))
    assert ended.status == 1
    assert "already" in ended.err


@pytest.mark.parametrize("damaged", ["database", "blobs.txt", "manifest.json", "blob", "missing blob"])
def test_a_damaged_backup_is_refused(run: Run, fill: Fill, elsewhere: Settings, tmp_path: Path, damaged: str) -> None:
    fill(3)
    backup = tmp_path / "backup"
    run("backup", str(backup))
    blob = next(path for path in (backup / "blobs" / "sha256").rglob("*") if path.is_file())
    if damaged == "missing blob":
        blob.unlink()
    else:
        path = blob if damaged == "blob" else backup / damaged
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    proved = run("restore", str(backup), "--verify-only")
    assert (proved.status, "damaged" in proved.err) == (1, True)
    ended = run("restore", str(backup), *place(elsewhere))
    assert (ended.status, "damaged" in ended.err) == (1, True)
    assert run("doctor", *place(elsewhere)).status == 1, "Nothing can be started from a half."


def test_an_unfinished_backup_is_none(run: Run, fill: Fill, elsewhere: Settings, tmp_path: Path) -> None:
    fill(1)
    run("backup", str(tmp_path / "backup"))
    (tmp_path / "backup" / "manifest.json").unlink()
    ended = run("restore", str(tmp_path / "backup"), *place(elsewhere))
    assert (ended.status, "no finished backup" in ended.err) == (1, True)


def test_a_damaged_file_is_named_and_the_others_are_saved(
    run: Run, installation: Installation, fill: Fill, elsewhere: Settings, tmp_path: Path
) -> None:
    run_ids = fill(3)
    lost = hashlib.sha256(run_ids[1].encode() * 1000).hexdigest()
    path = blob_path(installation, lost)
    path.write_bytes(b"something else")
    ended = run("backup", str(tmp_path / "backup"))
    assert (ended.status, "1 files were missing or damaged" in ended.err) == (1, True)
    assert read_manifest(tmp_path / "backup").damaged == [lost]
    ended = run("restore", str(tmp_path / "backup"), *place(elsewhere))
    assert (ended.status, "1 files were damaged already" in ended.out) == (0, True)


def test_a_backup_under_load_is_of_one_moment(
    run: Run, installation: Installation, fill: Fill, elsewhere: Settings, tmp_path: Path
) -> None:
    fill(3)
    stopping = threading.Event()

    def keep_filling() -> None:
        while not stopping.is_set():
            fill(1)

    writers = [threading.Thread(target=keep_filling) for _ in range(3)]
    for writer in writers:
        writer.start()
    ended = run("backup", str(tmp_path / "backup"))
    stopping.set()
    for writer in writers:
        writer.join()
    assert (ended.status, ended.err) == (0, "")
    assert run("restore", str(tmp_path / "backup"), *place(elsewhere)).status == 0
    ended = run("doctor", "--deep", *place(elsewhere))
    assert ended.status == 0, ended.out
    assert installation.settings.data != elsewhere.data


def test_a_backup_of_the_other_engine_is_refused(
    run: Run, fill: Fill, settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fill(1)
    assert run("backup", str(tmp_path / "backup")).status == 0
    address: URL = request.getfixturevalue("postgresql_server")
    other = "" if settings.is_postgresql else address.render_as_string(hide_password=False)
    words = ("--data", str(tmp_path / "other"), "--database-url", other)
    ended = run("restore", str(tmp_path / "backup"), *words)
    assert (ended.status, "can be restored to" in ended.err) == (1, True)


def test_what_is_saved_is_for_its_owner_only(run: Run, fill: Fill, tmp_path: Path) -> None:
    fill(1)
    run("backup", str(tmp_path / "backup"))
    for path in [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


class TestPrograms:
    """PostgreSQL's own programs."""

    @pytest.fixture
    def engine(self) -> str:
        return "postgresql"

    def test_their_absence_is_said(self, run: Run, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fill(1)
        monkeypatch.setenv("PATH", str(tmp_path))
        ended = run("backup", str(tmp_path / "backup"))
        assert (ended.status, "pg_dump was not found" in ended.err) == (1, True)

    def test_the_password_is_on_no_command_line(
        self, run: Run, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[list[str]] = []
        real = subprocess.run

        def note(words: list[str], **options: object) -> object:
            seen.append(words)
            return real(words, **options)  # type: ignore[call-overload]

        monkeypatch.setattr("modelyard.platform.backup.engines.subprocess.run", note)
        url = settings.database_url.replace("modelyard@", "modelyard:hunter2@")
        assert run("backup", str(tmp_path / "backup"), "--database-url", url).status == 0
        assert seen
        assert not any("hunter2" in word for words in seen for word in words)


class TestDoctor:
    """What the doctor finds."""

    def test_a_sound_installation(self, run: Run, fill: Fill) -> None:
        fill(3)
        ended = run("doctor", "--deep")
        assert ended.status == 0, ended.out
        assert not [line for line in ended.out.splitlines() if line.startswith("fault")]

    def test_a_missing_and_a_cut_file(self, run: Run, installation: Installation, fill: Fill) -> None:
        first, second, _ = (hashlib.sha256(it.encode() * 1000).hexdigest() for it in fill(3))
        blob_path(installation, first).unlink()
        blob_path(installation, second).write_bytes(b"x")
        ended = run("doctor")
        assert ended.status == 1
        assert f"fault    files: Missing: {first}." in ended.out
        assert f"fault    sizes: Of another size than they had: {second}." in ended.out

    def test_a_flipped_bit_is_found_by_reading(self, run: Run, installation: Installation, fill: Fill) -> None:
        (digest,) = (hashlib.sha256(it.encode() * 1000).hexdigest() for it in fill(1))
        path = blob_path(installation, digest)
        content = bytearray(path.read_bytes())
        content[7] ^= 1
        path.write_bytes(content)
        assert run("doctor").status == 0
        ended = run("doctor", "--deep")
        assert (ended.status, f"digests: Damaged: {digest}." in ended.out) == (1, True)

    def test_files_of_nobody_are_no_fault(self, run: Run, installation: Installation) -> None:
        stored(installation, b"nobody's")
        ended = run("doctor")
        assert (ended.status, "1 stored files (0.0 MiB) belong to nothing" in ended.out) == (0, True)

    def test_latest_values_that_disagree(self, run: Run, installation: Installation, fill: Fill) -> None:
        run_ids = fill(3)
        with installation.database.write() as session:
            candidate_id = session.scalar(select(Candidate.id).where(Candidate.run_id == run_ids[1]))
            kept = session.scalars(select(LatestMetric).where(LatestMetric.candidate_id == candidate_id)).one()
            kept.value = 7.0
        ended = run("doctor")
        assert (
            ended.status,
            f"fault    metrics: Latest values that disagree with their history: {run_ids[1]}." in ended.out,
        ) == (1, True)

    def test_a_number_that_was_given_twice_would_be(self, run: Run, installation: Installation, fill: Fill) -> None:
        fill(2)
        with installation.database.write() as session:
            session.execute(text("UPDATE counters SET last = 1 WHERE kind = 'candidate'"))
        assert run("doctor").status == 1

    def test_a_directory_that_is_no_database(self, run: Run, tmp_path: Path) -> None:
        data = tmp_path / "broken"
        prepare_data_directory(data)
        (data / "modelyard.sqlite3").write_bytes(b"not a database at all" * 100)
        ended = run("doctor", "--data", str(data), "--database-url", "")
        assert (ended.status, "fault" in ended.out) == (1, True)


def test_references_to_nothing_are_found(run: Run, installation: Installation, fill: Fill, tmp_path: Path) -> None:
    fill(1)
    if installation.settings.is_postgresql:
        return  # PostgreSQL lets nobody, not even its owner, write such a row
    copy = tmp_path / "copy"
    shutil.copytree(installation.settings.data, copy)
    connection = sqlite3.connect(copy / "modelyard.sqlite3")
    connection.execute("UPDATE candidates SET experiment_id = 999")
    connection.commit()
    connection.close()
    ended = run("doctor", "--data", str(copy))
    assert ended.status == 1
    assert "refers to a row of experiments that is not there" in ended.out
    assert "Candidates in no experiment of their project" in ended.out

"""`modelyard doctor`: whether everything that an installation holds is whole."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from platform import python_version
from typing import Annotated

import typer

from modelyard import __version__
from modelyard.domains.packages.consistency import check_blobs
from modelyard.domains.packages.sweeping import scrub
from modelyard.domains.tracking.consistency import check_tracking
from modelyard.entrypoints.cli.opening import MIGRATIONS
from modelyard.entrypoints.cli.options import AsJson, Data, DatabaseUrl, ObjectsUrl
from modelyard.platform.condition import damage_of, engine_version, measured_flush
from modelyard.platform.database import SQLITE_FILE, Database, open_database
from modelyard.platform.deadlines import unhurried
from modelyard.platform.disk import DiskReserve
from modelyard.platform.errors import ModelyardError, NotFound
from modelyard.platform.settings import GIBIBYTE, Settings, load_settings
from modelyard.platform.storage.blobs import BlobStore
from modelyard.platform.storage.opening import open_blob_store
from modelyard.platform.tasks.queue import queue_state

app = typer.Typer(add_completion=False)

# A disk that is faster than this at flushing does not flush; one that is slower makes every answer wait.
HONEST_MS = 0.02
SLOW_MS = 30.0
MOST_NAMED = 5


class Verdict(StrEnum):
    """Of one check. A warning is about tomorrow; a fault is about what is stored."""

    WELL = "well"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Patient:
    """What is examined."""

    settings: Settings
    database: Database
    store: BlobStore
    is_deep: bool
    sample: int


@app.command()
def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read every file and compare its digest, too.")] = False,
    sample: Annotated[int, typer.Option(help="Candidates whose metrics are compared with their latest values.")] = 200,
    as_json: AsJson = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    objects_url: ObjectsUrl = None,
) -> None:
    """Check that everything an installation holds is whole.

    Nothing is changed, and the server may go on running. The exit status is 1 when something is not whole.

    Examples:
        modelyard doctor

        modelyard doctor --deep --json
    """
    settings = load_settings({"data": data, "database_url": database_url, "objects_url": objects_url})
    if not settings.is_postgresql and not (settings.data / SQLITE_FILE).exists():
        raise NotFound(f"There is no Modelyard in {settings.data}. Name its directory with --data.")
    database = open_database(settings)
    try:
        patient = Patient(settings, database, open_blob_store(settings), deep, sample)
        with unhurried():
            findings = [finding for examine in EXAMINATIONS for finding in _examined(examine, patient)]
    finally:
        database.close()
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{finding.verdict:8} {finding.check}: {finding.sentence}")
    if any(finding.verdict is Verdict.FAULT for finding in findings):
        sys.exit(1)


Examination = Callable[[Patient], Iterator[Finding]]


def _examined(examine: Examination, patient: Patient) -> list[Finding]:
    """The findings of one examination; one that cannot be made is a fault, too."""
    try:
        return list(examine(patient))
    except ModelyardError as error:
        return [Finding(examine.__name__.strip("_"), Verdict.FAULT, error.message)]


def _versions(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as session:
        engine = engine_version(session, patient.database)
    yield Finding("versions", Verdict.WELL, f"Modelyard {__version__}, Python {python_version()}, {engine}.")
    migrations = importlib.import_module(MIGRATIONS)
    try:
        migrations.check_revision(patient.database)
    except ModelyardError as error:
        yield Finding("schema", Verdict.FAULT, error.message)
    else:
        yield Finding("schema", Verdict.WELL, f"The schema is {migrations.HEAD}, the one of this version.")


def _database(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as session:
        damage = damage_of(session, patient.database)
    yield _listed("database", damage, "Its structure and its references are whole.", "Damage: ")


def _tracking(patient: Patient) -> Iterator[Finding]:
    with patient.database.snapshot() as session:
        found = check_tracking(session, sample=patient.sample)
    places = f"All {found.candidates} candidates are in an experiment of their project."
    yield _listed("places", found.misplaced, places, "Candidates in no experiment of their project: ")
    numbers = [str(project_id) for project_id in found.misnumbered]
    yield _listed("numbers", numbers, "The next candidate of every project gets a free number.", "Projects: ")
    agree = f"The latest values of {found.sampled} candidates agree with their histories."
    yield _listed("metrics", found.disagreeing, agree, "Latest values that disagree with their history: ")


def _files(patient: Patient) -> Iterator[Finding]:
    with patient.database.snapshot() as session:
        found = check_blobs(session, patient.store)
    whole = f"The store has all {found.rows} files ({_size(found.row_bytes)})."
    yield _listed("files", found.missing, whole, "Missing: ")
    if found.wrong_size:
        yield _listed("sizes", found.wrong_size, "", "Of another size than they had: ")
    if found.orphans:
        sentence = (
            f"{found.orphans} stored files ({_size(found.orphan_bytes)}) belong to nothing; they are swept in time."
        )
        yield Finding("orphans", Verdict.WELL, sentence)
    if patient.is_deep:
        damaged = [damage.sha256 for damage in scrub(patient.database, patient.store)]
        yield _listed("digests", damaged, f"Every byte of {found.rows} files is what it was.", "Damaged: ")


def _background(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as session:
        state = queue_state(session)
    dead = state.counts["dead"]
    words = ", ".join(f"{count} {name}" for name, count in state.counts.items())
    verdict = Verdict.WARNING if dead else Verdict.WELL
    advice = " See `modelyard admin tasks`." if dead else ""
    yield Finding("tasks", verdict, f"{words}.{advice}")


def _disk(patient: Patient) -> Iterator[Finding]:
    free = DiskReserve(patient.settings.data, 0).free_bytes()
    reserve = patient.settings.disk_reserve_bytes
    verdict = Verdict.WARNING if free < 2 * reserve else Verdict.WELL
    yield Finding("disk", verdict, f"{_size(free)} are free; writes are refused below {_size(reserve)}.")
    try:
        flush = measured_flush(patient.settings.data)
    except OSError as error:
        yield Finding("flush", Verdict.WARNING, f"Nothing can be written to {patient.settings.data}: {error.strerror}.")
        return
    sentence = f"A flush takes {flush.median_ms:.2f} ms, at most {flush.slowest_ms:.1f} ms."
    if flush.median_ms < HONEST_MS and patient.settings.durability == "full":
        sentence += " That is too fast to be true: this disk may lose what it has acknowledged when the power fails."
        yield Finding("flush", Verdict.WARNING, sentence)
    elif flush.median_ms > SLOW_MS:
        yield Finding("flush", Verdict.WARNING, sentence + " Every answer to a write waits so long.")
    else:
        yield Finding("flush", Verdict.WELL, sentence)


EXAMINATIONS: tuple[Examination, ...] = (_versions, _database, _tracking, _files, _background, _disk)


def _listed(check: str, faults: list[str], well: str, bad: str) -> Finding:
    if not faults:
        return Finding(check, Verdict.WELL, well)
    more = f" and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
    return Finding(check, Verdict.FAULT, f"{bad}{', '.join(faults[:MOST_NAMED])}{more}.")


def _size(size_bytes: int) -> str:
    if size_bytes < GIBIBYTE:
        return f"{size_bytes / 1024 / 1024:.1f} MiB"
    return f"{size_bytes / GIBIBYTE:.1f} GiB"

"""Candidates that are asked for again with the key of an earlier request, in the transaction of a group."""

from modelyard.domains.namespaces.repeats import OTHER_BODY, REMEMBERED
from modelyard.domains.tracking.hot.operations import CandidateInfo, CandidatePlace, CreateCandidate, Status
from modelyard.platform.errors import Invalid
from modelyard.platform.raw import RawTransaction

REMEMBERED_MS = int(REMEMBERED.total_seconds() * 1000)


def made_before(transaction: RawTransaction, creation: CreateCandidate) -> CandidateInfo | Invalid | None:
    """What an earlier request with the same key has made; an error if that one wanted something else."""
    repeat = creation.repeat
    if repeat is None:
        return None
    this = (creation.project_id, repeat.key)
    rows = transaction.rows(
        "SELECT body, made, created_at FROM repeatable_requests WHERE project_id = ? AND key = ?", this
    )
    if not rows:
        return None
    body, run_id, created_ms = rows[0]
    is_over = int(created_ms or 0) < creation.now_ms - REMEMBERED_MS
    found = None if is_over else _candidate(transaction, str(run_id))
    if found is None:
        transaction.run("DELETE FROM repeatable_requests WHERE project_id = ? AND key = ?", this)
        return None
    return found if body == repeat.body else Invalid(OTHER_BODY)


def note_made(transaction: RawTransaction, creation: CreateCandidate) -> None:
    """Remember which request has made a candidate."""
    repeat = creation.repeat
    if repeat is not None:
        transaction.run(
            "INSERT INTO repeatable_requests (project_id, key, body, made, created_at) VALUES (?, ?, ?, ?, ?)",
            (creation.project_id, repeat.key, repeat.body, creation.run_id, creation.now_ms),
        )


def _candidate(transaction: RawTransaction, run_id: str) -> CandidateInfo | None:
    rows = transaction.rows(
        "SELECT c.id, c.project_id, c.experiment_id, e.iid, c.iid, c.name, c.status, c.source_user, c.start_ms,"
        " c.end_ms, c.deleted_ms FROM candidates c JOIN experiments e ON e.id = c.experiment_id WHERE c.run_id = ?",
        (run_id,),
    )
    if not rows:
        return None
    *numbers, name, status, source_user, start_ms, end_ms, deleted_ms = rows[0]
    return CandidateInfo(
        CandidatePlace(*map(int, numbers), run_id),  # type: ignore[arg-type, call-arg]  # integer columns
        str(name),
        Status(int(status)),  # type: ignore[arg-type]  # an integer column
        str(source_user),
        int(start_ms),  # type: ignore[arg-type]  # an integer column
        None if end_ms is None else int(end_ms),
        deleted_ms is not None,
    )

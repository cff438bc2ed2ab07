"""What a group of operations has to know of the database before it writes."""

from collections.abc import Iterable

import msgspec

from modelyard.domains.tracking.hot.operations import LogData
from modelyard.platform.raw import RawTransaction, in_pieces, marks


class State(msgspec.Struct, frozen=True, gc=False):
    """What of a candidate's row decides whether it is written to, and what no operation changes."""

    candidate_id: int
    source_user: str
    start_ms: int
    deleted_ms: int | None


def states_of(transaction: RawTransaction, ids: Iterable[int]) -> dict[int, State]:
    """The candidates of these ids that there are; those of a deleted project are not."""
    found: dict[int, State] = {}
    for piece in in_pieces(ids):
        rows = transaction.rows(
            "SELECT c.id, c.source_user, c.start_ms, c.deleted_ms FROM candidates c"  # noqa: S608  # marks only
            " JOIN projects p ON p.id = c.project_id"
            f" WHERE p.deleted_at IS NULL AND c.id IN {marks(len(piece))}",
            piece,
        )
        found.update((row[0], State(*row)) for row in rows)  # type: ignore[misc, arg-type]  # as the columns are
    return found


def ids_of_runs(transaction: RawTransaction, run_ids: list[str]) -> dict[str, int]:
    """The numbers of these runs."""
    found: dict[str, int] = {}
    for piece in in_pieces(run_ids):
        sql = f"SELECT run_id, id FROM candidates WHERE run_id IN {marks(len(piece))}"  # noqa: S608  # marks only
        found.update((str(run_id), int(number)) for run_id, number in transaction.rows(sql, piece))  # type: ignore[arg-type]  # an integer column
    return found


def parameters_of(transaction: RawTransaction, ids: Iterable[int]) -> dict[tuple[int, int], object]:
    """The values of all parameters of these candidates, by candidate and key."""
    kept: dict[tuple[int, int], object] = {}
    for piece in in_pieces(ids):
        sql = f"SELECT candidate_id, key_id, value FROM candidate_parameters WHERE candidate_id IN {marks(len(piece))}"  # noqa: S608  # marks only
        for candidate_id, key_id, value in transaction.rows(sql, piece):
            kept[int(candidate_id), int(key_id)] = value  # type: ignore[arg-type]  # integer columns
    return kept


def logged_models_of(transaction: RawTransaction, logs: list[tuple[int, LogData]]) -> dict[str, tuple[int, int]]:
    """The logged models that points name: their number and their project."""
    wanted = {metric.model_id for _, log in logs if log.model_metrics for metric in log.model_metrics}
    known: dict[str, tuple[int, int]] = {}
    for piece in in_pieces(sorted(wanted)):
        sql = (
            "SELECT model_id, id, project_id FROM logged_models"  # noqa: S608  # marks only
            f" WHERE deleted_ms IS NULL AND model_id IN {marks(len(piece))}"
        )
        for model_id, number, project_id in transaction.rows(sql, piece):
            known[str(model_id)] = (int(number), int(project_id))  # type: ignore[arg-type]  # integer columns
    return known

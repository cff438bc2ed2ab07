"""When candidates were last changed: a time that grows with each change, so that no open page overlooks one."""

from collections.abc import Iterable

from modelyard.platform.raw import RawTransaction, in_pieces, marks

# Two changes within a millisecond, or by a clock that goes behind, are told apart. Takes the moment twice.
CHANGED = "updated_ms = CASE WHEN updated_ms < ? THEN ? ELSE updated_ms + 1 END"


def note_changes(transaction: RawTransaction, candidate_ids: Iterable[int], moment_ms: int) -> None:
    """Note that these candidates are changed now."""
    # Everybody locks them in the same order, and nobody who only refers to them waits.
    locking = "" if transaction.is_sqlite else " ORDER BY id FOR NO KEY UPDATE"
    for piece in in_pieces(sorted(candidate_ids)):
        chosen = f"SELECT id FROM candidates WHERE id IN {marks(len(piece))}{locking}"  # noqa: S608  # marks only
        transaction.run(
            f"UPDATE candidates SET {CHANGED} WHERE id IN ({chosen})",  # noqa: S608  # texts of ours
            (moment_ms, moment_ms, *piece),
        )

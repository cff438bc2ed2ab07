"""When candidates were last changed by the hot lane: a time that grows with each change, for pages that follow them."""

from collections.abc import Collection

from modelyard.platform.raw import RawTransaction, in_pieces, marks

# Two changes within a millisecond, or by a clock that goes behind, are told apart. Takes the moment twice.
CHANGED = "updated_ms = CASE WHEN updated_ms < ? THEN ? ELSE updated_ms + 1 END"


def hold_candidates(transaction: RawTransaction, candidate_ids: Collection[int]) -> None:
    """Lock all candidates that a group will change, in one order, so that two groups on PostgreSQL never cross.

    Nobody who only refers to them waits.
    """
    for piece in in_pieces(sorted(candidate_ids)):
        transaction.run(
            f"SELECT id FROM candidates WHERE id IN {marks(len(piece))} ORDER BY id FOR NO KEY UPDATE",  # noqa: S608  # marks only
            piece,
        )


def note_changes(transaction: RawTransaction, candidate_ids: Collection[int], moment_ms: int) -> None:
    """Note that these candidates are changed now."""
    for piece in in_pieces(candidate_ids):
        transaction.run(
            f"UPDATE candidates SET {CHANGED} WHERE id IN {marks(len(piece))}",  # noqa: S608  # texts of ours
            (moment_ms, moment_ms, *piece),
        )

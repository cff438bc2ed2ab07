"""Names of metrics, parameters and tags as integers, remembered per project."""

from collections import OrderedDict
from collections.abc import Iterable

from sqlalchemy.orm import Session

from modelyard.platform.errors import Invalid
from modelyard.platform.raw import Bulk, RawTransaction, SessionTransaction, in_pieces, marks

MOST_PROJECTS = 256
# Of one project. What differs from run to run belongs into values; as names it would only fill tables and memory.
MOST_NAMES = 100_000

_INSERT = Bulk("tracking_keys", ("project_id", "name"), ("bigint", "text"), "ON CONFLICT DO NOTHING")


# Whoever makes names of a project on PostgreSQL waits for the others who do; SQLite has one writer anyway.
_WAIT_FOR_OTHERS = "SELECT pg_advisory_xact_lock(71830, hashint8(?))"


class KeyBook:
    """What this process knows of `tracking_keys`. Ids never change, so what is known stays true.

    What a transaction finds or makes is known at once, and forgotten if `settle()` hears that it was undone.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[int, dict[str, int]] = OrderedDict()
        self._counts: dict[int, int] = {}
        self._new: list[tuple[int, str]] = []

    def of_project(self, project_id: int) -> dict[str, int]:
        """Name to id, as far as known."""
        book = self._known.get(project_id)
        if book is None:
            book = self._known[project_id] = {}
            while len(self._known) > MOST_PROJECTS:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(project_id)
        return book

    def ids(self, transaction: RawTransaction, project_id: int, names: Iterable[str]) -> dict[str, int]:
        """A mapping that has every name of `names`; those that are missing are made.

        Raises:
            Invalid: the project would have too many; nothing was written.
        """
        book = self.of_project(project_id)
        missing = [name for name in dict.fromkeys(names) if name not in book]
        if not missing:
            return book
        found = self._look_up(transaction, project_id, missing)
        wanted = sorted(name for name in missing if name not in found)
        if wanted:
            found |= self._make(transaction, project_id, wanted)
        self._new.extend((project_id, name) for name in found)
        book.update(found)
        return book

    def settle(self, *, committed: bool) -> None:
        """Keep what the last transaction found or made, or forget it."""
        if not committed:
            for project_id, name in self._new:
                self._known.get(project_id, {}).pop(name, None)
        self._new.clear()
        self._counts.clear()

    def _make(self, transaction: RawTransaction, project_id: int, names: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        if not transaction.is_sqlite and project_id not in self._counts:
            transaction.run(_WAIT_FOR_OTHERS, (project_id,))
            found = self._look_up(transaction, project_id, names)
        wanted = [name for name in names if name not in found]
        if wanted:
            self._count(transaction, project_id, len(wanted))
            transaction.insert_many(_INSERT, [(project_id, name) for name in wanted])
            found |= self._look_up(transaction, project_id, wanted)
        return found

    def _count(self, transaction: RawTransaction, project_id: int, more: int) -> None:
        """Note that a project gets more names; it holds for this transaction, while nobody else makes any."""
        count = self._counts.get(project_id)
        if count is None:
            sql = "SELECT count(*) FROM tracking_keys WHERE project_id = ?"
            count = int(transaction.rows(sql, (project_id,))[0][0] or 0)
        if count + more > MOST_NAMES:
            raise Invalid(
                f"This project has {count} different names of metrics, parameters and tags, and {MOST_NAMES} is the"
                f" most it may have; this would add {more}. Use fewer names, and put what differs from run to run into"
                " values."
            )
        self._counts[project_id] = count + more

    @staticmethod
    def _look_up(transaction: RawTransaction, project_id: int, names: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for piece in in_pieces(names):
            sql = f"SELECT name, id FROM tracking_keys WHERE project_id = ? AND name IN {marks(len(piece))}"  # noqa: S608  # marks only
            for name, key_id in transaction.rows(sql, (project_id, *piece)):
                found[str(name)] = int(key_id)  # type: ignore[arg-type]  # an integer column
        return found


def ensure_key(session: Session, project_id: int, name: str) -> int:
    """The id of a name in an ordinary session; one that is missing is made.

    Raises:
        Invalid: the project would have too many.
    """
    return KeyBook().ids(SessionTransaction(session), project_id, [name])[name]

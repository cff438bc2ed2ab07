"""Names of metrics, parameters and tags as integers, remembered per project."""

from collections import OrderedDict
from collections.abc import Iterable

from modelyard.platform.raw import Bulk, RawTransaction, in_pieces, marks

MOST_PROJECTS = 256

_INSERT = Bulk("tracking_keys", ("project_id", "name"), ("bigint", "text"), "ON CONFLICT DO NOTHING")


class KeyBook:
    """What this process knows of `tracking_keys`. Ids never change, so what is known stays true.

    New ids are kept apart until `settle()`, since a transaction that is undone takes them back.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[int, dict[str, int]] = OrderedDict()
        self._new: list[tuple[int, str, int]] = []

    def of_project(self, project_id: int) -> dict[str, int]:
        """Name to id, as far as known."""
        book = self._known.get(project_id)
        if book is None:
            book = self._known[project_id] = {}
            while len(self._known) > MOST_PROJECTS:
                self._known.popitem(last=False)
        return book

    def ids(self, transaction: RawTransaction, project_id: int, names: Iterable[str]) -> dict[str, int]:
        """A mapping that has every name of `names`; those that are missing are made."""
        book = self.of_project(project_id)
        missing = [name for name in dict.fromkeys(names) if name not in book]
        if not missing:
            return book
        found = self._look_up(transaction, project_id, missing)
        if len(found) < len(missing):
            wanted = sorted(name for name in missing if name not in found)
            transaction.insert_many(_INSERT, [(project_id, name) for name in wanted])
            found |= self._look_up(transaction, project_id, wanted)
        self._new.extend((project_id, name, key_id) for name, key_id in found.items())
        return {**book, **found}

    def settle(self, *, committed: bool) -> None:
        """Remember what the transaction found or made, or forget it."""
        if committed:
            for project_id, name, key_id in self._new:
                self.of_project(project_id)[name] = key_id
        self._new.clear()

    @staticmethod
    def _look_up(transaction: RawTransaction, project_id: int, names: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for piece in in_pieces(names):
            sql = f"SELECT name, id FROM tracking_keys WHERE project_id = ? AND name IN {marks(len(piece))}"  # noqa: S608  # marks only
            for name, key_id in transaction.rows(sql, (project_id, *piece)):
                found[str(name)] = int(key_id)  # type: ignore[arg-type]  # an integer column
        return found

"""The table of exceptions, `exceptions.toml`: a section a rule, each entry a dotted name or pattern and its reason."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

from tools.house.sources import Finding

TABLE = "tools/house/exceptions.toml"


class Exceptions:
    """Answers whether a rule lets a name pass, and remembers which entries were needed."""

    def __init__(self, table: dict[str, dict[str, str]]) -> None:
        self._table = table
        self._needed: set[tuple[str, str]] = set()

    @classmethod
    def read(cls, root: Path) -> "Exceptions":
        """The table of this project."""
        with (root / TABLE).open("rb") as file:
            return cls(tomllib.load(file))

    def allow(self, rule: str, name: str) -> bool:
        """Whether an entry of this rule matches the name; `*` stands for any text."""
        matching = {(rule, pattern) for pattern in self._table.get(rule, {}) if fnmatchcase(name, pattern)}
        self._needed |= matching
        return bool(matching)

    def findings(self) -> list[Finding]:
        """Entries that nothing needed, and entries without a reason; to be asked after every rule has run."""
        entries = [(rule, pattern, reason) for rule, rows in self._table.items() for pattern, reason in rows.items()]
        unneeded = [
            Finding(TABLE, 1, rule, f"The exception {pattern!r} is not needed any more; remove it.")
            for rule, pattern, _ in entries
            if (rule, pattern) not in self._needed
        ]
        unexplained = [
            Finding(TABLE, 1, rule, f"The exception {pattern!r} has no reason.")
            for rule, pattern, reason in entries
            if not reason.strip()
        ]
        return unneeded + unexplained

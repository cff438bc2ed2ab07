"""Numbered pages of short lists: groups, projects and members, which people leaf through by tens."""

from dataclasses import dataclass

from modelyard.entrypoints.web.formatting import count
from modelyard.entrypoints.web.visit import Paging, Visit, search_address
from modelyard.entrypoints.web.whole_numbers import whole_number

PER_PAGE = 50
MOST_LEAVES = 100_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """Which page of a list is open."""

    number: int
    limit: int = PER_PAGE

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.limit

    def paging(self, visit: Visit, total: int, **narrowing: str) -> Paging:
        """The ways to the first and the next page, with the search and the narrowing that are on."""
        kept = {"q": visit.query("q"), **narrowing}
        first = search_address(visit.path, **kept) if self.number > 1 else ""
        is_last = self.offset + self.limit >= total
        return Paging(first, "" if is_last else search_address(visit.path, **kept, page=str(self.number + 1)))


def shown_of(shown: int, total: int, noun: str, plural: str = "") -> str:
    """How much of a list is on the page: 50 shown · 212 projects."""
    return f"{count(shown)} shown · {count(total)} {noun if total == 1 else plural or noun + 's'}"


def leaf_of(visit: Visit) -> Leaf:
    """The page that the address asks for.

    Raises:
        Invalid: it is not a number.
    """
    text = visit.query("page") or "1"
    return Leaf(whole_number(text, "The page is a number, beginning with 1.", least=1, most=MOST_LEAVES))

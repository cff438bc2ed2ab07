"""Pages of lists: numbers in the query, where one is and what follows in the headers.

GitLab's keyset paging, where a list has it, leads on from the last row's number instead and counts nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

from pydantic import Field

from modelyard.entrypoints.rest.errors import NotAllowed
from modelyard.entrypoints.rest.fields import Parameters

MOST_PER_PAGE = 100
DEEPEST_OFFSET = 50_000

Item_co = TypeVar("Item_co", covariant=True)
Row = TypeVar("Row")


class Paging(Parameters):
    """Which page of a list is wanted."""

    page: int = Field(default=1, ge=1, description="The number of the page, from 1.")
    per_page: int = Field(default=20, ge=1, description=f"Items on a page; more than {MOST_PER_PAGE} count as that.")

    @property
    def limit(self) -> int:
        return min(self.per_page, MOST_PER_PAGE)

    @property
    def offset(self) -> int:
        """How many rows come before the page.

        Raises:
            NotAllowed: too many to be skipped.
        """
        skipped = (self.page - 1) * self.limit
        if skipped > DEEPEST_OFFSET:
            raise NotAllowed(f"Pages reach {DEEPEST_OFFSET} items deep. Narrow the list with its filters.")
        return skipped


@dataclass(frozen=True)
class Listed(Generic[Item_co]):
    """One page of a list with what its headers say. `links` are further query parameters by relation."""

    items: Sequence[Item_co]
    numbers: Mapping[str, str]
    links: Mapping[str, Mapping[str, str]]


def listed(items: Sequence[Row], paging: Paging, total: int) -> Listed[Row]:
    """A page that was found by its number."""
    last = max(1, -(-total // paging.limit))
    before = str(paging.page - 1) if paging.page > 1 else ""
    after = str(paging.page + 1) if paging.page < last else ""
    numbers = {
        "x-page": str(paging.page),
        "x-per-page": str(paging.limit),
        "x-prev-page": before,
        "x-next-page": after,
        "x-total": str(total),
        "x-total-pages": str(last),
    }
    ways = {"prev": before, "next": after, "first": "1", "last": str(last)}
    links = {relation: {"page": page, "per_page": str(paging.limit)} for relation, page in ways.items() if page}
    return Listed(items, numbers, links)


def listed_by_key(items: Sequence[Row], paging: Paging, key: Callable[[Row], int], *, descending: bool) -> Listed[Row]:
    """A page that was found by the number of the row before it; a full page may have a next one."""
    links: dict[str, dict[str, str]] = {}
    if len(items) == paging.limit:
        # The other bound, where the client gave one, stays in the query.
        bound = "id_before" if descending else "id_after"
        links["next"] = {bound: str(key(items[-1])), "per_page": str(paging.limit)}
    return Listed(items, {"x-per-page": str(paging.limit)}, links)


def page_headers(page: Listed[object], address: str, query: str) -> dict[str, str]:
    """The headers of a page; links repeat the request's own query with what differs."""
    asked = parse_qsl(query, keep_blank_values=True)
    links = []
    for relation, changes in page.links.items():
        kept = [(name, value) for name, value in asked if name not in changes]
        links.append(f'<{address}?{urlencode([*kept, *changes.items()])}>; rel="{relation}"')
    return {**page.numbers, **({"link": ", ".join(links)} if links else {})}

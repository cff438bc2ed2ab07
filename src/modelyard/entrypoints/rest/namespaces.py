"""Namespaces: groups and people's own places alike, as the owners of projects."""

import itertools
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field

from modelyard.domains.namespaces.groups import get_namespace
from modelyard.domains.namespaces.queries import is_path_taken, namespaces_of
from modelyard.domains.namespaces.tables import Namespace
from modelyard.entrypoints.request import SIGNED_IN
from modelyard.entrypoints.rest.errors import naming
from modelyard.entrypoints.rest.fields import Answer, Number, Parameters, Segment, Text
from modelyard.entrypoints.rest.paging import Listed, Paging, listed
from modelyard.entrypoints.rest.router import Asking, Routes

routes = Routes("Namespaces")

NamespaceReference = Annotated[Segment, Path(description="The number or URL-encoded full path of the namespace.")]


class NamespaceAnswer(Answer):
    """A group, or the place of a person."""

    id: int
    name: str
    path: str
    kind: Literal["group", "user"]
    full_path: str
    parent_id: int | None
    avatar_url: str | None = None
    web_url: str


class Existence(Answer):
    """Whether a path is taken, and one that is not."""

    exists: bool
    suggests: list[str]


class NamespacesQuery(Paging):
    """Which namespaces are listed."""

    search: Text = Field(default="", description="Part of a name or path.")
    owned_only: bool = False
    top_level_only: bool = False


class Where(Parameters):
    """Where a path is looked for."""

    parent_id: Number | None = Field(default=None, description="In this group; at the top when it is not named.")


def web_url_of(place: Namespace, url: str) -> str:
    """The address of a namespace's page. `url` is the server's own."""
    return f"{url}/groups/{place.full_path}" if place.kind == "group" else f"{url}/{place.full_path}"


def namespace_answer(place: Namespace, url: str) -> NamespaceAnswer:
    """A namespace's row as its answer. `url` is the server's own address."""
    return NamespaceAnswer.model_validate(
        {
            "id": place.id,
            "name": place.name,
            "path": place.path,
            "kind": place.kind,
            "full_path": place.full_path,
            "parent_id": place.parent_id,
            "web_url": web_url_of(place, url),
        }
    )


@routes.get("/namespaces", policy=SIGNED_IN, answer=list[NamespaceAnswer])
def list_namespaces(asked: Asking, wanted: Annotated[NamespacesQuery, Query()]) -> Listed[NamespaceAnswer]:
    """List the namespaces that one belongs to, by path; for administrators all there are."""
    with asked.read() as session:
        rows, total = namespaces_of(
            session,
            asked.actor,
            search=wanted.search,
            owned=wanted.owned_only,
            at_top=wanted.top_level_only,
            limit=wanted.limit,
            offset=wanted.offset,
        )
        return listed([namespace_answer(place, asked.url) for place in rows], wanted, total)


@routes.get("/namespaces/{namespace_id}", policy=SIGNED_IN, answer=NamespaceAnswer)
def get_one_namespace(asked: Asking, namespace_id: NamespaceReference) -> NamespaceAnswer:
    """Get a namespace."""
    with asked.read() as session, naming("Namespace"):
        return namespace_answer(get_namespace(session, asked.actor, namespace_id), asked.url)


@routes.get("/namespaces/{path}/exists", policy=SIGNED_IN, answer=Existence)
def check_existence(
    asked: Asking,
    path: Annotated[Segment, Path(description="The path to look for, of one segment.")],
    wanted: Annotated[Where, Query()],
) -> Existence:
    """Tell whether a namespace has this path, and suggest one that is free."""
    with asked.read() as session:
        parent = None
        if wanted.parent_id is not None:
            with naming("Namespace"):
                parent = get_namespace(session, asked.actor, wanted.parent_id)
        if not is_path_taken(session, asked.actor, path, parent):
            return Existence(exists=False, suggests=[])
        numbered = (f"{path}{number}" for number in itertools.count(1))
        free = next(other for other in numbered if not is_path_taken(session, asked.actor, other, parent))
        return Existence(exists=True, suggests=[free])

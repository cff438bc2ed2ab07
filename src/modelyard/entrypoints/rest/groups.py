"""Groups and subgroups."""

from typing import Annotated, Literal

from fastapi import Body, Query
from pydantic import Field

from modelyard.domains.namespaces.access import Ability, Role
from modelyard.domains.namespaces.groups import (
    GroupFilter,
    create_group,
    delete_group,
    groups_below,
    update_group,
)
from modelyard.domains.namespaces.queries import full_names
from modelyard.domains.namespaces.tables import Namespace
from modelyard.entrypoints.request import SIGNED_IN, needs, public
from modelyard.entrypoints.rest.errors import taken
from modelyard.entrypoints.rest.fields import AccessLevel, Answer, GroupReference, Moment, Number, Parameters, Text
from modelyard.entrypoints.rest.namespaces import web_url_of
from modelyard.entrypoints.rest.paging import Listed, Paging, listed
from modelyard.entrypoints.rest.router import Asked, Asking, Routes
from modelyard.platform.database import Session

Visibility = Literal["private", "internal", "public"]

routes = Routes("Groups")


class Group(Answer):
    """A group."""

    id: int
    name: str
    path: str
    description: str
    visibility: Visibility
    full_name: str = Field(description="The names of the groups around it and its own, joined by ` / `.")
    full_path: str
    parent_id: int | None
    avatar_url: str | None = None
    web_url: str
    created_at: Moment


class GroupsQuery(Paging):
    """Which groups are listed, and in which order."""

    search: Text = Field(default="", description="Part of a name or full path.")
    owned: bool = Field(default=False, description="Only groups that one owns, as a member.")
    min_access_level: AccessLevel | None = Field(
        default=None, description="Only those where one has this role or more."
    )
    all_available: bool = Field(default=True, description="False: only those one is a member of.")
    visibility: Visibility | None = None
    top_level_only: bool = False
    skip_groups: list[Number] = Field(default=[], alias="skip_groups[]")
    order_by: Literal["name", "path", "id"] = "name"
    sort: Literal["asc", "desc"] = "asc"

    def as_filter(self) -> GroupFilter:
        """What the domain understands."""
        least = Role(self.min_access_level) if self.min_access_level else None
        if self.owned:
            least = Role.OWNER
        elif least is None and not self.all_available:
            least = Role.GUEST
        return GroupFilter(
            search=self.search, visibility=self.visibility, least=least, without_ids=frozenset(self.skip_groups)
        )


class NewGroup(Parameters):
    """A group to be made, at the top or in another one."""

    name: Text
    path: Text
    parent_id: Number | None = None
    description: Text = ""
    visibility: Visibility = "private"


class GroupChanges(Parameters):
    """What is to be changed; what is not named stays. A new path moves everything in the group."""

    name: Text | None = None
    path: Text | None = None
    description: Text | None = None
    visibility: Visibility | None = None


def _shown(session: Session, asked: Asked, groups: list[Namespace]) -> list[Group]:
    names = full_names(session, asked.actor, groups)
    return [
        Group.model_validate(
            {
                "id": group.id,
                "name": group.name,
                "path": group.path,
                "description": group.description,
                "visibility": group.visibility,
                "full_name": names[group.id],
                "full_path": group.full_path,
                "parent_id": group.parent_id,
                "web_url": web_url_of(group, asked.url),
                "created_at": group.created_at,
            }
        )
        for group in groups
    ]


def _page(
    session: Session, asked: Asked, wanted: GroupsQuery, parent: Namespace | None, *, all_levels: bool
) -> Listed[Group]:
    rows, total = groups_below(
        session,
        asked.actor,
        parent,
        wanted.as_filter(),
        all_levels=all_levels,
        order_by=wanted.order_by,
        descending=wanted.sort == "desc",
        limit=wanted.limit,
        offset=wanted.offset,
    )
    return listed(_shown(session, asked, rows), wanted, total)


@routes.get("/groups", policy=public("Lists only the groups that whoever asks may see."), answer=list[Group])
def list_groups(asked: Asking, wanted: Annotated[GroupsQuery, Query()]) -> Listed[Group]:
    """List groups that one may see."""
    with asked.read() as session:
        return _page(session, asked, wanted, None, all_levels=not wanted.top_level_only)


@routes.get("/groups/{group_id}", policy=needs(Ability.READ_PLACE), answer=Group)
def get_one_group(asked: Asking, group_id: GroupReference) -> Group:
    """Get a group."""
    with asked.read() as session:
        return _shown(session, asked, [asked.group(session, group_id)])[0]


@routes.get("/groups/{group_id}/subgroups", policy=needs(Ability.READ_PLACE), answer=list[Group])
def list_subgroups(asked: Asking, group_id: GroupReference, wanted: Annotated[GroupsQuery, Query()]) -> Listed[Group]:
    """List the groups directly in a group."""
    with asked.read() as session:
        return _page(session, asked, wanted, asked.group(session, group_id), all_levels=False)


@routes.get("/groups/{group_id}/descendant_groups", policy=needs(Ability.READ_PLACE), answer=list[Group])
def list_descendant_groups(
    asked: Asking, group_id: GroupReference, wanted: Annotated[GroupsQuery, Query()]
) -> Listed[Group]:
    """List the groups in a group, however deep."""
    with asked.read() as session:
        return _page(session, asked, wanted, asked.group(session, group_id), all_levels=True)


@routes.post("/groups", policy=SIGNED_IN, answer=Group)
def add_group(asked: Asking, wanted: Annotated[NewGroup, Body()]) -> Group:
    """Create a group, whose owner one becomes; in another group that takes the ability to create subgroups there."""
    with taken("path"), asked.write() as session:
        parent = None
        if wanted.parent_id is not None:
            parent = asked.group(session, str(wanted.parent_id), ability=Ability.CREATE_SUBGROUPS)
        made = create_group(
            session,
            asked.actor,
            name=wanted.name,
            path=wanted.path,
            parent=parent,
            description=wanted.description,
            visibility=wanted.visibility,
        )
        return _shown(session, asked, [made])[0]


@routes.put("/groups/{group_id}", policy=needs(Ability.UPDATE_PLACE), answer=Group)
def change_group(asked: Asking, group_id: GroupReference, wanted: Annotated[GroupChanges, Body()]) -> Group:
    """Change a group."""
    with taken("path"), asked.write() as session:
        changed = update_group(
            session,
            asked.actor,
            asked.group(session, group_id),
            name=wanted.name,
            path=wanted.path,
            description=wanted.description,
            visibility=wanted.visibility,
        )
        return _shown(session, asked, [changed])[0]


@routes.delete("/groups/{group_id}", policy=needs(Ability.DELETE_PLACE))
def remove_group(asked: Asking, group_id: GroupReference) -> None:
    """Delete a group with everything in it."""
    with asked.write() as session:
        delete_group(session, asked.actor, asked.group(session, group_id))

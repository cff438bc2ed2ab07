"""How many bytes of files a project has, and may have."""

from typing import Annotated

from fastapi import Body
from pydantic import Field

from modelyard.domains.accounts.users import require_administrator
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.packages.quotas import Storage, read_storage, set_quota
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.rest.fields import Answer, Bytes, Parameters, ProjectReference
from modelyard.entrypoints.rest.router import Asking, Routes
from modelyard.entrypoints.rest.users import ADMINISTRATORS

routes = Routes("Storage")


class StorageAnswer(Answer):
    """The files of a project. What lies in two places counts twice."""

    size_bytes: int
    unfinished_bytes: int = Field(description="In parts of uploads that are not complete; kept for a day at most.")
    limit_bytes: int | None = Field(description="What both together may be; null for any number.")
    own_limit_bytes: int | None = Field(
        description="What was set for this project: 0 for any number, null if the server's setting counts."
    )


class StorageChanges(Parameters):
    """What is set for a project."""

    limit_bytes: Bytes | None = Field(description="0 for any number, null for what the server's setting says.")


def _answer(storage: Storage) -> StorageAnswer:
    return StorageAnswer(
        size_bytes=storage.size_bytes,
        unfinished_bytes=storage.part_bytes,
        limit_bytes=storage.most_bytes,
        own_limit_bytes=storage.own_most_bytes,
    )


@routes.get("/projects/{project_id}/storage", policy=needs(Ability.READ_PACKAGES), answer=StorageAnswer)
def get_storage(asked: Asking, project_id: ProjectReference) -> StorageAnswer:
    """Get how many bytes of files a project has, and may have."""
    with asked.read() as session:
        return _answer(read_storage(session, asked.actor, asked.project(session, project_id)))


@routes.put("/projects/{project_id}/storage", policy=ADMINISTRATORS, answer=StorageAnswer)
def change_storage(
    asked: Asking, project_id: ProjectReference, wanted: Annotated[StorageChanges, Body()]
) -> StorageAnswer:
    """Set how many bytes of files a project may have. What is there stays, even if it is more."""
    require_administrator(asked.actor, "set how much a project may hold")
    with asked.write(changes_access=False) as session:
        project = asked.project(session, project_id, ability=Ability.READ_PACKAGES)
        return _answer(set_quota(session, asked.actor, project, wanted.limit_bytes))

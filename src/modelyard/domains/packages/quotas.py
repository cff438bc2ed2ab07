"""How many bytes of files a project has, and how many it may have.

The database counts (triggers of the schema), so that no way of adding or removing files can forget to. A file in two
places counts twice. Steps of use cases, which have asked for the ability before, but for `set_quota`.
"""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.users import require_administrator
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.packages.tables import ProjectStorage, Upload, UploadPart
from modelyard.platform.database import BIGGEST_INTEGER, QUOTA
from modelyard.platform.errors import Invalid, TooLarge
from modelyard.platform.inserting import insert_into

NO_ROOM = (
    "With this, the files of the project would have more bytes than they may."
    " Delete some, or ask an administrator for more room."
)


@dataclass(frozen=True)
class Storage:
    """What a project holds; `most_bytes` is None where it may hold any number, `own_most_bytes` what was set for it.

    `size_bytes` are those of its files; those of unfinished uploads in parts are `part_bytes`.
    """

    size_bytes: int
    part_bytes: int
    most_bytes: int | None
    own_most_bytes: int | None

    @property
    def left_bytes(self) -> int | None:
        """How many bytes may still come; None for any number."""
        return None if self.most_bytes is None else max(self.most_bytes - self.size_bytes - self.part_bytes, 0)


def storage_of(session: Session, project_id: int) -> Storage:
    """The files of a project in bytes."""
    row = session.execute(
        select(ProjectStorage.size_bytes, ProjectStorage.most_bytes).where(ProjectStorage.project_id == project_id)
    ).one_or_none()
    size_bytes, own = (0, None) if row is None else (row.size_bytes, row.most_bytes)
    parts = session.scalar(
        select(func.sum(UploadPart.size_bytes))
        .join(Upload, Upload.id == UploadPart.upload_id)
        .where(Upload.project_id == project_id)
    )
    most: int = session.info.get(QUOTA, 0) if own is None else own
    return Storage(size_bytes, int(parts or 0), most or None, own)


def read_storage(session: Session, actor: Actor, project: Project) -> Storage:
    """The same for somebody who asks.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    return storage_of(session, project.id)


def room_for(session: Session, project_id: int, *, replaced_bytes: int = 0) -> int | None:
    """How many bytes a file may have that takes the place of `replaced_bytes`; None for any number."""
    left = storage_of(session, project_id).left_bytes
    return None if left is None else left + replaced_bytes


def refuse_overfull(session: Session, project_id: int, *, coming_bytes: int = 0) -> None:
    """Refuse what makes a project hold more than it may. Whoever calls holds the project's row: see `hold_storage`.

    Raises:
        TooLarge
    """
    storage = storage_of(session, project_id)
    if storage.most_bytes is None:
        return
    if storage.size_bytes + storage.part_bytes + coming_bytes > storage.most_bytes:
        raise TooLarge(NO_ROOM)


def set_quota(session: Session, actor: Actor, project: Project, most_bytes: int | None) -> Storage:
    """Say how many bytes of files a project may have: 0 for any number, None for what the server's setting says.

    What is there already stays, even if it is more.

    Raises:
        Forbidden: the actor is no administrator.
        Invalid: the number.
    """
    require_administrator(actor, "set how much a project may hold")
    if most_bytes is not None and not 0 <= most_bytes <= BIGGEST_INTEGER:
        raise Invalid("The limit is a number of bytes, 0 for none.")
    hold_storage(session, project.id)
    session.get_one(ProjectStorage, project.id).most_bytes = most_bytes
    session.flush()
    return storage_of(session, project.id)


def hold_storage(session: Session, project_id: int) -> None:
    """Make the project's row if it is missing; nobody else changes it until the end of this transaction.

    Adding a file does the same, by its trigger.
    """
    statement = insert_into(session, ProjectStorage).values(project_id=project_id, size_bytes=0)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[ProjectStorage.project_id], set_={"size_bytes": ProjectStorage.size_bytes}
        )
    )

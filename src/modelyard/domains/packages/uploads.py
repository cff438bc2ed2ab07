"""Files that arrive in parts. Steps of use cases, which have asked for the ability to write the target."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.packages.contents import PackageName
from modelyard.domains.packages.quotas import hold_storage, refuse_overfull, room_for
from modelyard.domains.packages.tables import Upload, UploadPart
from modelyard.platform.clock import now
from modelyard.platform.database import execute_counting
from modelyard.platform.errors import Invalid, NotFound
from modelyard.platform.ids import hex_id
from modelyard.platform.inserting import insert_into
from modelyard.platform.storage.blobs import StoredPart
from modelyard.platform.storage.streaming import check_size

LIFETIME = timedelta(hours=24)
# Whoever joins parts renews this while it lasts; after it they are anybody's again.
JOIN_LEASE = timedelta(seconds=15)
MOST_PARTS = 10_000
MISSING = "There is no such upload, or it is over. Begin a new one."


@dataclass(frozen=True)
class Target:
    """Where an upload will put its file."""

    package: PackageName
    path: str

    def __str__(self) -> str:
        # None of the four can hold a line break.
        return f"{self.package.kind}\n{self.package.name}\n{self.package.version}\n{self.path}"


def begin_upload(session: Session, actor: Actor, project_id: int, target: Target, *, parts: int) -> Upload:
    """Begin an upload that somebody may fill for a day.

    Raises:
        Invalid: the number of parts.
    """
    if not 1 <= parts <= MOST_PARTS:
        raise Invalid(f"An upload has 1 to {MOST_PARTS} parts, not {parts}.")
    upload = Upload(
        upload_id=hex_id(), project_id=project_id, creator_id=actor.user_id, target=str(target), changed_at=now()
    )
    session.add(upload)
    return upload


def open_upload(session: Session, upload_id: str) -> Upload:
    """The upload of that id, for whoever holds a signature for one of its parts.

    Raises:
        NotFound: it is complete, too old, or never was.
    """
    upload = _find(session, upload_id)
    if upload is None or upload.sha256 is not None:
        raise NotFound(MISSING)
    return upload


def get_upload(session: Session, project_id: int, upload_id: str, target: Target) -> Upload:
    """The upload of that id to this very target.

    Raises:
        NotFound
    """
    upload = _find(session, upload_id)
    if upload is None or upload.project_id != project_id or upload.target != str(target):
        raise NotFound(MISSING)
    return upload


def _find(session: Session, upload_id: str) -> Upload | None:
    return session.scalar(select(Upload).where(Upload.upload_id == upload_id, Upload.changed_at > now() - LIFETIME))


def room_for_part(session: Session, upload: Upload, number: int, declared_bytes: int, *, most_bytes: int) -> int | None:
    """How many bytes a part may have that says it has `declared_bytes`; None for any number.

    Raises:
        Invalid: its number.
        TooLarge: all parts together, or with what the project holds already.
    """
    replaced_bytes = _check_part(session, upload, number, declared_bytes, most_bytes=most_bytes)
    return room_for(session, upload.project_id, replaced_bytes=replaced_bytes)


def record_part(session: Session, upload: Upload, part: StoredPart, *, most_bytes: int) -> str | None:
    """Note a part that the store has; answers the name of the one with the same number whose place it takes.

    Raises:
        Invalid, TooLarge: as `room_for_part`.
        NotFound: the upload is over.
    """
    _lock(session, upload)
    if upload.sha256 is not None:
        raise NotFound(MISSING)
    hold_storage(session, upload.project_id)
    _check_part(session, upload, part.number, part.size_bytes, most_bytes=most_bytes)
    replaced = _part_name(session, upload, part.number)
    values = {"name": part.name, "size_bytes": part.size_bytes, "sha256": part.sha256}
    session.execute(
        insert_into(session, UploadPart)
        .values(upload_id=upload.id, number=part.number, **values)
        .on_conflict_do_update(index_elements=[UploadPart.upload_id, UploadPart.number], set_=values)
    )
    return replaced


def has_part(session: Session, upload_id: str, part: StoredPart) -> bool:
    """Whether this very try at a part is the one that is noted."""
    upload = _find(session, upload_id)
    return upload is not None and _part_name(session, upload, part.number) == part.name


def _part_name(session: Session, upload: Upload, number: int) -> str | None:
    return session.scalar(select(UploadPart.name).where(UploadPart.upload_id == upload.id, UploadPart.number == number))


def _check_part(session: Session, upload: Upload, number: int, size_bytes: int, *, most_bytes: int) -> int:
    """Refuse a part of that size; or answer the size of the one whose place it takes."""
    if not 1 <= number <= MOST_PARTS:
        raise Invalid(f"Parts are numbered from 1 to {MOST_PARTS}.")
    is_replaced = UploadPart.number == number
    all_bytes, replaced_bytes = session.execute(
        select(func.sum(UploadPart.size_bytes), func.sum(UploadPart.size_bytes).filter(is_replaced)).where(
            UploadPart.upload_id == upload.id
        )
    ).one()
    replaced = int(replaced_bytes or 0)
    check_size(int(all_bytes or 0) - replaced + size_bytes, most_bytes)
    refuse_overfull(session, upload.project_id, coming_bytes=size_bytes - replaced)
    return replaced


@dataclass(frozen=True)
class JoinTurn:
    """What somebody who wants to complete an upload has to do: join `parts`; without any, wait or, if done, nothing."""

    parts: list[StoredPart]
    is_done: bool = False


def take_join_turn(session: Session, upload: Upload, claimed: Sequence[tuple[int, str]]) -> JoinTurn:
    """Take the turn to join the parts, unless that is done or somebody has it. It ends after JOIN_LEASE, or renewed.

    Raises:
        Invalid: as `parts_to_join`.
    """
    _lock(session, upload)
    if upload.sha256 is not None:
        return JoinTurn([], is_done=True)
    moment = now()
    if upload.joining_until is not None and upload.joining_until > moment:
        return JoinTurn([])
    parts = parts_to_join(session, upload, claimed)
    upload.joining_until = moment + JOIN_LEASE
    return JoinTurn(parts)


def _lock(session: Session, upload: Upload) -> None:
    """See the upload as it is; others who want to wait here until this transaction ends.

    Raises:
        NotFound: it was aborted meanwhile.
    """
    chosen = select(Upload.id).where(Upload.id == upload.id).with_for_update()
    if session.scalar(chosen) is None:
        raise NotFound(MISSING)
    session.refresh(upload)


def keep_join_turn(session: Session, upload_id: str) -> None:
    """Renew the turn of whoever is joining the parts."""
    _set_join_turn(session, upload_id, now() + JOIN_LEASE)


def give_join_turn_back(session: Session, upload_id: str) -> None:
    """Let somebody else try at once."""
    _set_join_turn(session, upload_id, None)


def _set_join_turn(session: Session, upload_id: str, until: datetime | None) -> None:
    execute_counting(session, update(Upload).where(Upload.upload_id == upload_id).values(joining_until=until))


def parts_to_join(session: Session, upload: Upload, claimed: Sequence[tuple[int, str]]) -> list[StoredPart]:
    """All parts in their order, if they are those that the client says it sent (number and ETag; empty: any).

    Raises:
        Invalid: parts are missing, too many, or others than the client's.
    """
    rows = session.scalars(
        select(UploadPart).where(UploadPart.upload_id == upload.id).order_by(UploadPart.number)
    ).all()
    numbers = [row.number for row in rows]
    said = dict(claimed)
    if not rows or numbers != list(range(1, len(rows) + 1)) or sorted(said) != numbers or len(said) != len(claimed):
        raise Invalid(
            f"Parts {_ranges(numbers)} have arrived, {_ranges(sorted(said))} were named. Upload what is missing."
        )
    for row in rows:
        if said[row.number].strip('"') not in {"", row.sha256}:
            raise Invalid(f"Part {row.number} is not the one that was named. Upload it again.")
    return [StoredPart(row.number, row.name, row.sha256, row.size_bytes) for row in rows]


def _ranges(numbers: Sequence[int]) -> str:
    """`1-3, 7` for 1, 2, 3 and 7."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans[:20]) or "none"


def end_upload(session: Session, upload: Upload, sha256: str) -> bool:
    """Note what the upload became, so that for a day it is known to be complete; False if that was done already."""
    _lock(session, upload)
    if upload.sha256 is not None:
        return False
    upload.sha256 = sha256
    upload.changed_at = now()
    upload.joining_until = None
    session.execute(delete(UploadPart).where(UploadPart.upload_id == upload.id))
    return True


def abort_upload(session: Session, upload: Upload) -> None:
    """Forget an upload and its parts."""
    session.delete(upload)

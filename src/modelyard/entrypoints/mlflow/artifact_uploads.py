"""Artifacts in parts: what clients do with large files when `server-info` announces it.

The client sends each part, without its token, to an address that `create` gave it. That address is ours and takes one
part of one upload for a day, from whoever has the signature that came with it; only `complete`, asked with a token,
makes a file of the parts.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from modelyard.domains.namespaces.access import Ability
from modelyard.domains.packages.uploads import (
    JOIN_LEASE,
    JoinTurn,
    give_join_turn_back,
    has_part,
    keep_join_turn,
    open_upload,
    record_part,
    room_for_part,
)
from modelyard.domains.tracking.artifacts import (
    ArtifactPath,
    abort_artifact_upload,
    begin_artifact_upload,
    begin_joining_artifact,
    complete_artifact_upload,
)
from modelyard.entrypoints.mlflow.artifact_addresses import artifact_at, own_address
from modelyard.entrypoints.mlflow.router import Asked, Routes
from modelyard.entrypoints.mlflow.streams import Exchange, streamed
from modelyard.entrypoints.mlflow.wire import decode_body
from modelyard.entrypoints.request import Policy, needs
from modelyard.entrypoints.transfer import Room, body_of, declared_bytes, headers_of, receiving_part
from modelyard.platform.crypto import ServerKey, same
from modelyard.platform.database import Session
from modelyard.platform.errors import Busy, Invalid, ModelyardError, TooLarge, Unauthenticated
from modelyard.platform.storage.blobs import StoredPart
from modelyard.platform.storage.streaming import in_thread

CREATE = "mlflow-artifacts/mpu/create"
PARTS = "mlflow-artifacts/mpu/parts"
SIGNATURE = "X-Modelyard-Signature"
PURPOSE = "upload part"
MOST_BODY_BYTES = 8 * 1024 * 1024
# MLflow's client gives up an answer after two minutes, and asks again.
PATIENCE_S = 90.0
LOOK_EVERY_S = 0.5
RENEW_EVERY_S = JOIN_LEASE.total_seconds() / 3


class CreateBody(msgspec.Struct):
    """Body of `create`; `path` is the file on the client's disk, of which only the name counts."""

    path: str
    num_parts: int = 1


class Credential(msgspec.Struct):
    """Where to send one part, and what to send with it."""

    url: str
    part_number: int
    headers: dict[str, str]


class CreateAnswer(msgspec.Struct):
    upload_id: str
    credentials: list[Credential]


class Part(msgspec.Struct):
    """A part that the client has sent, with the ETag of our answer."""

    part_number: int
    etag: str | None = None


class CompleteBody(msgspec.Struct):
    """Body of `complete`."""

    path: str
    parts: list[Part]
    upload_id: str = ""


class AbortBody(msgspec.Struct):
    """Body of `abort`."""

    path: str
    upload_id: str = ""


COMPLETE = msgspec.json.Decoder(CompleteBody)


def create(asked: Asked, body: CreateBody) -> object:
    """Begin an upload."""
    artifact = _artifact(asked.variables["path"], body.path)
    with asked.write() as (session, actor, project):
        upload_id = begin_artifact_upload(session, actor, project, artifact, parts=body.num_parts).upload_id
    installation = asked.installation
    address = own_address(installation.settings, installation.proxies, asked.call, CREATE.encode()) + PARTS
    return CreateAnswer(
        upload_id,
        [
            Credential(
                f"{address}/{upload_id}/{number}", number, {SIGNATURE: _signature(installation.key, upload_id, number)}
            )
            for number in range(1, body.num_parts + 1)
        ],
    )


def _artifact(folder: str, local_file: str) -> ArtifactPath:
    """The file of that name in a folder."""
    name = local_file.replace("\\", "/").rpartition("/")[2]
    if not name:
        raise Invalid("path names the file that is uploaded.")
    return artifact_at(f"{folder.removesuffix('/')}/{name}")


def _signature(key: ServerKey, upload_id: str, number: int | str) -> str:
    return key.digest(f"{upload_id}/{number}", purpose=PURPOSE)


async def put_part(exchange: Exchange) -> None:
    """Store one part, durably; sent again it takes its own place."""
    installation, upload_id, spelled = (
        exchange.installation,
        exchange.variable("upload_id"),
        exchange.variable("number"),
    )
    headers = headers_of(exchange.scope)
    if not same(headers.get(SIGNATURE.lower(), ""), _signature(installation.key, upload_id, spelled)):
        raise Unauthenticated("Send the headers that came with the address of this part.")
    number = int(spelled)  # signed by us
    declared, most_bytes = declared_bytes(headers), installation.settings.max_upload_bytes

    def check() -> Room:
        with installation.database.read() as session:
            upload = open_upload(session, upload_id)
            left_bytes = room_for_part(session, upload, number, declared or 0, most_bytes=most_bytes)
            return Room(installation.reservations, upload.project_id, left_bytes)

    room = await exchange.on_thread(check)
    async with receiving_part(
        installation.store,
        exchange.scope,
        exchange.receive,
        room,
        upload_id=upload_id,
        number=number,
        most_bytes=most_bytes,
    ) as part:
        await _record(exchange, upload_id, part)
    await exchange.answer(200, b"", [(b"etag", f'"{part.sha256}"'.encode())])


async def _record(exchange: Exchange, upload_id: str, part: StoredPart) -> None:
    """Note a part that arrived. Of two tries at it, the bytes of only one stay in the store."""
    database, store = exchange.installation.database, exchange.installation.store

    def record() -> str | None:
        with database.write(changes_access=False) as session:
            upload = open_upload(session, upload_id)
            return record_part(session, upload, part, most_bytes=exchange.installation.settings.max_upload_bytes)

    def give_up() -> None:
        # The commit may be what failed, and yet have been done.
        with database.read() as session:
            is_noted = has_part(session, upload_id, part)
        if not is_noted:
            store.remove_part(upload_id, part.name)

    try:
        replaced = await exchange.on_thread(record)
    except Exception:  # edge: whatever refused it, its bytes must not stay
        with suppress(ModelyardError):  # what stays goes when the upload is over
            await in_thread(give_up)
        raise
    if replaced is not None:
        with suppress(ModelyardError):
            await in_thread(lambda: store.remove_part(upload_id, replaced))


async def complete(exchange: Exchange) -> None:
    """Make a file of the parts; done once, however often it is asked, and whoever asks meanwhile waits for it."""
    body = decode_body(COMPLETE, CompleteBody, await _small_body(exchange))
    artifact = _artifact(exchange.variable("path"), body.path)
    claimed = [(part.part_number, part.etag or "") for part in body.parts]
    deadline = time.monotonic() + PATIENCE_S
    while not (turn := await _join_turn(exchange, artifact, body.upload_id, claimed)).is_done:
        if turn.parts:
            await _join(exchange, artifact, body.upload_id, turn.parts)
            break
        if time.monotonic() > deadline:
            raise Busy("The parts of this file are still being joined. Ask again for its completion.")
        await asyncio.sleep(LOOK_EVERY_S)
    await exchange.answer_json({})


async def _join_turn(
    exchange: Exchange, artifact: ArtifactPath, upload_id: str, claimed: list[tuple[int, str]]
) -> JoinTurn:
    return await exchange.write(
        lambda session, actor, project: begin_joining_artifact(
            session, actor, project, artifact, upload_id, claimed=claimed
        )
    )


async def _join(exchange: Exchange, artifact: ArtifactPath, upload_id: str, parts: list[StoredPart]) -> None:
    """Join the parts, and make the blob a file. Ended in the middle, it can be begun again."""
    store = exchange.installation.store
    try:
        joining = asyncio.ensure_future(in_thread(lambda: store.join(upload_id, parts)))
        while not (await asyncio.wait({joining}, timeout=RENEW_EVERY_S))[0]:
            await _set_turn(exchange, upload_id, keep_join_turn)
        blob = joining.result()
        file = await exchange.write(
            lambda session, actor, project: complete_artifact_upload(
                session, actor, project, artifact, upload_id, blob=blob
            )
        )
    except BaseException:  # edge: whatever ended it, somebody else may try at once
        await _set_turn(exchange, upload_id, give_join_turn_back)
        raise
    await in_thread(lambda: store.remove_parts(upload_id))
    if file is not None:
        await exchange.settle(blob, file)


async def _set_turn(exchange: Exchange, upload_id: str, change: Callable[[Session, str], None]) -> None:
    """Renew the turn to join, or give it back. That fails without harm: the parts are joined twice at worst."""
    with suppress(ModelyardError):
        await exchange.write(lambda session, _actor, _project: change(session, upload_id))


async def _small_body(exchange: Exchange) -> bytes:
    body = bytearray()
    async for chunk in body_of(exchange.receive):
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise TooLarge("The body of this request is too large.")
    return bytes(body)


def abort(asked: Asked, body: AbortBody) -> object:
    """Forget an upload and its parts."""
    artifact = _artifact(asked.variables["path"], body.path)
    with asked.write() as (session, actor, project):
        abort_artifact_upload(session, actor, project, artifact, body.upload_id)
    asked.installation.store.remove_parts(body.upload_id)
    return {}


def mount(routes: Routes) -> None:
    """Add the routes of this file."""
    writes = needs(Ability.WRITE_TRACKING)
    signed = Policy(reason="Whoever has the signature that `create` gave out: one part of one upload, for a day.")
    routes.cold("POST", CREATE + "/{path...}", writes, CreateBody)(create)
    routes.stream("PUT", PARTS + "/{upload_id}/{number}", signed)(streamed(put_part, is_signed=True))
    routes.stream("POST", "mlflow-artifacts/mpu/complete/{path...}", writes)(streamed(complete))
    routes.cold("POST", "mlflow-artifacts/mpu/abort/{path...}", writes, AbortBody)(abort)

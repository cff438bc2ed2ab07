"""What streaming routes have in common: who asks and where, the database on threads, and errors as answers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.projects import admitted_project
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.packages.contents import StoredFile
from modelyard.domains.packages.repetitions import settle_repetition
from modelyard.entrypoints.mlflow.admission import admission_of, check_policy, counted, identify
from modelyard.entrypoints.mlflow.errors import JSON_HEADERS, error_answer
from modelyard.entrypoints.mlflow.router import StreamAsked
from modelyard.entrypoints.mlflow.wire import encode
from modelyard.entrypoints.request import Admission, Installation
from modelyard.platform.crews import Crew
from modelyard.platform.database import Session
from modelyard.platform.http import Asgi, Receive, Scope, Send
from modelyard.platform.storage.blobs import StoredBlob
from modelyard.platform.storage.streaming import in_thread
from modelyard.platform.telemetry import note_actor

Result = TypeVar("Result")


@dataclass(frozen=True)
class Exchange:
    """One request to a streaming route, and the way back."""

    asked: StreamAsked
    scope: Scope
    receive: Receive
    send: Send

    @property
    def installation(self) -> Installation:
        return self.asked.installation

    def variable(self, name: str) -> str:
        """The part of the path that the route's pattern calls `name`."""
        return self.asked.variables[name]

    async def admit(self) -> None:
        """Find out who asks and where, and whether they may; the answer is known for a moment.

        Raises:
            Unauthenticated, NotFound, Forbidden, Busy
        """
        installation, headers = self.installation, self.scope["headers"]
        credentials, reference = identify(headers, self.asked.reference)
        peer = (self.scope.get("client") or ("", 0))[0]

        def look_up() -> Admission:
            return counted(installation, peer, headers, lambda: admission_of(installation, credentials, reference))

        known = installation.known_admission(credentials, reference)
        if known is None:
            admission = await self.on_thread(look_up, installation.look_ups)
        else:
            admission = counted(installation, peer, headers, lambda: known)
        note_actor(admission.actor.user_id)
        check_policy(self.asked.policy, admission)

    async def read(self, use: Callable[[Session, Actor, Project], Result], *, is_heavy: bool = False) -> Result:
        """What `use` finds for who asks in the project that is named, on a thread."""
        crew = self.installation.heavy if is_heavy else None
        return await self.on_thread(lambda: self._use(use, self.installation.database.read()), crew)

    async def write(self, use: Callable[[Session, Actor, Project], Result], *, makes_room: bool = False) -> Result:
        """The same with a session that writes; it is committed when this returns."""
        database = self.installation.database
        return await self.on_thread(
            lambda: self._use(use, database.write(changes_access=False, uses_reserve=makes_room))
        )

    async def settle(self, arrived: StoredBlob, file: StoredFile) -> None:
        """Once a file is written: keep its bytes only once."""
        await in_thread(lambda: settle_repetition(self.installation.database, self.installation.store, arrived, file))

    async def on_thread(self, work: Callable[[], Result], crew: Crew | None = None) -> Result:
        """Do what blocks on one of the threads for requests.

        Raises:
            Busy: too many wait for one.
        """
        return await asyncio.get_running_loop().run_in_executor(crew or self.installation.pool, work)

    async def answer(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer in one piece."""
        lengths = (b"content-length", str(len(body)).encode())
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, lengths]})
        await self.send({"type": "http.response.body", "body": body})

    async def answer_json(self, value: object) -> None:
        """Answer with a struct or mapping."""
        await self.answer(200, encode(value), JSON_HEADERS)

    def _use(self, use: Callable[[Session, Actor, Project], Result], opened: AbstractContextManager[Session]) -> Result:
        credentials, reference = identify(self.scope["headers"], self.asked.reference)
        # Who asks is settled before the pen is taken, so that strangers never hold it.
        admission = admission_of(self.installation, credentials, reference)
        with opened as session:
            project = admitted_project(session, admission.actor, admission.project_id, admission.standing)
            return use(session, admission.actor, project)


def streamed(
    handler: Callable[[Exchange], Awaitable[None]], *, is_signed: bool = False
) -> Callable[[StreamAsked], Asgi]:
    """A handler as a streaming route: its errors become answers, unless an answer has begun already.

    Nobody learns from it what they may not ask: who asks, and whether they may, comes before everything else, unless
    the handler looks for a signature itself (`is_signed`).
    """

    def application_for(asked: StreamAsked) -> Asgi:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            has_begun = False

            async def noting(message: MutableMapping[str, Any]) -> None:
                nonlocal has_begun
                has_begun = True
                await send(message)

            exchange = Exchange(asked, scope, receive, noting)
            try:
                if not is_signed:
                    await exchange.admit()
                await handler(exchange)
            except Exception as error:  # edge: every error becomes an answer
                if has_begun:
                    raise
                await exchange.answer(*error_answer(error))

        return application

    return application_for

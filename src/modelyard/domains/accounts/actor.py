"""Who makes a request, and how far their credentials reach."""

from dataclasses import dataclass
from enum import StrEnum

from modelyard.platform.errors import InsufficientScope


class Scope(StrEnum):
    """What a token may be used for. A scope narrows what its user may do; it never widens it."""

    API = "api"
    READ_API = "read_api"
    LOG_CANDIDATES = "log_candidates"
    READ_REGISTRY = "read_registry"
    WRITE_REGISTRY = "write_registry"


SENTENCES = {
    Scope.API: "Read and change everything, also settings and members.",
    Scope.READ_API: "Read everything, and change nothing.",
    Scope.LOG_CANDIDATES: "Log experiments, candidates and their files, and read them.",
    Scope.READ_REGISTRY: "Read packages, and download their files.",
    Scope.WRITE_REGISTRY: "Upload packages, read them, and download their files.",
}


READING = frozenset({Scope.API, Scope.READ_API})
WRITING = frozenset({Scope.API})


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user, a token's user, or nobody. `scopes` None means a browser session: no narrowing."""

    user_id: int | None
    username: str = ""
    is_administrator: bool = False
    is_bot: bool = False
    token_id: int | None = None
    scopes: frozenset[Scope] | None = None
    session_id: int | None = None

    @property
    def is_anonymous(self) -> bool:
        return self.user_id is None

    @property
    def is_person(self) -> bool:
        """A signed-in human: sees what is internal."""
        return self.user_id is not None and not self.is_bot


ANONYMOUS = Actor(user_id=None)
# Background work and the operator's command line; may do everything.
SYSTEM = Actor(user_id=None, username="modelyard", is_administrator=True)


def out_of_scope(deed: str, scopes: frozenset[Scope]) -> InsufficientScope:
    """The error that says what a token lacks for a deed, worded as the end of "may not …"."""
    enough = tuple(scope for scope in Scope if scope in scopes)
    return InsufficientScope(
        f"This access token may not {deed}: it needs the scope {' or '.join(enough)}.", scopes=enough
    )


def require_scope(actor: Actor, scopes: frozenset[Scope], deed: str) -> None:
    """Go on only if the token in use has one of the scopes; a browser session reaches everywhere.

    For what belongs to no group or project; there `namespaces.access.require` asks for the scope too.

    Raises:
        InsufficientScope
    """
    if actor.scopes is not None and not actor.scopes & scopes:
        raise out_of_scope(deed, scopes)

"""Requests that make something and carry a key: sent again, they get what the first one made."""

from collections.abc import Callable

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.repeats import Repeatable, claim, repeatable, settle
from modelyard.domains.namespaces.tables import Project
from modelyard.platform.database import Session
from modelyard.platform.http import Call

HEADER = b"idempotency-key"


def repeat_of(call: Call, actor: Actor, kind: str) -> Repeatable | None:
    """The request as one that may be sent again, if it carries a key; `kind` is what it makes.

    Raises:
        Invalid: the key.
    """
    key = call.header(HEADER)
    return None if key is None else repeatable(actor, kind, key.decode("latin-1"), call.body)


def make_once(
    session: Session, actor: Actor, project: Project, call: Call, *, kind: str, make: Callable[[], str]
) -> str:
    """The id of what `make` makes, or of what an earlier request with the same key has made.

    Raises:
        Forbidden, NotFound: of the project.
        Invalid: another request came with this key.
    """
    request = repeat_of(call, actor, kind)
    if request is None:
        return make()
    require(session, actor, Ability.WRITE_TRACKING, project)
    made = claim(session, project.id, request)
    if made is None:
        made = make()
        settle(session, project.id, request, made)
    return made

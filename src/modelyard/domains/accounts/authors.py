"""Who made things, many at once: for lists that name a person, or the bot of an access token, in each row."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import READING, Actor
from modelyard.platform.raw import marks, read_rows


@dataclass(frozen=True, slots=True)
class Author:
    """A user as lists name them. A bot has the name of its access token."""

    username: str
    name: str
    is_bot: bool


def knows_people(actor: Actor) -> bool:
    """Whether the actor may learn who made things: strangers may not, nor tokens without a scope to read."""
    is_nobody = actor.is_anonymous and not actor.is_administrator
    return not is_nobody and (actor.scopes is None or bool(actor.scopes & READING))


def authors_of(session: Session, actor: Actor, user_ids: Collection[int]) -> dict[int, Author]:
    """These users by number, deleted ones too; nobody for an actor who may not learn who they are."""
    if not user_ids or not knows_people(actor):
        return {}
    sql = f"SELECT id, username, name, kind FROM users WHERE id IN {marks(len(user_ids))}"  # noqa: S608  # marks only
    rows = read_rows(session, sql, tuple(user_ids))
    return {int(id_ or 0): Author(str(username), str(name), kind == "bot") for id_, username, name, kind in rows}

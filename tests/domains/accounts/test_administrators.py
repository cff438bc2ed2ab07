"""Administrators who take each other's rights at the same time: one of them is left, on both engines."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import SYSTEM, Actor
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.users import UserFilter, block_user, create_user, search_users, update_user
from modelyard.domains.namespaces.people import delete_user
from modelyard.platform.database import Database
from modelyard.platform.errors import Forbidden

TIME_TO_OVERTAKE_S = 0.3
Deed = Callable[[Session, Actor, User], object]


def demote(session: Session, actor: Actor, user: User) -> None:
    update_user(session, actor, user, is_administrator=False)


@pytest.mark.parametrize("deed", [demote, block_user, delete_user])
def test_one_of_two_is_left(database: Database, deed: Deed) -> None:
    with database.write() as session:
        people = [create_user(session, SYSTEM, username=name, is_administrator=True) for name in ("ada", "bob")]
        ada, bob = (Actor(user.id, user.username, is_administrator=True) for user in people)

    def do(actor: Actor, other: Actor) -> None:
        with database.write() as session:
            deed(session, actor, session.get_one(User, other.user_id))

    with ThreadPoolExecutor(1) as threads:
        with database.write() as session:
            deed(session, ada, session.get_one(User, bob.user_id))
            session.flush()
            second = threads.submit(do, bob, ada)
            wait([second], timeout=TIME_TO_OVERTAKE_S)
        with pytest.raises(Forbidden, match="Only an administrator can"):
            second.result()
    with database.read() as session:
        left, _ = search_users(session, SYSTEM, UserFilter(state="active", administrators=True))
        assert [user.username for user in left] == ["ada"]

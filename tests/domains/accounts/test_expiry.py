"""Sessions and links end by themselves, and a blocked user's do at once."""

from datetime import timedelta

from sqlalchemy import select, update

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.expiry import forget_ended_links, forget_ended_sessions
from modelyard.domains.accounts.sign_in import first_administrator_link, start_session
from modelyard.domains.accounts.tables import OneTimeLink, User, WebSession
from modelyard.domains.accounts.users import block_user
from modelyard.entrypoints.request import Installation
from modelyard.entrypoints.worker.catalogue import chores_of, create_worker
from modelyard.platform.clock import now
from modelyard.platform.tasks.queue import State
from modelyard.platform.tasks.tables import TaskRow
from modelyard.subscriptions import SUBSCRIPTIONS
from tests.conftest import Somebody, World


def sign_in(installation: Installation, who: Somebody, **moments: object) -> None:
    with installation.database.write() as session:
        start_session(session, installation.key, who.actor.user_id or 0)
        if moments:
            session.execute(update(WebSession).where(WebSession.user_id == who.actor.user_id).values(**moments))


def signed_in(installation: Installation) -> set[int]:
    with installation.database.read() as session:
        return set(session.scalars(select(WebSession.user_id)))


def test_sessions_end_when_idle_or_old(installation: Installation, world: World) -> None:
    sign_in(installation, world.owner)
    sign_in(installation, world.developer, last_seen_at=now() - timedelta(hours=13))
    sign_in(installation, world.reporter, created_at=now() - timedelta(days=15))
    with installation.database.write() as session:
        assert forget_ended_sessions(session, idle_s=12 * 3600, most_s=14 * 86_400) == 2
    assert signed_in(installation) == {world.owner.actor.user_id}


def test_links_end(installation: Installation) -> None:
    with installation.database.write() as session:
        assert first_administrator_link(session, installation.key)
        assert forget_ended_links(session) == 0
        session.execute(update(OneTimeLink).values(expires_at=now() - timedelta(seconds=1)))
        assert forget_ended_links(session) == 1


def test_the_worker_signs_a_blocked_user_out(installation: Installation, world: World) -> None:
    sign_in(installation, world.owner)
    sign_in(installation, world.developer)
    with installation.database.write() as session:
        block_user(session, SYSTEM, session.get_one(User, world.developer.actor.user_id))
    create_worker(installation, SUBSCRIPTIONS).work_off()
    assert signed_in(installation) == {world.owner.actor.user_id}


def test_the_worker_does_every_chore(installation: Installation, world: World) -> None:
    sign_in(installation, world.developer, last_seen_at=now() - timedelta(hours=13))
    create_worker(installation, SUBSCRIPTIONS).work_off()
    with installation.database.read() as session:
        tasks = {task.kind: (task.state, task.last_error) for task in session.scalars(select(TaskRow))}
    assert {kind: state for kind, state in tasks.items() if "." in kind and kind[0].islower()} == dict.fromkeys(
        [chore.kind for chore in chores_of(installation)], (State.DONE, None)
    )
    assert signed_in(installation) == set()

"""How often one address, and one account, may try a password: ten times in any minute, whichever process is asked."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.tables import SignInTries, User
from modelyard.platform.clock import now, now_ms
from modelyard.platform.crypto import ServerKey
from modelyard.platform.database import execute_counting
from modelyard.platform.errors import Busy
from modelyard.platform.inserting import insert_into

MOST_TRIES = 10
WINDOW_MS = 60_000
KEPT = timedelta(hours=1)
PURPOSE = "tries to sign in"


def check_sign_in(session: Session, key: ServerKey, *, address: str, login: str) -> None:
    """Refuse a try early, without writing: those who try too often never hold the pen.

    Raises:
        Busy
    """
    kept = session.scalars(
        select(SignInTries.tried).where(SignInTries.subject.in_(_subjects(session, key, address, login)))
    )
    _refuse([_recent(tried, now_ms()) for tried in kept])


def count_sign_in(session: Session, key: ServerKey, *, address: str, login: str) -> None:
    """Count a try to be made now; one that is refused does not count.

    Raises:
        Busy: there were too many from this address, or for this account.
    """
    moment = now_ms()
    recent: dict[str, list[int]] = {}
    # Accounts before addresses, always: each row is locked until the commit, and nobody waits in a circle.
    for subject in _subjects(session, key, address, login):
        recent[subject] = _recent(_locked(session, subject), moment)
    _refuse(list(recent.values()))
    for subject, tries in recent.items():
        row = session.get_one(SignInTries, subject)
        row.tried = " ".join(map(str, [*tries, moment]))


def forget_sign_in_tries(session: Session) -> int:
    """Delete what says nothing about the last minute any more; how many rows that were."""
    return execute_counting(session, delete(SignInTries).where(SignInTries.last_at < now() - KEPT))


def _subjects(session: Session, key: ServerKey, address: str, login: str) -> list[str]:
    """What is counted: the account, however it was named, and the address."""
    sought = login.strip().lower()
    user_id = session.scalar(select(User.id).where((func.lower(User.username) == sought) | (User.email == sought)))
    account = f"login {sought}" if user_id is None else f"user {user_id}"
    return [key.digest(subject, purpose=PURPOSE) for subject in (account, f"address {address}")]


def _locked(session: Session, subject: str) -> str:
    """The tries of a subject, which nobody else counts until the end of this transaction."""
    values = {"subject": subject, "tried": "", "last_at": now()}
    statement = insert_into(session, SignInTries).values(values)
    statement = statement.on_conflict_do_update(
        index_elements=[SignInTries.subject], set_={"last_at": statement.excluded.last_at}
    )
    return session.execute(statement.returning(SignInTries.tried)).scalar_one()


def _recent(tried: str, moment: int) -> list[int]:
    return [tried_ms for tried_ms in map(int, tried.split()) if tried_ms > moment - WINDOW_MS]


def _refuse(recent: list[list[int]]) -> None:
    moment = now_ms()
    waits_ms = [tries[0] + WINDOW_MS - moment for tries in recent if len(tries) >= MOST_TRIES]
    if waits_ms:
        seconds = max(waits_ms) // 1000 + 1
        raise Busy(f"Too many tries to sign in. Wait {seconds} seconds.", retry_after_s=seconds)

"""Tries to sign in are counted exactly, on both engines and by whoever is asked."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.tables import SignInTries
from modelyard.domains.accounts.throttle import MOST_TRIES, check_sign_in, count_sign_in, forget_sign_in_tries
from modelyard.domains.accounts.users import create_user
from modelyard.entrypoints.request import Installation
from modelyard.platform.clock import from_ms, now_ms
from modelyard.platform.database import Database, open_database
from modelyard.platform.errors import Busy

HERE = "198.51.100.1"


@pytest.fixture(autouse=True)
def _ada(installation: Installation) -> None:
    with installation.database.write() as session:
        create_user(session, SYSTEM, username="ada", email="ada@example.org")


def attempt(installation: Installation, login: str, address: str = HERE, database: Database | None = None) -> bool:
    """Whether the try was allowed."""
    try:
        with (database or installation.database).write() as session:
            count_sign_in(session, installation.key, address=address, login=login)
    except Busy:
        return False
    return True


def test_an_address_tries_ten_times(installation: Installation) -> None:
    assert [attempt(installation, f"user-{number}") for number in range(12)] == [True] * 10 + [False] * 2
    assert attempt(installation, "user-0", "198.51.100.2")


def test_an_account_is_tried_ten_times_from_everywhere_and_by_all_its_names(installation: Installation) -> None:
    names = ["ada", " ADA ", "ada@example.org", "Ada@Example.org", "aDa"]
    done = [attempt(installation, names[number % 5], f"198.51.100.{number}") for number in range(11)]
    assert done == [True] * 10 + [False]
    # What was refused was not counted against its address.
    with installation.database.read() as session:
        check_sign_in(session, installation.key, address="198.51.100.10", login="grace")
        with pytest.raises(Busy) as refused:
            check_sign_in(session, installation.key, address="198.51.100.77", login="ada")
    assert 50 <= refused.value.retry_after_s <= 60


def test_several_processes_count_together(installation: Installation) -> None:
    databases = [installation.database, open_database(installation.settings)]
    with ThreadPoolExecutor(6) as threads:
        done = list(threads.map(lambda number: attempt(installation, "ada", database=databases[number % 2]), range(24)))
    databases[1].close()
    assert sum(done) == MOST_TRIES


def test_a_minute_later_one_may_try_again(installation: Installation) -> None:
    assert attempt(installation, "ada")
    with installation.database.write() as session:
        for row in session.scalars(select(SignInTries)):
            row.tried = " ".join([str(now_ms() - 60_001)] * 9 + [str(now_ms())])
    assert [attempt(installation, "ada") for _ in range(10)] == [True] * 9 + [False]


def test_old_tries_are_forgotten(installation: Installation) -> None:
    assert attempt(installation, "ada")
    with installation.database.write() as session:
        assert forget_sign_in_tries(session) == 0
        for row in session.scalars(select(SignInTries)):
            row.last_at = from_ms(now_ms() - 2 * 3_600_000)
    with installation.database.write() as session:
        assert forget_sign_in_tries(session) == 2

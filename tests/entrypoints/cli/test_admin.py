"""`modelyard admin` on both engines."""

import json

import pytest
from sqlalchemy import select

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.sign_in import check_first_administrator_link, start_session, verified_user_id
from modelyard.domains.accounts.tables import User, WebSession
from modelyard.domains.namespaces.groups import get_namespace
from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate, LogData, MetricColumns
from modelyard.entrypoints.request import Installation
from modelyard.platform.errors import Unauthenticated
from modelyard.platform.ids import hex_id
from modelyard.platform.tasks.queue import MOST_ATTEMPTS, State, enqueue
from modelyard.platform.tasks.tables import TaskRow
from tests.conftest import World
from tests.entrypoints.cli.conftest import Run

PASSWORD = "correct battery, horse"


def user(installation: Installation, username: str) -> User:
    with installation.database.read() as session:
        return session.scalars(select(User).where(User.username == username)).one()


def test_an_added_user_signs_in_and_has_a_place(run: Run, installation: Installation) -> None:
    ended = run(
        *("admin", "create-user", "ada", "--name", "Ada L", "--email", "Ada@example.org", "--administrator"),
        "--password-stdin",
        given=f"{PASSWORD}\n",
    )
    assert (ended.status, ended.out) == (0, "Added ada.\n")
    added = user(installation, "ada")
    assert (added.name, added.email, added.is_administrator) == ("Ada L", "ada@example.org", True)
    with installation.database.read() as session:
        assert verified_user_id(session, username="ada", password=PASSWORD) == added.id
        assert get_namespace(session, SYSTEM, "ada").owner_id == added.id


@pytest.mark.parametrize(
    ("words", "given", "sentence"),
    [
        (("bob",), "short\n", "at least 12 characters"),
        (("bob",), "\n", "at least 12 characters"),
        (("b b",), f"{PASSWORD}\n", "A user name has letters"),
        (("ROOT",), f"{PASSWORD}\n", "has already been taken"),
        (("bob", "--email", "nobody"), f"{PASSWORD}\n", "is not an e-mail address"),
    ],
)
def test_a_user_that_cannot_be_is_refused(
    run: Run, world: World, words: tuple[str, ...], given: str, sentence: str
) -> None:
    assert world.administrator.actor.username == "root"
    ended = run("admin", "create-user", *words, "--password-stdin", given=given)
    assert (ended.status, sentence in ended.err) == (1, True)


def test_a_new_password_signs_out_everywhere(run: Run, installation: Installation, world: World) -> None:
    user_id = world.owner.actor.user_id or 0
    with installation.database.write() as session:
        start_session(session, installation.key, user_id)
    ended = run("admin", "reset-password", "owner", "--password-stdin", given=f"{PASSWORD}\n")
    assert ended.status == 0
    with installation.database.read() as session:
        assert verified_user_id(session, username="owner", password=PASSWORD) == user_id
        assert session.scalars(select(WebSession)).all() == []


def test_a_password_is_asked_for_only_where_it_can_be_given(run: Run, world: World) -> None:
    assert world.project_id
    refused = run("admin", "reset-password", "nobody")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == "There is no user named nobody. `modelyard admin list-users` lists them.\n"
    refused = run("admin", "create-user", "Owner")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == "The user name Owner has already been taken.\n"


def test_a_blocked_user_is_refused_until_unblocked(run: Run, installation: Installation, world: World) -> None:
    run("admin", "reset-password", "owner", "--password-stdin", given=f"{PASSWORD}\n")
    assert run("admin", "block", "owner").status == 0
    with installation.database.read() as session, pytest.raises(Unauthenticated, match="blocked"):
        verified_user_id(session, username="owner", password=PASSWORD)
    assert run("admin", "unblock", "OWNER").status == 0
    with installation.database.read() as session:
        assert verified_user_id(session, username="owner", password=PASSWORD) == world.owner.actor.user_id


def test_people_are_listed(run: Run, world: World) -> None:
    assert world.project_id
    said = run("admin", "list-users").out
    assert [line.split()[0] for line in said.splitlines()] == [
        *("root", "owner", "maintainer", "developer", "reporter", "guest", "stranger")
    ]
    (found,) = json.loads(run("admin", "list-users", "devel", "--json").out)
    assert (found["username"], found["state"], found["is_administrator"]) == ("developer", "active", False)


def test_a_user_is_deleted_once_somebody_else_owns_what_they_own(run: Run, world: World) -> None:
    assert world.project_id
    refused = run("admin", "delete-user", "owner", "--yes")
    assert (refused.status, "Nobody else owns acme." in refused.err) == (1, True)
    assert run("admin", "delete-user", "guest", "--yes").out == "guest is deleted.\n"
    assert "guest" not in run("admin", "list-users").out
    assert run("admin", "delete-user", "guest", "--yes").status == 1


def test_a_sign_up_link_is_for_the_first_only(run: Run, installation: Installation) -> None:
    address, _, secret = run("admin", "sign-up-link").out.strip().partition("?token=")
    assert address == f"{installation.settings.url}/-/first_administrator"
    with installation.database.read() as session:
        assert check_first_administrator_link(session, installation.key, secret).used_at is None
    run("admin", "create-user", "ada", "--administrator", "--password-stdin", given=f"{PASSWORD}\n")
    ended = run("admin", "sign-up-link")
    assert (ended.status, "reset-password" in ended.err) == (1, True)


def test_dead_tasks_are_listed_and_tried_again(run: Run, installation: Installation) -> None:
    with installation.database.write() as session:
        enqueue(session, "sweep")
        enqueue(session, "mail")
    with installation.database.write() as session:
        dead = session.scalars(select(TaskRow).where(TaskRow.kind == "mail")).one()
        dead.state, dead.attempt, dead.last_error = State.DEAD, MOST_ATTEMPTS, "The mail server is away."
        number = dead.id
    said = run("admin", "tasks").out
    assert said.startswith("1 waiting, 0 running, 0 done, 1 dead\n")
    assert "mail: The mail server is away." in said
    assert json.loads(run("admin", "tasks", "--json").out)["failed"][0]["id"] == number
    assert run("admin", "retry-task", str(number)).status == 0
    assert run("admin", "tasks").out.startswith("2 waiting, 0 running, 0 done, 0 dead\n")
    assert run("admin", "retry-task", str(number)).status == 1


def test_compacting_tells_how_dense_metrics_lie(run: Run, installation: Installation, world: World) -> None:
    made = installation.lane.submit_and_wait(
        CreateCandidate(world.project_id, 0, hex_id(), "brave", "me", None, 1, 1, {})
    )
    assert isinstance(made, CandidateInfo)
    for first in range(0, 3000, 500):
        steps = list(range(first, first + 500))
        columns = MetricColumns(["loss"] * 500, steps, [1_700_000_000_000 + s for s in steps], [s / 7 for s in steps])
        installation.lane.submit_and_wait(LogData(made.place, 1, metrics=columns))
    told = json.loads(run("admin", "compact", "--json").out)
    assert told["segments_folded"] == told["before"]["segments"] == 6
    assert (told["after"]["segments"], told["after"]["chunk_points"]) == (0, 3000)
    assert told["before"]["bytes_per_point"] == 28
    assert told["after"]["bytes_per_point"] < 12
    assert "Folded 0 segments." in run("admin", "compact").out

"""The queue on both engines: what is claimed, by whom, and what a lost claim can no longer do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.errors import Conflict, NotFound
from modelyard.platform.tasks.queue import (
    LEASE,
    MOST_ATTEMPTS,
    Claim,
    State,
    claim,
    enqueue,
    extend,
    fail,
    finish,
    forget_done,
    has_due,
    hold,
    queue_state,
    retry,
    troubled,
)
from modelyard.platform.tasks.tables import TaskRow

KINDS = ("mail", "sweep")


def put_in(database: Database, kind: str = "mail", payload: object = None, **options: object) -> None:
    with database.write() as session:
        enqueue(session, kind, payload, **options)  # type: ignore[arg-type]  # the options of enqueue


def take(database: Database, most: int = 1) -> list[Claim]:
    with database.write() as session:
        return claim(session, KINDS, most=most)


def take_one(database: Database) -> Claim:
    claims = take(database)
    assert len(claims) == 1
    return claims[0]


def rows(database: Database) -> list[TaskRow]:
    with database.read() as session:
        return list(session.scalars(select(TaskRow).order_by(TaskRow.id)))


def end_lease(database: Database) -> None:
    """Let the time of every lease run out."""
    with database.write() as session:
        session.execute(update(TaskRow).values(lease_until=now() - timedelta(seconds=1)))


def test_a_task_is_claimed_once_and_done(database: Database) -> None:
    put_in(database, payload={"to": "ada"})
    claimed = take_one(database)
    assert (claimed.kind, claimed.payload, claimed.attempt) == ("mail", '{"to":"ada"}', 1)
    assert take(database) == []
    with database.write() as session:
        finish(session, claimed)
    assert [row.state for row in rows(database)] == [State.DONE]
    assert take(database) == []


def test_a_task_of_an_undone_transaction_never_was(database: Database) -> None:
    def go_wrong() -> None:
        with database.write() as session:
            enqueue(session, "mail")
            raise NotFound("Something else went wrong.")

    with pytest.raises(NotFound):
        go_wrong()
    assert rows(database) == []


def test_tasks_come_in_the_order_in_which_they_are_due(database: Database) -> None:
    moment = now()
    put_in(database, payload="late", run_at=moment - timedelta(seconds=1))
    put_in(database, payload="later", run_at=moment + timedelta(hours=1))
    put_in(database, payload="early", run_at=moment - timedelta(seconds=9))
    assert [take_one(database).payload for _ in range(2)] == ['"early"', '"late"']
    assert take(database) == []


def test_a_kind_that_the_worker_does_not_know_is_left_to_others(database: Database) -> None:
    put_in(database, "invented later")
    assert take(database) == []
    with database.read() as session:
        assert not has_due(session, KINDS)
        assert has_due(session, ["invented later"])


def test_a_key_is_put_in_once(database: Database) -> None:
    for _ in range(3):
        put_in(database, unique_key="sweep 12")
    assert len(rows(database)) == 1
    with database.write() as session:
        finish(session, claim(session, KINDS)[0])
    put_in(database, unique_key="sweep 12")
    assert [row.state for row in rows(database)] == [State.DONE]


def test_many_workers_at_once_claim_each_task_once(database: Database) -> None:
    with database.write() as session:
        for number in range(60):
            enqueue(session, "mail", number)

    def work() -> list[int]:
        found: list[int] = []
        while claims := take(database, most=2):
            found += [claimed.task_id for claimed in claims]
        return found

    with ThreadPoolExecutor(6) as pool:
        done = [number for future in [pool.submit(work) for _ in range(6)] for number in future.result()]
    assert len(done) == 60
    assert len(set(done)) == 60


def test_a_failed_task_is_tried_again_after_a_pause(database: Database) -> None:
    put_in(database)
    claimed = take_one(database)
    with database.write() as session:
        assert fail(session, claimed, "The mail server is away.") is State.WAITING
    assert take(database) == []
    (row,) = rows(database)
    assert timedelta(seconds=3) < row.run_at - now() < timedelta(seconds=6)
    assert row.last_error == "The mail server is away."
    with database.read() as session:
        assert [it.id for it in troubled(session)] == [row.id]


def test_pauses_grow_until_the_task_is_dead(database: Database) -> None:
    put_in(database)
    pauses = []
    state = State.WAITING
    for attempt in range(1, MOST_ATTEMPTS + 1):
        with database.write() as session:
            session.execute(update(TaskRow).values(run_at=now()))
        claimed = take_one(database)
        assert claimed.attempt == attempt
        with database.write() as session:
            state = fail(session, claimed, "No.")
        pauses.append((rows(database)[0].run_at - now()).total_seconds())
    assert state is State.DEAD
    assert pauses[:-1] == sorted(pauses[:-1])
    assert rows(database)[0].state == State.DEAD
    assert take(database) == []


def test_a_dead_task_gets_its_attempts_back(database: Database) -> None:
    put_in(database)
    with database.write() as session:
        session.execute(update(TaskRow).values(state=State.DEAD, attempt=MOST_ATTEMPTS))
    (row,) = rows(database)
    with database.write() as session:
        retry(session, row.id)
    assert take_one(database).attempt == 1
    with pytest.raises(NotFound), database.write() as session:
        retry(session, row.id)


def test_a_worker_whose_lease_ran_out_changes_nothing(database: Database) -> None:
    put_in(database)
    late = take_one(database)
    end_lease(database)
    early = take_one(database)
    assert (early.task_id, early.attempt) == (late.task_id, 2)
    with pytest.raises(Conflict), database.write() as session:
        hold(session, late)
    with pytest.raises(Conflict), database.write() as session:
        finish(session, late)
    with database.write() as session:
        fail(session, late, "Too late to say so.")
    (row,) = rows(database)
    assert (row.state, row.last_error) == (State.RUNNING, None)
    with database.write() as session:
        finish(session, early)
    assert rows(database)[0].state == State.DONE


def test_a_lease_that_is_extended_stays(database: Database) -> None:
    put_in(database)
    claimed = take_one(database)
    end_lease(database)
    with database.write() as session:
        extend(session, [claimed])
    assert take(database) == []
    lease_until = rows(database)[0].lease_until
    assert lease_until is not None
    assert lease_until > now() + LEASE / 2


def test_a_task_that_ends_its_workers_dies_at_last(database: Database) -> None:
    put_in(database)
    for _ in range(MOST_ATTEMPTS):
        take_one(database)
        end_lease(database)
    assert take(database) == []
    (row,) = rows(database)
    assert row.state == State.DEAD
    assert "worker ended" in str(row.last_error)


def test_what_was_done_long_ago_is_forgotten(database: Database) -> None:
    for payload in ("old", "new", "waiting"):
        put_in(database, payload=payload)
    for claimed in take(database, most=2):
        with database.write() as session:
            finish(session, claimed)
    with database.write() as session:
        session.execute(update(TaskRow).where(TaskRow.payload == '"old"').values(finished_at=now() - timedelta(days=3)))
        assert forget_done(session) == 1
    assert [row.payload for row in rows(database)] == ['"new"', '"waiting"']


def test_the_state_of_the_queue_is_told(database: Database) -> None:
    since = now() - timedelta(minutes=5)
    put_in(database, run_at=since)
    put_in(database, run_at=since)
    put_in(database, run_at=now() + timedelta(days=1))
    take_one(database)
    with database.read() as session:
        state = queue_state(session)
    assert state.counts == {"waiting": 2, "running": 1, "done": 0, "dead": 0}
    assert state.oldest_due_at == since

"""The worker on both engines: events reach those who hear them, tasks are done, failures are tried again."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from modelyard.entrypoints.worker.loop import Worker
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.errors import Conflict
from modelyard.platform.events import EventRow, publish
from modelyard.platform.tasks.delivery import Subscription, by_event, forget_handled, on
from modelyard.platform.tasks.handlers import Handler, Schedule, in_many_transactions, in_one_transaction
from modelyard.platform.tasks.queue import State, claim, enqueue
from modelyard.platform.tasks.tables import TaskRow


@dataclass(frozen=True)
class ShipArrived:
    """An event of these tests."""

    name: str
    crew: int


@dataclass(frozen=True)
class ShipLeft:
    """One that nobody hears."""

    name: str


def worker_of(
    database: Database,
    *subscriptions: Subscription,
    handlers: Mapping[str, Handler] | None = None,
    schedules: Sequence[Schedule] = (),
) -> Worker:
    hearing = {subscription.task_kind: subscription.handler for subscription in subscriptions}
    known = {**hearing, **(handlers or {})}
    return Worker(database, handlers=known, schedules=schedules, heard=by_event(subscriptions))


def tasks(database: Database) -> list[TaskRow]:
    with database.read() as session:
        return list(session.scalars(select(TaskRow).order_by(TaskRow.id)))


def make_due(database: Database) -> None:
    with database.write() as session:
        session.execute(update(TaskRow).values(run_at=now()))


def test_every_subscriber_hears_an_event_with_its_values(database: Database) -> None:
    heard: list[tuple[str, ShipArrived]] = []

    def greet(_session: Session, event: ShipArrived) -> None:
        heard.append(("greet", event))

    def unload(_session: Session, event: ShipArrived) -> None:
        heard.append(("unload", event))

    with database.write() as session:
        publish(session, ShipArrived("Argo", 50))
        publish(session, ShipLeft("Beagle"))
    assert worker_of(database, on(ShipArrived, greet), on(ShipArrived, unload)).work_off() == 2
    assert sorted(heard, key=lambda it: it[0]) == [
        ("greet", ShipArrived("Argo", 50)),
        ("unload", ShipArrived("Argo", 50)),
    ]
    with database.read() as session:
        assert session.scalars(select(EventRow.id).where(EventRow.handled_at.is_(None))).all() == []


def test_an_event_of_an_undone_transaction_is_never_heard(database: Database) -> None:
    heard: list[ShipArrived] = []
    worker = worker_of(database, on(ShipArrived, lambda _session, event: heard.append(event)))

    def go_wrong() -> None:
        with database.write() as session:
            publish(session, ShipArrived("Argo", 50))
            raise Conflict("Something else went wrong.")

    with pytest.raises(Conflict):
        go_wrong()
    assert worker.work_off() == 0
    assert heard == []


def test_one_subscriber_that_fails_does_not_keep_the_other_waiting(database: Database) -> None:
    heard: list[str] = []
    is_broken = True

    def fails(session: Session, event: ShipArrived) -> None:
        enqueue(session, "written by the one that failed")
        if is_broken:
            raise ValueError(event.name)
        heard.append("the one that failed")

    def works(_session: Session, event: ShipArrived) -> None:
        heard.append(event.name)

    worker = worker_of(database, on(ShipArrived, fails), on(ShipArrived, works))
    with database.write() as session:
        publish(session, ShipArrived("Argo", 50))
    assert worker.work_off() == 2
    assert heard == ["Argo"]
    failed = next(task for task in tasks(database) if task.kind.endswith("fails"))
    assert (failed.state, failed.last_error) == (State.WAITING, "ValueError: Argo")
    assert "written by the one that failed" not in [task.kind for task in tasks(database)]

    is_broken = False
    make_due(database)
    worker.work_off()
    assert heard == ["Argo", "the one that failed"]


def test_a_task_that_lost_its_lease_leaves_no_trace(database: Database) -> None:
    handle = in_one_transaction(str, lambda session, payload: enqueue(session, f"trace of {payload}"))
    with database.write() as session:
        enqueue(session, "slow", "the late one")
    with database.write() as session:
        (late,) = claim(session, ["slow"])
        session.execute(update(TaskRow).values(lease_until=now() - timedelta(seconds=1)))
    with database.write() as session:
        (early,) = claim(session, ["slow"])
    with pytest.raises(Conflict):
        handle(database, late)
    assert [task.kind for task in tasks(database)] == ["slow"]
    handle(database, early)
    assert [task.kind for task in tasks(database)] == ["slow", "trace of the late one"]


def test_a_schedule_is_put_in_once_a_period_by_whoever_is_first(database: Database) -> None:
    done: list[int] = []
    handlers = {"tidy": in_many_transactions(lambda: done.append(1))}
    schedules = [Schedule("tidy", timedelta(days=365))]
    workers = [worker_of(database, handlers=handlers, schedules=schedules) for _ in range(3)]
    for worker in workers:
        worker.work_off()
    assert done == [1]


@pytest.fixture
def running(database: Database) -> Iterator[Callable[..., Worker]]:
    """Starts workers, and stops them."""
    started: list[Worker] = []

    def start(*subscriptions: Subscription, handlers: Mapping[str, Handler] | None = None) -> Worker:
        worker = worker_of(database, *subscriptions, handlers=handlers)
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop()


def test_a_worker_wakes_at_once_when_its_process_commits_work(
    database: Database, running: Callable[..., Worker]
) -> None:
    heard = threading.Event()
    running(on(ShipArrived, lambda _session, _event: heard.set()))
    time.sleep(0.2)  # it has looked and found nothing
    with database.write() as session:
        publish(session, ShipArrived("Argo", 50))
    assert heard.wait(0.8), "It waited for its next look."


def test_a_worker_finds_what_another_process_put_in(database: Database, running: Callable[..., Worker]) -> None:
    heard = threading.Event()
    running(on(ShipArrived, lambda _session, _event: heard.set()))
    other = Database(database.url)
    with other.write() as session:
        publish(session, ShipArrived("Argo", 50))
    other.close()
    assert heard.wait(5)


def test_a_long_task_does_not_keep_a_short_one_waiting(database: Database, running: Callable[..., Worker]) -> None:
    go_on, short_done = threading.Event(), threading.Event()
    handlers = {
        "long": in_many_transactions(lambda: go_on.wait(10)),
        "short": in_many_transactions(short_done.set),
    }
    running(handlers=handlers)
    with database.write() as session:
        enqueue(session, "long")
    time.sleep(0.1)
    with database.write() as session:
        enqueue(session, "short")
    assert short_done.wait(5)
    go_on.set()


def test_stopping_waits_for_the_task_at_hand(database: Database) -> None:
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.3)
        done.set()

    worker = worker_of(database, handlers={"work": in_many_transactions(work)})
    worker.start()
    with database.write() as session:
        enqueue(session, "work")
    assert begun.wait(5)
    worker.stop()
    assert done.is_set()
    assert [task.state for task in tasks(database)] == [State.DONE]


def test_events_that_were_handled_long_ago_are_forgotten(database: Database) -> None:
    long_ago = now() - timedelta(days=9)
    worker = worker_of(database)
    with database.write() as session:
        publish(session, ShipLeft("Beagle"))
    worker.work_off()
    with database.write() as session:
        publish(session, ShipLeft("Argo"))
        session.execute(update(EventRow).where(EventRow.handled_at.is_not(None)).values(handled_at=long_ago))
        assert forget_handled(session, older_than=timedelta(days=8)) == 1
    with database.read() as session:
        assert session.scalars(select(EventRow.payload)).all() == ['{"name":"Argo"}']

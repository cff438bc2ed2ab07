import threading

import pytest

from modelyard.platform.crews import LONGEST_WAIT_S, Crew
from modelyard.platform.errors import Busy


def test_a_crew_refuses_what_would_wait_behind_too_much() -> None:
    crew, gate = Crew("test", 2, most_waiting=3), threading.Event()
    done = [crew.submit(gate.wait) for _ in range(5)]
    with pytest.raises(Busy) as refused:
        crew.submit(gate.wait)
    assert 1 <= refused.value.retry_after_s <= LONGEST_WAIT_S
    assert (crew.waiting, crew.refused) == (3, 1)
    begun = crew.go_on(lambda: "not refused")
    gate.set()
    assert all(future.result(10) for future in done)
    assert begun.result(10) == "not refused"
    assert crew.submit(lambda: 7).result(10) == 7
    crew.shutdown()


def test_a_crew_refuses_what_would_wait_for_too_long() -> None:
    crew, gate = Crew("test", 1, most_waiting=100), threading.Event()
    crew._average_s = 60.0
    first = crew.submit(gate.wait)
    second = crew.submit(gate.wait)
    with pytest.raises(Busy) as refused:
        crew.submit(gate.wait)
    assert refused.value.retry_after_s == LONGEST_WAIT_S
    gate.set()
    assert first.result(10)
    assert second.result(10)
    # With nobody waiting it always takes work, so that it learns that work has become quick again.
    assert crew.submit(lambda: 7).result(10) == 7
    crew.shutdown()


def test_a_crew_refuses_what_would_wait_behind_stuck_work() -> None:
    crew, gate, running = Crew("test", 2, most_waiting=100), threading.Event(), threading.Barrier(3)

    def stick() -> bool:
        running.wait(10)
        return gate.wait(10)

    stuck = [crew.submit(stick) for _ in range(2)]
    running.wait(10)
    first, second = crew._began_s
    crew._began_s[first] -= LONGEST_WAIT_S + 1
    behind = crew.submit(lambda: "the other thread may take it")
    crew._began_s[second] -= LONGEST_WAIT_S + 1
    with pytest.raises(Busy):
        crew.submit(gate.wait)
    gate.set()
    assert all(future.result(10) for future in stuck)
    assert behind.result(10)
    assert crew.submit(lambda: 7).result(10) == 7, "work that has ended keeps nobody away"
    crew.shutdown()


def test_errors_come_back_from_a_crew() -> None:
    crew = Crew("test", 1, most_waiting=1)
    with pytest.raises(ZeroDivisionError):
        crew.submit(divmod, 1, 0).result(10)
    crew.shutdown()

"""An open page hears of changes by server-sent events."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import FunctionType

import httpx
import msgspec
import pytest

from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CreateCandidate,
    LogData,
    MetricColumns,
    Status,
    UpdateCandidate,
)
from modelyard.domains.tracking.news import news_of_experiment, version_of_experiment
from modelyard.entrypoints.web.following import MOST_STREAMS
from modelyard.platform.clock import now_ms
from modelyard.platform.errors import Busy
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser
from tests.entrypoints.web.conftest import Browse, Log


def events(answer: httpx.Response) -> Iterator[tuple[str, str, dict[str, int]]]:
    """Name, id and data of each event."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    name = number = ""
    for line in answer.iter_lines():
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "id":
            number = value
        elif key == "data":
            yield name, number, msgspec.json.decode(value.encode())


def version_of(browser: Browser, experiment: str) -> str:
    region = browser.get(f"{experiment}/candidates").soup.select_one("#candidates")
    assert region is not None
    return str(region["data-version"])


def test_a_new_candidate_is_heard_of(developer: Browser, experiment: str, log: Log) -> None:
    log("before")
    since = version_of(developer, experiment)
    with developer.client.stream("GET", f"{experiment}/live?since={since}", timeout=10) as answer:
        log("after", is_finished=False)
        name, number, news = next(events(answer))
    assert (name, news["created"]) == ("change", 1)
    assert number == version_of(developer, experiment)


def test_what_happened_between_page_and_stream_is_not_lost(developer: Browser, experiment: str, log: Log) -> None:
    since = version_of(developer, experiment)
    log("between")
    with developer.client.stream("GET", f"{experiment}/live?since={since}", timeout=10) as answer:
        assert next(events(answer))[2]["created"] == 1


def test_a_running_candidate_tells_of_its_metrics_and_its_end(
    developer: Browser, live: LiveServer, world: World, log: Log
) -> None:
    made = log("running", {"loss": 1.0}, is_finished=False)
    path = f"/{world.project_path}/-/ml/candidates/{made.place.iid}/live"
    lane = live.installation.lane
    with developer.client.stream("GET", path, timeout=10) as answer:
        heard = events(answer)
        lane.submit_and_wait(LogData(made.place, now_ms(), MetricColumns(["loss"], [1], [now_ms()], [0.5])))
        assert next(heard)[0] == "change"
        lane.submit_and_wait(UpdateCandidate(made.place, now_ms(), Status.FINISHED, now_ms()))
        assert [name for name, _, _ in heard] == ["change", "end"]


def test_steps_as_large_as_a_clock_are_followed(developer: Browser, live: LiveServer, world: World, log: Log) -> None:
    step = 2**63 - 1
    made = log("running", {f"m{number}": 1.0 for number in range(6)}, step=step, is_finished=False)
    candidate = f"/{world.project_path}/-/ml/candidates/{made.place.iid}"
    assert developer.get(f"{candidate}/performance").status == 200
    following = developer.get(candidate).soup.select_one("my-live")
    assert following is not None
    earlier = MetricColumns(["m0"], [step], [0], [2.0])
    live.installation.lane.submit_and_wait(LogData(made.place, now_ms(), earlier))
    path = f"{candidate}/live?since={following['since']}&once=1"
    with developer.client.stream("GET", path, timeout=10) as answer:
        assert [name for name, _, _ in events(answer)] == ["change"]


def test_a_list_hears_whatever_a_running_candidate_logs(
    developer: Browser, live: LiveServer, experiment: str, log: Log
) -> None:
    made = log("running", {"loss": 1.0}, is_finished=False)
    moment, seen = now_ms(), version_of(developer, experiment)
    for logged in (
        LogData(made.place, moment, MetricColumns(["loss"], [0], [0], [2.0])),
        LogData(made.place, moment, parameters={"depth": "4"}),
        LogData(made.place, moment, tags={"team": "risk"}),
        LogData(made.place, moment, tags={"team": "fraud"}),
    ):
        live.installation.lane.submit_and_wait(logged)
        assert heard_since(developer, experiment, seen) == [{"created": 0, "changed": 1}]
        seen = version_of(developer, experiment)
        assert heard_since(developer, experiment, seen) == []


def test_what_commits_late_is_heard_of(
    developer: Browser, live: LiveServer, world: World, experiment: str, log: Log
) -> None:
    lane, moment = live.installation.lane, now_ms()
    first = log("first")
    early = CreateCandidate(world.project_id, 1, hex_id(), "early", "ada", None, moment, moment - 9_000, {})
    made = lane.submit_and_wait(early)
    assert isinstance(made, CandidateInfo)
    seen = version_of(developer, experiment)
    for delay_ms in (6_000, 3_000):
        lane.submit_and_wait(UpdateCandidate(made.place, moment - delay_ms, Status.FINISHED, moment))
        assert heard_since(developer, experiment, seen) == [{"created": 0, "changed": 1}]
        seen = version_of(developer, experiment)
    for _ in range(2):
        lane.submit_and_wait(UpdateCandidate(first.place, moment, Status.FINISHED, moment))
        assert heard_since(developer, experiment, seen) == [{"created": 0, "changed": 1}]
        seen = version_of(developer, experiment)


@pytest.mark.parametrize(("page", "region"), [("", "project-content"), ("/-/ml/experiments", "experiments")])
def test_a_project_hears_of_its_candidates(
    developer: Browser, live: LiveServer, world: World, log: Log, page: str, region: str
) -> None:
    path = f"/{world.project_path}{page}"

    def shown() -> str:
        element = developer.region(path, region).soup.select_one(f"#{region}")
        assert element is not None
        return str(element["data-version"])

    following = developer.get(path).soup.select_one(f"my-live[region={region}]")
    assert following is not None
    with developer.client.stream("GET", f"{following['src']}?since={shown()}", timeout=10) as answer:
        heard = events(answer)
        made = log("first", is_finished=False)
        assert next(heard) == ("change", shown(), {"changed": 1})
        live.installation.lane.submit_and_wait(UpdateCandidate(made.place, now_ms(), Status.FINISHED, now_ms()))
        assert next(heard)[1] == shown()
    with developer.client.stream("GET", f"{following['src']}?since={shown()}&once=1", timeout=10) as answer:
        assert list(events(answer)) == []


def heard_since(browser: Browser, experiment: str, seen: str) -> list[dict[str, int]]:
    with browser.client.stream("GET", f"{experiment}/live?since={seen}&once=1", timeout=10) as answer:
        return [news for _, _, news in events(answer)]


def test_a_page_may_ask_now_and_then(
    developer: Browser, live: LiveServer, world: World, experiment: str, log: Log
) -> None:
    made = log("before", {"loss": 1.0}, is_finished=False)
    candidate = f"/{world.project_path}/-/ml/candidates/{made.place.iid}"
    following = developer.get(candidate).soup.select_one("my-live")
    assert following is not None
    pages = (
        f"{experiment}/live?since={version_of(developer, experiment)}",
        f"{following['src']}?since={following['since']}",
    )
    for path in pages:
        with developer.client.stream("GET", f"{path}&once=1", timeout=10) as answer:
            assert list(events(answer)) == []
    live.installation.lane.submit_and_wait(UpdateCandidate(made.place, now_ms(), Status.FINISHED, now_ms()))
    heard = []
    for path in pages:
        with developer.client.stream("GET", f"{path}&once=1", timeout=10) as answer:
            heard.append([name for name, _, _ in events(answer)])
    assert heard == [["change"], ["change", "end"]]


def test_streams_are_for_those_who_may_see(browse: Browse, world: World, experiment: str, log: Log) -> None:
    log("secret")
    path = f"{experiment}/live?since={version_of(browse(world.developer), experiment)}"
    for browser in (browse(), browse(world.stranger)):
        assert browser.get(path, Accept="text/event-stream").status in {401, 404}
    assert browse(world.guest).get(f"{experiment}/live?since=x", Accept="text/event-stream").status == 422


def test_fifty_open_pages_ask_the_database_once_a_second(
    developer: Browser, experiment: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log("before")
    path = f"{experiment}/live?since={version_of(developer, experiment)}"
    polls, looks = Calls(version_of_experiment), Calls(news_of_experiment)
    with contextlib.ExitStack() as pages:
        answers = [pages.enter_context(developer.client.stream("GET", path, timeout=20)) for _ in range(MOST_STREAMS)]
        assert {answer.status_code for answer in answers} == {200}
        assert developer.get(path, Accept="text/event-stream").status == 429
        monkeypatch.setattr("modelyard.entrypoints.web.live.version_of_experiment", polls)
        monkeypatch.setattr("modelyard.entrypoints.web.live.news_of_experiment", looks)
        assert polls.enough.wait(10)
        assert looks.number == 0
        log("after", is_finished=False)
        assert [next(events(answer))[2]["created"] for answer in answers] == [1] * MOST_STREAMS
        assert polls.number < 10
    with developer.client.stream("GET", path, timeout=20) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize("function", [version_of_experiment, news_of_experiment])
def test_a_busy_moment_does_not_end_a_stream(
    developer: Browser, experiment: str, log: Log, monkeypatch: pytest.MonkeyPatch, function: FunctionType
) -> None:
    log("before")
    path = f"{experiment}/live?since={version_of(developer, experiment)}"
    with developer.client.stream("GET", path, timeout=10) as answer:
        looks = Calls(function)
        looks.busy_times = 2
        monkeypatch.setattr(f"modelyard.entrypoints.web.live.{function.__name__}", looks)
        log("after", is_finished=False)
        assert next(events(answer))[2]["created"] == 1
        assert looks.number > looks.busy_times


class Calls:
    """A function that counts how often it is called; `enough` is three times."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.number, self.enough, self._function = 0, threading.Event(), function
        self.busy_times = 0

    def __call__(self, *arguments: object) -> object:
        self.number += 1
        if self.number >= 3:
            self.enough.set()
        if self.number <= self.busy_times:
            raise Busy("The server has too much to do. Try again.")
        return self._function(*arguments)

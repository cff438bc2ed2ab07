"""W5: find candidates among ten thousand: filtered, the first page, every page, and the page a person sees."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import browser, load, servers, tracking
from benchmarks.contenders import Product
from benchmarks.load import Request
from benchmarks.race import Race
from benchmarks.samples import Unmeasurable
from benchmarks.servers import Server
from benchmarks.workloads import population

PAGE = 100
DEEP_PAGE = 1000
LEAST_VALUE = 0.5
FILTER = f"metrics.m0 > {LEAST_VALUE} and params.p0 = 'b'"
ORDER = "metrics.m0 DESC"
CANDIDATES_PATH = "/{project}/-/ml/experiments/{experiment}/candidates"
CANDIDATE_LINK = re.compile(r'href="[^"]*/-/ml/candidates/(\d+)"')


@dataclass(frozen=True)
class Searches:
    """The requests of one server."""

    filtered: Request
    first_page: Request
    every_page: list[Request]
    experiment_id: str


def measure(race: Race) -> None:
    """Fill every server with the same candidates, check that it finds the right ones, then ask again and again."""
    count = race.sizes.candidates
    searches = {
        server.name: _searches(server, population.fill(server, count), count)
        for server in race.each(f"W5 search, making {count} candidates")
    }
    _measure_searches(race, searches)
    _measure_paging(race, searches)
    _measure_candidates_page(race, searches)


def _searches(server: Server, experiment_id: str, count: int) -> Searches:
    filtered = {"experiment_ids": [experiment_id], "filter": FILTER, "order_by": [ORDER], "max_results": PAGE}
    _check_filtered(server, tracking.call(server, "POST", "runs/search", **filtered)["runs"], min(PAGE, count // 8))
    deep: dict[str, Any] = {"experiment_ids": [experiment_id], "max_results": DEEP_PAGE}
    pages, found = [], 0
    while found < count:
        answer = tracking.call(server, "POST", "runs/search", **deep)
        pages.append(_search(server, deep))
        found += len(answer["runs"])
        if found < count:
            deep = deep | {"page_token": answer["next_page_token"]}
    first_page = {"experiment_ids": [experiment_id], "max_results": PAGE}
    return Searches(_search(server, filtered), _search(server, first_page), pages, experiment_id)


def _search(server: Server, fields: dict[str, Any]) -> Request:
    return load.post(server, "runs/search", json.dumps(fields))


def _check_filtered(server: Server, runs: list[dict[str, Any]], at_least: int) -> None:
    """A quick wrong answer must not win."""
    values = [metric["value"] for run in runs for metric in run["data"]["metrics"] if metric["key"] == "m0"]
    params = [param["value"] for run in runs for param in run["data"]["params"] if param["key"] == "p0"]
    is_right = len(runs) >= at_least and len(values) == len(params) == len(runs)
    is_right = is_right and values == sorted(values, reverse=True) and set(params) == {"b"} and values[-1] > LEAST_VALUE
    if not is_right:
        raise Unmeasurable(f"{server.name} answers the filtered search with the wrong runs: {len(runs)} of them.")


def _measure_searches(race: Race, searches: dict[str, Searches]) -> None:
    kinds: tuple[tuple[str, str, Callable[[Searches], Request]], ...] = (
        ("W5.filtered", "W5 filtered search", lambda found: found.filtered),
        ("W5.first", "W5 first page", lambda found: found.first_page),
    )
    for key, name, choose in kinds:
        title = f"{name}, {PAGE} of {race.sizes.candidates}"
        for server in race.turns(title):
            request = choose(searches[server.name])
            found = load.drive(server, [request], connections=1, seconds=race.sizes.seconds, at_least=2)
            race.record_load(server, key, title, found, per_request=(1, "req"))


def _measure_paging(race: Race, searches: dict[str, Searches]) -> None:
    title = f"W5 every page, {DEEP_PAGE} at a time"
    for server in race.turns(title):
        pages = searches[server.name].every_page
        found = load.drive(server, pages, connections=1, at_least=len(pages), at_most=len(pages))
        race.record_load(server, "W5.paging", title, found, per_request=(race.sizes.candidates // len(pages), "runs"))


def _measure_candidates_page(race: Race, searches: dict[str, Searches]) -> None:
    """What a person sees of the first page, to its last byte; held against the peers' search for the same page."""
    pages: dict[str, Request] = {}
    for server in race.each("W5 candidates page", only=Product.MODELYARD):
        path = CANDIDATES_PATH.format(project=servers.PROJECT, experiment=searches[server.name].experiment_id)
        shown = len(set(CANDIDATE_LINK.findall(browser.page(server, path))))
        if shown != min(PAGE, race.sizes.candidates):
            raise Unmeasurable(f"{server.name} shows {shown} candidates on {path}, not {PAGE}.")
        pages[server.name] = load.render("GET", path, browser.headers(server))
    title = f"W5 candidates page (HTML), {PAGE} of {race.sizes.candidates}"
    for server in race.turns(title, only=Product.MODELYARD):
        found = load.drive(server, [pages[server.name]], connections=1, seconds=race.sizes.seconds)
        race.record_load(server, "W5.page", title, found, per_request=(1, "req"))

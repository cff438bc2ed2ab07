"""People with browsers, and an experiment with candidates."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from modelyard.domains.tracking.experiments import create_experiment
from modelyard.domains.tracking.hot.operations import (
    CandidateInfo,
    CreateCandidate,
    LogData,
    MetricColumns,
    Status,
    UpdateCandidate,
)
from modelyard.platform.clock import now_ms
from modelyard.platform.ids import hex_id
from tests.conftest import LiveServer, Somebody, World
from tests.entrypoints.web.browser import Browser

Browse = Callable[..., Browser]
Log = Callable[..., CandidateInfo]


@pytest.fixture
def browse(live: LiveServer) -> Iterator[Browse]:
    """Opens a browser for somebody, or for nobody."""
    opened: list[Browser] = []

    def open_browser(somebody: Somebody | None = None) -> Browser:
        opened.append(Browser(live.url, live.installation, somebody))
        return opened[-1]

    yield open_browser
    for browser in opened:
        browser.close()


@pytest.fixture
def developer(browse: Browse, world: World) -> Browser:
    return browse(world.developer)


@pytest.fixture
def owner(browse: Browse, world: World) -> Browser:
    return browse(world.owner)


@pytest.fixture
def experiment(live: LiveServer, world: World) -> str:
    """The address of the experiment `churn-xgb`, the first one of the project."""
    with live.installation.database.write() as session:
        made = create_experiment(session, world.owner.actor, world.project(session), name="churn-xgb")
    return f"/{world.project_path}/-/ml/experiments/{made.iid}"


@pytest.fixture
def table(experiment: str) -> str:
    """The address of the candidates of this experiment."""
    return f"{experiment}/candidates"


@pytest.fixture
def log(live: LiveServer, world: World, experiment: str) -> Log:
    """Logs a candidate of the experiment."""
    lane, number = live.installation.lane, int(experiment.rpartition("/")[2])

    def log_candidate(
        name: str,
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        *,
        step: int = 0,
        is_finished: bool = True,
        status: Status = Status.FINISHED,
        user: str = "ada",
        creator: Somebody | None = None,
    ) -> CandidateInfo:
        moment, creator_id = now_ms(), creator.actor.user_id if creator else None
        made = lane.submit_and_wait(
            CreateCandidate(
                world.project_id, number, hex_id(), name, user, creator_id, moment, moment, {"mlflow.runName": name}
            )
        )
        assert isinstance(made, CandidateInfo)
        keys = list(metrics or {})
        columns = MetricColumns(
            keys, [step] * len(keys), [moment] * len(keys), [float(value) for value in (metrics or {}).values()]
        )
        lane.submit_and_wait(LogData(made.place, moment, columns if keys else None, parameters or {}, tags or {}))
        if is_finished:
            lane.submit_and_wait(UpdateCandidate(made.place, now_ms(), status, now_ms()))
        return made

    return log_candidate

"""A deleted group or project is nowhere at once, through every way in, and goes for good in the background."""

from collections.abc import Iterator

import gitlab
import httpx
import pytest
from gitlab.exceptions import GitlabAuthenticationError, GitlabGetError
from sqlalchemy import func, select

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.namespaces.groups import create_group, get_group
from modelyard.domains.namespaces.projects import create_project
from modelyard.domains.namespaces.tables import Member, Namespace, Project, TokenPlace
from modelyard.domains.packages.tables import Blob, Package, PackageFile
from modelyard.domains.tracking.tables import (
    Candidate,
    CandidateTag,
    Experiment,
    LatestMetric,
    MetricSegment,
    TrackingKey,
)
from modelyard.entrypoints.worker.catalogue import create_worker
from modelyard.platform.database import Table
from modelyard.platform.events import EventRow
from modelyard.subscriptions import SUBSCRIPTIONS
from tests.behaviour.artifact_client import Artifacts, create_run
from tests.conftest import LiveServer, Somebody, World
from tests.entrypoints.web.browser import Browser

# What a project holds, and what remembers where it is.
HELD = (Candidate, CandidateTag, Experiment, LatestMetric, MetricSegment, Package, PackageFile, TokenPlace, TrackingKey)


@pytest.fixture
def artifacts(live: LiveServer, world: World) -> Artifacts:
    """A run with a metric, a tag and a file in the project; next to it lies a subgroup with a project of its own."""
    artifacts = Artifacts(live, world, create_run(live, world), world.developer)
    assert artifacts.put("model.txt", b"weights").status_code == 200
    assert log(artifacts).status_code == 200
    assert artifacts.ask(
        "POST", f"{artifacts.base}/mlflow/runs/set-tag", json={"run_id": artifacts.run_id, "key": "a", "value": "b"}
    ).is_success
    with live.installation.database.write() as session:
        lab = create_group(session, world.owner.actor, name="lab", parent=get_group(session, SYSTEM, "acme"))
        create_project(session, world.owner.actor, name="deep", namespace=lab)
    return artifacts


@pytest.fixture
def owner(live: LiveServer, world: World) -> Iterator[gitlab.Gitlab]:
    with gitlab.Gitlab(live.url, private_token=world.owner.token) as client:
        yield client


@pytest.fixture
def bot(owner: gitlab.Gitlab, world: World) -> Somebody:
    """The token of the project."""
    project = owner.projects.get(world.project_id, lazy=True)
    made = project.access_tokens.create({"name": "ci", "scopes": ["api"], "access_level": 30})
    return Somebody(world.developer.actor, made.token)


def log(artifacts: Artifacts) -> httpx.Response:
    point = {"run_id": artifacts.run_id, "key": "loss", "value": 0.5, "timestamp": 1, "step": 1}
    return artifacts.ask("POST", f"{artifacts.base}/mlflow/runs/log-metric", json=point)


def counts(live: LiveServer, *tables: type[Table]) -> list[int]:
    with live.installation.database.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def work_off(live: LiveServer) -> None:
    create_worker(live.installation, SUBSCRIPTIONS).work_off()


@pytest.mark.parametrize("what", ["group", "project"])
def test_what_is_deleted_is_nowhere_at_once(
    live: LiveServer, world: World, artifacts: Artifacts, owner: gitlab.Gitlab, bot: Somebody, what: str
) -> None:
    by_bot = artifacts.of(bot)
    assert log(by_bot).status_code == 200
    (owner.groups.get("acme") if what == "group" else owner.projects.get("acme/churn")).delete()

    for who in (world.owner, world.administrator, world.developer):
        asked = artifacts.of(who)
        run = {"experiment_id": "0", "start_time": 1}
        assert log(asked).status_code == 404
        assert asked.ask("POST", f"{asked.base}/mlflow/runs/create", json=run).status_code == 404
        assert asked.ask("GET", f"{asked.base}/mlflow/runs/get", params={"run_id": asked.run_id}).status_code == 404
        assert asked.get("model.txt").status_code == 404
        assert asked.put("more.txt", b"x").status_code == 404
        with gitlab.Gitlab(live.url, private_token=who.token) as client:
            for reference in (world.project_id, world.project_path):
                with pytest.raises(GitlabGetError) as missing:
                    client.projects.get(reference)
                assert missing.value.response_code == 404
            expected = {"deep"} if what == "project" and who is not world.developer else set()
            assert {project.name for project in client.projects.list(get_all=True)} == expected
            groups = {"acme", "acme/lab"} if what == "project" and who is not world.developer else set()
            assert {group.full_path for group in client.groups.list(all_available=True)} == groups
        browser = Browser(live.url, live.installation, who)
        assert browser.get("/acme/churn").status == 404
        assert browser.get("/groups/acme").status == (200 if groups else 404)
        assert "churn" not in browser.get("/").texts("main a")
        browser.close()

    assert log(by_bot).status_code == 401, "Its token has ended."
    with gitlab.Gitlab(live.url, private_token=bot.token) as client, pytest.raises(GitlabAuthenticationError):
        client.auth()
    with live.installation.database.read() as session:
        kind = "GroupDeleted" if what == "group" else "ProjectDeleted"
        assert session.scalars(select(EventRow.kind).where(EventRow.kind == kind)).all() == [kind]


def test_the_path_of_what_is_deleted_is_free_and_its_rows_go(
    live: LiveServer, artifacts: Artifacts, owner: gitlab.Gitlab, world: World
) -> None:
    assert counts(live, *HELD) == [1, 2, 1, 1, 1, 1, 1, 0, 3]
    owner.groups.get("acme").delete()
    again = owner.groups.create({"name": "Acme", "path": "acme"})
    project = owner.projects.create({"name": "churn", "namespace_id": again.id})
    assert project.path_with_namespace == world.project_path
    here = World(project.id, world.project_path, *(world.administrator, world.owner), *([world.owner] * 5))
    fresh = Artifacts(live, here, create_run(live, here), world.owner)
    assert fresh.put("model.txt", b"weights").status_code == 200
    assert fresh.ask("GET", f"{fresh.base}/mlflow/runs/get", params={"run_id": artifacts.run_id}).status_code == 404

    work_off(live)
    assert counts(live, *HELD) == [1, 1, 1, 0, 0, 1, 1, 0, 1]
    with live.installation.database.read() as session:
        assert session.scalars(select(Project.id)).all() == [project.id]
        assert session.scalars(select(Namespace.full_path).where(Namespace.kind == "group")).all() == ["acme"]
        assert session.scalars(select(Member.id).where(Member.project_id.is_not(None))).all() == []
        assert session.scalar(select(func.count()).select_from(Blob)) == 1
    assert fresh.get("model.txt").content == b"weights"

"""The real python-gitlab against the live server, as scripts written for GitLab use it."""

from datetime import UTC, datetime, timedelta

import gitlab
import pytest
from gitlab.exceptions import (
    GitlabAuthenticationError,
    GitlabCreateError,
    GitlabGetError,
    GitlabHttpError,
    GitlabListError,
)

from modelyard import __version__
from tests.conformance.conftest import Connect
from tests.conftest import LiveServer, World

RESERVED = "400 Bad request - The user name api is reserved. Choose another one."
TOO_SHORT = {"password": ["A password needs at least 12 characters."]}

RANDOM = {"force_random_password": True}
NO_PASSWORD = "password, force_random_password are missing, at least one parameter must be provided"
NO_MAIL = (
    "reset_password needs e-mail, and this server sends none: send password, or force_random_password and set one later"
)


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


# Who one is


def test_a_token_signs_in_as_its_user(owner: gitlab.Gitlab, live: LiveServer) -> None:
    owner.auth()
    assert owner.user is not None
    assert (owner.user.username, owner.user.state) == ("owner", "active")
    assert owner.user.web_url == f"{live.url}/owner"
    assert datetime.fromisoformat(owner.user.created_at).tzinfo is UTC
    assert owner.user.created_at.endswith("Z")
    assert len(owner.user.created_at) == len("2026-05-04T12:30:00.000Z")
    assert owner.version() == (__version__, f"v{__version__}")
    assert owner.http_get("/metadata")["enterprise"] is False  # type: ignore[index]  # JSON, not a response


def test_bearer_and_basic_tokens_are_the_same(live: LiveServer, world: World) -> None:
    with gitlab.Gitlab(live.url, oauth_token=world.owner.token) as client:
        client.auth()
        assert client.user is not None
        assert client.user.username == "owner"


def test_a_wrong_token_is_401(connect: Connect) -> None:
    client = connect("myd_pat_wrong")
    with pytest.raises(GitlabAuthenticationError) as refused:
        client.auth()
    assert (refused.value.response_code, refused.value.error_message) == (401, "401 Unauthorized")


# Users


def test_an_administrator_creates_a_user_with_a_token(root: gitlab.Gitlab, connect: Connect) -> None:
    made = root.users.create(
        {"username": "ada", "name": "Ada Lovelace", "email": "Ada@example.org", "password": "a very long engine 1843"}
    )
    assert made.email == "ada@example.org"
    assert made.is_admin is False
    token = made.personal_access_tokens.create({"name": "laptop", "scopes": ["api"], "expires_at": in_days(10)})
    assert token.expires_at == in_days(10)
    ada = connect(token.token)
    ada.auth()
    assert ada.user is not None
    assert ada.user.id == made.id
    project = ada.projects.create({"name": "engine"})
    assert project.path_with_namespace == "ada/engine"
    assert project.namespace["kind"] == "user"


def test_a_user_whose_password_nobody_knows_has_tokens(root: gitlab.Gitlab, connect: Connect) -> None:
    made = root.users.create(
        {"username": "ci", "name": "CI", "email": "ci@example.org", "reset_password": True, **RANDOM}
    )
    token = made.personal_access_tokens.create({"name": "ci", "scopes": ["api"], "expires_at": in_days(10)})
    connect(token.token).auth()


def test_users_are_found_and_blocked(root: gitlab.Gitlab, connect: Connect, world: World) -> None:
    assert [user.username for user in root.users.list(search="MAINT")] == ["maintainer"]
    assert [user.username for user in root.users.list(username="Guest")] == ["guest"]
    guest = root.users.list(username="guest")[0]
    assert guest.block() is True
    assert [user.username for user in root.users.list(blocked=True)] == ["guest"]
    with pytest.raises(GitlabAuthenticationError):
        connect(world.guest).auth()
    assert guest.unblock() is True
    connect(world.guest).auth()


def test_an_administrator_changes_a_user(root: gitlab.Gitlab) -> None:
    user = root.users.list(username="guest")[0]
    user.name = "Guy Est"
    user.email = "guy@example.org"
    user.save()
    again = root.users.get(user.id)
    assert (again.name, again.email) == ("Guy Est", "guy@example.org")


@pytest.mark.parametrize(
    ("wish", "status", "message"),
    [
        ({"username": "owner", "name": "x", **RANDOM}, 409, "The user name owner has already been taken."),
        ({"username": "acme", "name": "x", **RANDOM}, 409, "The path acme has already been taken."),
        ({"username": "new", "name": "x", "password": "short"}, 400, TOO_SHORT),
        ({"username": "new", "name": "x"}, 400, NO_PASSWORD),
        ({"username": "new", "name": "x", "reset_password": True}, 400, NO_MAIL),
        ({"username": "api", "name": "x", **RANDOM}, 400, RESERVED),
        ({"username": "new"}, 400, "name is missing"),
    ],
)  # fmt: skip
def test_a_user_that_cannot_be_is_refused(
    root: gitlab.Gitlab, wish: dict[str, object], status: int, message: object
) -> None:
    with pytest.raises(GitlabCreateError) as refused:
        root.users.create(wish)
    assert (refused.value.response_code, refused.value.error_message) == (status, message)


def test_only_administrators_manage_users(owner: gitlab.Gitlab) -> None:
    with pytest.raises(GitlabCreateError) as refused:
        owner.users.create({"username": "new", "name": "x"})
    assert refused.value.response_code == 403
    user = owner.users.list(username="guest")[0]
    assert not hasattr(user, "email")
    with pytest.raises(gitlab.GitlabBlockError):
        user.block()


# Groups and projects


def test_groups_nest(owner: gitlab.Gitlab, live: LiveServer) -> None:
    acme = owner.groups.get("acme")
    team = owner.groups.create({"name": "Risk team", "path": "risk", "parent_id": acme.id})
    below = owner.groups.create({"name": "Fraud", "path": "fraud", "parent_id": team.id})
    assert (below.full_path, below.full_name) == ("acme/risk/fraud", "Acme / Risk team / Fraud")
    assert below.web_url == f"{live.url}/groups/acme/risk/fraud"
    assert owner.groups.get("acme/risk/fraud").id == below.id
    assert [group.path for group in acme.subgroups.list()] == ["risk"]
    assert [group.path for group in acme.descendant_groups.list(order_by="path")] == ["risk", "fraud"]
    assert [group.path for group in owner.groups.list(search="fraud")] == ["fraud"]
    assert [group.path for group in owner.groups.list(top_level_only=True)] == ["acme"]
    assert [group.path for group in owner.groups.list(skip_groups=[acme.id, team.id])] == ["fraud"]


def test_a_group_is_changed_and_deleted_with_all_in_it(owner: gitlab.Gitlab) -> None:
    team = owner.groups.create({"name": "Team", "path": "team"})
    project = owner.projects.create({"name": "model", "namespace_id": team.id})
    team.name, team.path, team.description = "Crew", "crew", "All hands"
    team.save()
    assert owner.projects.get("crew/model").id == project.id
    assert owner.groups.get(team.id).description == "All hands"
    team.delete()
    with pytest.raises(GitlabGetError) as gone:
        owner.projects.get(project.id)
    assert (gone.value.response_code, gone.value.error_message) == (404, "404 Project Not Found")
    with pytest.raises(GitlabGetError) as gone:
        owner.groups.get("crew")
    assert gone.value.error_message == "404 Group Not Found"


def test_a_project_is_created_found_changed_and_deleted(owner: gitlab.Gitlab, live: LiveServer) -> None:
    acme = owner.groups.get("acme")
    made = owner.projects.create(
        {
            "name": "Credit scoring",
            "namespace_id": acme.id,
            "description": "Who pays back",
            "model_registry_access_level": "private",
        }
    )
    assert made.path_with_namespace == "acme/credit-scoring"
    assert made.name_with_namespace == "Acme / Credit scoring"
    assert made.web_url == f"{live.url}/acme/credit-scoring"
    assert made.permissions == {"project_access": None, "group_access": {"access_level": 50}}
    found = owner.projects.get("acme/Credit-Scoring")
    assert (found.id, found.model_registry_access_level) == (made.id, "private")
    found.name = "Scoring"
    found.model_experiments_access_level = "disabled"
    found.save()
    again = owner.projects.get(made.id)
    assert (again.name, again.model_experiments_access_level) == ("Scoring", "disabled")
    assert (again.package_registry_access_level, again.path) == ("enabled", "credit-scoring")
    again.delete()
    with pytest.raises(GitlabGetError):
        owner.projects.get(made.id)


def test_projects_are_filtered(owner: gitlab.Gitlab, connect: Connect, world: World) -> None:
    acme = owner.groups.get("acme", lazy=True)
    acme_id = owner.groups.get("acme").id
    below = owner.groups.create({"name": "below", "path": "below", "parent_id": acme_id})
    owner.projects.create({"name": "deep", "namespace_id": below.id})
    owner.projects.create({"name": "mine"})
    maintainer = connect(world.maintainer)
    maintainer.projects.create({"name": "theirs"})

    def names(client: gitlab.Gitlab, **filters: object) -> list[str]:
        return sorted(project.name for project in client.projects.list(query_parameters=filters))

    assert names(owner, owned=True) == ["churn", "deep", "mine"]
    assert names(maintainer) == ["churn", "theirs"]
    assert names(maintainer, owned=True) == ["theirs"]
    assert names(maintainer, min_access_level=40) == ["churn", "theirs"]
    assert names(connect(world.guest), membership=True) == ["churn"]
    assert names(connect(world.administrator), membership=True) == []
    assert names(owner, search="MIN") == ["mine"]
    assert names(owner, visibility="public") == []
    assert [project.name for project in acme.projects.list()] == ["churn"]
    assert [project.name for project in acme.projects.list(include_subgroups=True, order_by="name", sort="asc")] == [
        "churn",
        "deep",
    ]


def test_an_archived_project_is_only_read(owner: gitlab.Gitlab, world: World) -> None:
    project = owner.projects.get(world.project_id)
    project.archive()
    assert project.archived is True
    assert [found.id for found in owner.projects.list(archived=True)] == [project.id]
    assert owner.projects.list(archived=False) == []
    with pytest.raises(GitlabHttpError) as refused:
        owner.http_post(
            f"/projects/{project.id}/ml/mlflow/api/2.0/mlflow/runs/create", post_data={"experiment_id": "0"}
        )
    assert refused.value.response_code == 403
    assert "archived" in str(refused.value.error_message)
    project.unarchive()
    run = owner.http_post(
        f"/projects/{project.id}/ml/mlflow/api/2.0/mlflow/runs/create", post_data={"experiment_id": "0"}
    )
    assert isinstance(run, dict)
    assert run["run"]["info"]["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"name": "churn"}, {"name": ["has already been taken"], "path": ["has already been taken"]}),
        ({"name": "x", "path": "a b"}, "400 Bad request - A path has letters"),
        ({"name": "x", "visibility": "public"}, "400 Bad request - A project in a group that is private cannot be"),
        ({"name": "x", "visibility": "secret"}, "visibility does not have a valid value"),
        ({"name": "x", "package_registry_access_level": "maybe"}, "package_registry_access_level does not have"),
        ({}, "name, path are missing, at least one parameter must be provided"),
        ({"name": "x", "description": "d" * 2001}, "400 Bad request - A description has at most 2000 characters."),
        ({"name": "x\0"}, "name is invalid"),
        ({"name": ["x"]}, "name is invalid"),
    ],
)
def test_a_project_that_cannot_be_is_refused(owner: gitlab.Gitlab, wish: dict[str, object], message: object) -> None:
    acme = owner.groups.get("acme")
    with pytest.raises(GitlabCreateError) as refused:
        owner.projects.create({"namespace_id": acme.id, **wish})
    assert refused.value.response_code == 400
    if isinstance(message, str):
        assert str(refused.value.error_message).startswith(message)
    else:
        assert refused.value.error_message == message


def test_namespaces_are_listed_and_looked_up(owner: gitlab.Gitlab) -> None:
    assert [space.full_path for space in owner.namespaces.list()] == ["acme", "owner"]
    assert owner.namespaces.get("acme").kind == "group"
    assert owner.namespaces.exists("acme").exists is True
    assert owner.namespaces.exists("acme").suggests == ["acme1"]
    assert owner.namespaces.exists("nobody").exists is False
    parent_id = owner.namespaces.get("acme").id
    assert owner.namespaces.exists("acme", parent_id=parent_id).exists is False


# Pages


def test_pages_are_numbered(owner: gitlab.Gitlab) -> None:
    for number in range(5):
        owner.projects.create({"name": f"p{number}"})
    everything = owner.projects.list(get_all=True, order_by="id", sort="asc")
    assert [project.name for project in everything] == ["churn", "p0", "p1", "p2", "p3", "p4"]
    page = owner.projects.list(iterator=True, per_page=2, order_by="id", sort="asc")
    assert (page.current_page, page.per_page, page.next_page, page.prev_page) == (1, 2, 2, None)
    assert (page.total, page.total_pages) == (6, 3)
    assert [project.id for project in page] == [project.id for project in everything]
    assert [project.name for project in owner.projects.list(page=2, per_page=4, order_by="id", sort="asc")] == [
        "p3",
        "p4",
    ]
    assert owner.projects.list(page=9) == []


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_keyset_paging_misses_none_and_repeats_none(owner: gitlab.Gitlab, sort: str) -> None:
    for number in range(6):
        owner.projects.create({"name": f"p{number}"})
    found = owner.projects.list(iterator=True, pagination="keyset", order_by="id", sort=sort, per_page=2)
    ids = [project.id for project in found]
    assert len(ids) == 7
    assert ids == sorted(ids, reverse=sort == "desc")
    with pytest.raises(GitlabListError) as refused:
        owner.projects.list(pagination="keyset", order_by="name", get_all=False)
    assert refused.value.response_code == 405


# Nobody


def test_nobody_sees_what_is_public(owner: gitlab.Gitlab, connect: Connect, world: World) -> None:
    group = owner.groups.create({"name": "Open", "path": "open", "visibility": "public"})
    project = owner.projects.create({"name": "zoo", "namespace_id": group.id, "visibility": "public"})
    nobody = connect(None)
    assert [found.name for found in nobody.projects.list()] == ["zoo"]
    assert [found.name for found in nobody.groups.list()] == ["Open"]
    seen = nobody.projects.get("open/zoo")
    assert (seen.id, seen.permissions) == (project.id, None)
    for hidden in (world.project_path, "no/such"):
        with pytest.raises(GitlabGetError) as refused:
            nobody.projects.get(hidden)
        assert (refused.value.response_code, refused.value.error_message) == (404, "404 Project Not Found")
    with pytest.raises(GitlabAuthenticationError):
        nobody.auth()
    with pytest.raises(GitlabAuthenticationError):
        nobody.projects.create({"name": "x"})

"""What no client shows by itself: ends of memberships, what is told to whom, and how soon a change counts."""

import socket
from datetime import UTC, datetime, timedelta

import pytest

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.namespaces.members import get_membership
from modelyard.platform.clock import now
from tests.conftest import LiveServer, Somebody, World
from tests.entrypoints.rest.conftest import Call


@pytest.fixture
def project(world: World) -> str:
    """The address of the project."""
    return f"/projects/{world.project_id}"


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def token_with(call: Call, who: Somebody, *scopes: str) -> Somebody:
    made = call("POST", "/user/personal_access_tokens", who, {"name": "t", "scopes": list(scopes)})
    assert made.status == 201, made.content
    return Somebody(who.actor, made.json["token"])


def log(call: Call, project: str, who: Somebody) -> int:
    """Begin a run through MLflow's protocol."""
    return call("POST", f"{project}/ml/mlflow/api/2.0/mlflow/runs/create", who, {"experiment_id": "0"}).status


# How soon a change counts (attack A10)


def test_what_is_taken_away_ends_with_the_next_request(call: Call, world: World, project: str) -> None:
    developer = world.developer.actor.user_id
    assert log(call, project, world.developer) == 200
    lowered = call("PUT", f"{project}/members/{developer}", world.owner, {"access_level": 20})
    assert lowered.status == 200
    assert log(call, project, world.developer) == 403
    assert call("PUT", f"{project}/members/{developer}", world.owner, {"access_level": 30}).status == 200
    assert log(call, project, world.developer) == 200
    assert call("DELETE", f"{project}/members/{developer}", world.owner).status == 204
    assert log(call, project, world.developer) == 404


@pytest.mark.parametrize("way", ["block", "revoke", "rotate", "switch"])
def test_credentials_and_switches_end_with_the_next_request(call: Call, world: World, project: str, way: str) -> None:
    assert log(call, project, world.developer) == 200
    token_id = call("GET", "/personal_access_tokens/self", world.developer).json["id"]
    done = {
        "block": lambda: call("POST", f"/users/{world.developer.actor.user_id}/block", world.administrator),
        "revoke": lambda: call("DELETE", f"/personal_access_tokens/{token_id}", world.administrator),
        "rotate": lambda: call("POST", "/personal_access_tokens/self/rotate", world.developer),
        "switch": lambda: call("PUT", project, world.owner, {"model_experiments_access_level": "disabled"}),
    }[way]()
    assert done.status < 300, done.content
    assert log(call, project, world.developer) == (404 if way == "switch" else 401)


def test_a_default_project_survives_the_rotation_of_its_token(call: Call, world: World, project: str) -> None:
    made = call(
        "POST", f"{project}/access_tokens", world.owner, {"name": "ci", "scopes": ["api"], "access_level": 30}
    ).json
    bot = Somebody(world.developer.actor, made["token"])
    rotated = call("POST", "/personal_access_tokens/self/rotate", bot)
    assert rotated.status == 200
    fresh = Somebody(world.developer.actor, rotated.json["token"])
    assert log(call, project, bot) == 401
    assert log(call, project, fresh) == 200
    assert call("DELETE", "/personal_access_tokens/self", fresh).status == 204
    members = call("GET", f"{project}/members", world.owner).json
    assert made["user_id"] not in [member["id"] for member in members]


# Memberships


def test_a_membership_that_has_ended_can_begin_again(call: Call, world: World, project: str, live: LiveServer) -> None:
    stranger = world.stranger.actor.user_id
    assert stranger is not None
    wish = {"user_id": stranger, "access_level": 30, "expires_at": in_days(1)}
    assert call("POST", f"{project}/members", world.owner, wish).status == 201
    with live.installation.database.write() as session:
        known = get_membership(session, SYSTEM, world.project(session), stranger)
        known.member.expires_at = now() - timedelta(seconds=1)
    assert call("GET", project, world.stranger).status == 404
    assert call("GET", f"{project}/members/{stranger}", world.owner).status == 404
    again = call("POST", f"{project}/members", world.owner, {**wish, "expires_at": None})
    assert (again.status, again.json["expires_at"]) == (201, None)
    assert call("GET", project, world.stranger).status == 200


def test_the_last_owner_gets_no_end(call: Call, world: World) -> None:
    change = {"access_level": 50, "expires_at": in_days(3)}
    refused = call("PUT", f"/groups/acme/members/{world.owner.actor.user_id}", world.owner, change)
    assert refused.status == 409


def test_a_bot_has_no_role_elsewhere(call: Call, world: World, project: str) -> None:
    made = call("POST", f"{project}/access_tokens", world.owner, {"name": "ci", "scopes": ["api"]}).json
    other = call("POST", "/projects", world.owner, {"name": "other"}).json["id"]
    refused = call("POST", f"/projects/{other}/members", world.owner, {"user_id": made["user_id"], "access_level": 30})
    assert refused.status == 400
    refused = call(
        "POST",
        f"/users/{made['user_id']}/personal_access_tokens",
        world.administrator,
        {"name": "x", "scopes": ["api"]},
    )
    assert refused.status == 403


def test_leaving_takes_a_token_that_may_write(call: Call, world: World, project: str) -> None:
    reader = token_with(call, world.guest, "read_api")
    me = f"{project}/members/{world.guest.actor.user_id}"
    refused = call("DELETE", me, reader)
    assert (refused.status, refused.json["error"], refused.json["scope"]) == (403, "insufficient_scope", "api")
    assert call("DELETE", me, world.guest).status == 204


@pytest.mark.parametrize("wish", [{"access_level": 30}, {"access_level": 30, "user_id": 1, "username": "guest"}])
def test_a_new_member_is_named_once(call: Call, world: World, project: str, wish: dict[str, object]) -> None:
    refused = call("POST", f"{project}/members", world.owner, wish)
    assert refused.status == 400
    assert "exactly one" in refused.json["error"]


# What is told to whom


def test_addresses_are_found_by_administrators_only(call: Call, world: World) -> None:
    user = f"/users/{world.guest.actor.user_id}"
    assert call("PUT", user, world.administrator, {"email": "guest@example.org"}).status == 200
    assert [one["username"] for one in call("GET", "/users?search=guest@example.org", world.administrator).json] == [
        "guest"
    ]
    assert call("GET", "/users?search=guest@example.org", world.owner).json == []
    assert "email" not in call("GET", user, world.owner).json
    assert call("GET", "/user", world.guest).json["email"] == "guest@example.org"


def test_a_token_without_read_api_knows_only_itself(call: Call, world: World) -> None:
    logger = token_with(call, world.developer, "log_candidates")
    assert call("GET", "/user", logger).json["username"] == "developer"
    assert call("GET", "/personal_access_tokens/self", logger).json["scopes"] == ["log_candidates"]
    for path in ("/users", f"/users/{world.guest.actor.user_id}", "/personal_access_tokens"):
        refused = call("GET", path, logger)
        assert (refused.status, refused.json["scope"]) == (403, "api read_api"), path


def test_what_lies_in_a_group_is_told_to_those_who_see_it(call: Call, world: World) -> None:
    opened = call("POST", "/groups", world.owner, {"name": "Open", "path": "open", "visibility": "public"}).json["id"]
    hidden = {"name": "Secret", "path": "secret", "parent_id": opened}
    assert call("POST", "/groups", world.owner, hidden).status == 201
    question = f"/namespaces/secret/exists?parent_id={opened}"
    assert call("GET", question, world.owner).json == {"exists": True, "suggests": ["secret1"]}
    assert call("GET", question, world.stranger).json == {"exists": False, "suggests": []}
    assert call("GET", question).status == 401
    assert call("GET", f"/groups/{opened}/subgroups", world.stranger).json == []
    assert call("GET", f"/groups/{opened}/projects").json == []


def test_somebody_further_down_sees_the_name_of_a_group(call: Call, world: World) -> None:
    assert call("GET", "/groups/acme", world.guest).json["full_name"] == "Acme"
    assert call("GET", "/groups/acme/members", world.guest).status == 403
    assert [one["name"] for one in call("GET", "/groups/acme/projects", world.guest).json] == ["churn"]


def test_a_slow_password_is_for_administrators(call: Call, world: World) -> None:
    refused = call("POST", "/users", world.owner, {"username": "x", "name": "x", "password": "short"})
    assert refused.status == 403


def test_a_number_beyond_every_database_is_nobody(call: Call, world: World) -> None:
    number = 10**30
    for path in (f"/projects/{number}", f"/groups/{number}", f"/projects/{number}/ml/mlflow/api/2.0/mlflow/runs/get"):
        assert call("GET", path, world.owner).status == 404, path
    assert call("GET", f"/users/{number}", world.owner).status == 400


# The server


def test_a_body_that_breaks_off_changes_nothing(call: Call, world: World, live: LiveServer) -> None:
    head = (
        "POST /api/v4/projects HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        f"PRIVATE-TOKEN: {world.owner.token}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.installation.settings.port)) as connection:
        connection.sendall(head.encode() + b'{"name": "half"')
    assert [one["name"] for one in call("GET", "/projects", world.owner).json] == ["churn"]

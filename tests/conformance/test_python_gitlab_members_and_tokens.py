"""python-gitlab again: members, and the tokens of people, projects and groups."""

from datetime import UTC, datetime, timedelta

import gitlab
import pytest
from gitlab.exceptions import (
    GitlabAuthenticationError,
    GitlabCreateError,
    GitlabDeleteError,
    GitlabError,
    GitlabGetError,
    GitlabHttpError,
    GitlabListError,
    GitlabUpdateError,
)

from tests.conformance.conftest import Connect
from tests.conftest import World


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


# Members


def test_members_come_change_and_go(owner: gitlab.Gitlab, root: gitlab.Gitlab, world: World) -> None:
    project = owner.projects.get(world.project_path)
    stranger = root.users.list(username="stranger")[0]
    made = project.members.create({"user_id": stranger.id, "access_level": 20, "expires_at": in_days(30)})
    assert (made.username, made.access_level, made.expires_at) == ("stranger", 20, in_days(30))
    made.access_level = 30
    made.save()
    again = project.members.get(stranger.id)
    assert (again.access_level, again.expires_at) == (30, in_days(30))
    again.expires_at = ""
    again.save()
    assert project.members.get(stranger.id).expires_at is None
    with pytest.raises(GitlabCreateError) as refused:
        project.members.create({"user_id": stranger.id, "access_level": 20})
    assert refused.value.response_code == 409
    again.delete()
    with pytest.raises(GitlabGetError) as gone:
        project.members.get(stranger.id)
    assert gone.value.response_code == 404


def test_members_are_added_by_name_and_inherited(owner: gitlab.Gitlab, connect: Connect, world: World) -> None:
    group = owner.groups.get("acme")
    group.members.create({"username": "Stranger", "access_level": 30})
    project = owner.projects.get(world.project_id)
    direct = {member.username for member in project.members.list()}
    assert direct == {"maintainer", "developer", "reporter", "guest"}
    everyone = {member.username: member.access_level for member in project.members_all.list()}
    assert everyone == {
        "owner": 50,
        "maintainer": 40,
        "developer": 30,
        "reporter": 20,
        "guest": 10,
        "stranger": 30,
    }
    stranger_id = next(member.id for member in project.members_all.list(query="stran"))
    assert project.members_all.get(stranger_id).access_level == 30
    stranger = connect(world.stranger)
    assert [project.path for project in stranger.projects.list()] == ["churn"]
    stranger.groups.get("acme", lazy=True).members.delete(stranger_id)
    assert stranger.projects.list() == []


def test_nobody_gives_a_role_above_their_own(connect: Connect, root: gitlab.Gitlab, world: World) -> None:
    maintainer = connect(world.maintainer)
    members = maintainer.projects.get(world.project_id).members
    stranger = root.users.list(username="stranger")[0]
    with pytest.raises(GitlabCreateError) as refused:
        members.create({"user_id": stranger.id, "access_level": 50})
    assert refused.value.response_code == 403
    with pytest.raises(GitlabCreateError) as refused:
        members.create({"user_id": stranger.id, "access_level": 35})
    assert refused.value.response_code == 400
    with pytest.raises(GitlabCreateError) as refused:
        members.create({"user_id": 999_999, "access_level": 30})
    assert (refused.value.response_code, refused.value.error_message) == (404, "404 User Not Found")


def test_a_group_keeps_its_last_owner(owner: gitlab.Gitlab) -> None:
    group = owner.groups.get("acme")
    me = group.members.list()[0]
    with pytest.raises(GitlabDeleteError) as refused:
        me.delete()
    assert refused.value.response_code == 409
    me.access_level = 30
    with pytest.raises(GitlabUpdateError) as refused_update:
        me.save()
    assert refused_update.value.response_code == 409


# Tokens


def test_personal_tokens_are_listed_rotated_and_revoked(connect: Connect, world: World) -> None:
    developer = connect(world.developer)
    made = developer.http_post(
        "/user/personal_access_tokens", post_data={"name": "notebook", "scopes": ["read_api"], "description": "mine"}
    )
    assert isinstance(made, dict)
    kept = developer.personal_access_tokens.get(made["id"])
    assert not hasattr(kept, "token")
    assert (kept.name, kept.scopes, kept.active, kept.revoked, kept.description) == (
        "notebook",
        ["read_api"],
        True,
        False,
        "mine",
    )
    assert kept.expires_at == in_days(90)
    rotated = developer.personal_access_tokens.rotate(kept.id, expires_at=in_days(5))
    assert rotated["id"] != kept.id
    assert (rotated["name"], rotated["expires_at"]) == ("notebook", in_days(5))
    with pytest.raises(GitlabAuthenticationError):
        connect(made["token"]).auth()
    fresh = connect(rotated["token"])
    fresh.auth()
    active = developer.personal_access_tokens.list(state="active")
    assert sorted(token.name for token in active) == ["notebook", "test"]
    assert [token.id for token in developer.personal_access_tokens.list(revoked=True)] == [kept.id]
    developer.personal_access_tokens.delete(rotated["id"])
    with pytest.raises(GitlabAuthenticationError):
        fresh.auth()
    with pytest.raises(gitlab.GitlabRotateError) as refused:
        developer.personal_access_tokens.rotate(rotated["id"])
    assert refused.value.response_code == 400


def test_a_token_knows_and_ends_itself(connect: Connect, world: World) -> None:
    developer = connect(world.developer)
    myself = developer.personal_access_tokens.get("self")
    assert (myself.name, myself.active) == ("test", True)
    rotated = developer.personal_access_tokens.rotate("self")
    fresh = connect(rotated["token"])
    assert fresh.personal_access_tokens.get("self").id == rotated["id"]
    fresh.personal_access_tokens.delete("self")
    with pytest.raises(GitlabAuthenticationError) as refused:
        fresh.auth()
    assert b"revoked" in (refused.value.response_body or b"")


@pytest.mark.parametrize("kind", ["personal", "projects", "groups"])
def test_rotating_with_a_token_that_was_rotated_away_ends_its_successors(
    owner: gitlab.Gitlab, connect: Connect, world: World, kind: str
) -> None:
    place = owner.projects.get(world.project_id) if kind == "projects" else owner.groups.get("acme")
    if kind == "personal":
        made = owner.http_post("/user/personal_access_tokens", post_data={"name": "kept", "scopes": ["api"]})
        assert isinstance(made, dict)
        first, other = made["token"], world.owner.token
    else:
        tokens = place.access_tokens
        first, other = (tokens.create({"name": name, "scopes": ["api"]}).token for name in ("first", "other"))
    before = {member.id for member in place.members.list()}
    second = connect(first).personal_access_tokens.rotate("self")["token"]
    third = connect(second).personal_access_tokens.rotate("self")["token"]
    for lost in (first, second):
        with pytest.raises(GitlabAuthenticationError):
            connect(lost).auth()
    connect(third).auth()
    with pytest.raises(GitlabAuthenticationError):
        connect(first).personal_access_tokens.rotate("self")
    with pytest.raises(GitlabAuthenticationError):
        connect(third).auth()
    connect(other).auth()
    left = before - {member.id for member in place.members.list()}
    assert len(left) == (0 if kind == "personal" else 1), "its bot"


def test_tokens_of_others_are_for_administrators(connect: Connect, root: gitlab.Gitlab, world: World) -> None:
    developer = connect(world.developer)
    theirs = connect(world.reporter).personal_access_tokens.get("self")
    with pytest.raises(GitlabGetError) as refused:
        developer.personal_access_tokens.get(theirs.id)
    assert refused.value.response_code == 404
    with pytest.raises(GitlabListError) as forbidden:
        developer.personal_access_tokens.list(user_id=theirs.user_id)
    assert forbidden.value.response_code == 403
    assert root.personal_access_tokens.get(theirs.id).name == "test"
    assert [token.id for token in root.personal_access_tokens.list(user_id=theirs.user_id)] == [theirs.id]
    root.personal_access_tokens.delete(theirs.id)
    with pytest.raises(GitlabAuthenticationError):
        connect(world.reporter).auth()


@pytest.mark.parametrize("kind", ["projects", "groups"])
def test_a_place_has_tokens_of_its_own(owner: gitlab.Gitlab, connect: Connect, world: World, kind: str) -> None:
    place = owner.projects.get(world.project_id) if kind == "projects" else owner.groups.get("acme")
    made = place.access_tokens.create({"name": "ci", "scopes": ["api"], "access_level": 30, "expires_at": in_days(20)})
    assert (made.access_level, made.active, made.expires_at) == (30, True, in_days(20))
    bot = connect(made.token)
    bot.auth()
    assert bot.user is not None
    assert (bot.user.bot, bot.user.id) == (True, made.user_id)
    assert bot.projects.get(world.project_id).path == "churn"
    with pytest.raises(GitlabCreateError):
        bot.groups.create({"name": "x", "path": "x"})
    assert made.user_id in {member.id for member in place.members.list()}
    rotated = place.access_tokens.rotate(made.id, expires_at=in_days(40))
    assert (rotated["access_level"], rotated["user_id"]) == (30, made.user_id)
    with pytest.raises(GitlabAuthenticationError):
        bot.auth()
    assert place.members.get(made.user_id).expires_at == in_days(40)
    assert {token.id: token.active for token in place.access_tokens.list()} == {made.id: False, rotated["id"]: True}
    place.access_tokens.delete(rotated["id"])
    assert made.user_id not in {member.id for member in place.members.list()}
    assert place.access_tokens.get(rotated["id"]).revoked is True


def test_a_maintainer_cannot_rotate_an_owners_token(owner: gitlab.Gitlab, connect: Connect, world: World) -> None:
    tokens = owner.projects.get(world.project_id).access_tokens
    strong = tokens.create({"name": "strong", "scopes": ["api"], "access_level": 50})
    mine = connect(world.maintainer).projects.get(world.project_id).access_tokens
    with pytest.raises(gitlab.GitlabRotateError) as refused:
        mine.rotate(strong.id)
    assert refused.value.response_code == 403
    with pytest.raises(GitlabCreateError) as refused_create:
        mine.create({"name": "strong", "scopes": ["api"], "access_level": 50})
    assert refused_create.value.response_code == 403
    with pytest.raises(GitlabCreateError) as refused_bot:
        connect(strong.token).projects.get(world.project_id).access_tokens.create({"name": "more", "scopes": ["api"]})
    assert refused_bot.value.response_code == 403


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"name": "x", "scopes": ["everything"]}, "scopes does not have a valid value"),
        ({"name": "x", "scopes": []}, "scopes is invalid"),
        ({"name": " ", "scopes": ["api"]}, "400 Bad request - A token needs a name"),
        ({"name": "x", "scopes": ["api"], "expires_at": "2020-01-01"}, "400 Bad request - A token cannot expire in"),
        ({"name": "x", "scopes": ["api"], "expires_at": "9999-01-01"}, "400 Bad request - A token lives at most"),
        ({"name": "x", "scopes": ["api"], "expires_at": "soon"}, "expires_at is invalid"),
    ],
)
def test_a_token_that_cannot_be_is_refused(owner: gitlab.Gitlab, wish: dict[str, object], message: str) -> None:
    with pytest.raises(GitlabHttpError) as refused:
        owner.http_post("/user/personal_access_tokens", post_data=wish)
    assert refused.value.response_code == 400
    assert str(refused.value.error_message).startswith(message)


def test_a_token_that_reads_does_not_write(owner: gitlab.Gitlab, connect: Connect, world: World) -> None:
    made = owner.http_post("/user/personal_access_tokens", post_data={"name": "eye", "scopes": ["read_api"]})
    assert isinstance(made, dict)
    reader = connect(made["token"])
    project = reader.projects.get(world.project_id)
    assert {member.username for member in project.members.list()} >= {"guest"}
    project.name = "other"
    for deed in (
        project.save,
        lambda: reader.groups.create({"name": "x", "path": "x"}),
        lambda: reader.projects.create({"name": "x"}),
        lambda: reader.http_post("/user/personal_access_tokens", post_data={"name": "y", "scopes": ["api"]}),
    ):
        with pytest.raises(GitlabError) as refused:
            deed()
        assert (refused.value.response_code, refused.value.error_message) == (403, "insufficient_scope")
        assert b'"scope":"api"' in (refused.value.response_body or b"")

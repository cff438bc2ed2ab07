"""Deleting people with the real python-gitlab."""

import gitlab
import pytest
from gitlab.const import AccessLevel
from gitlab.exceptions import GitlabAuthenticationError, GitlabDeleteError, GitlabGetError, GitlabHttpError

from tests.conformance.conftest import Connect
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser


def test_a_deleted_user_is_nobody_and_their_place_is_gone(
    root: gitlab.Gitlab, connect: Connect, world: World, live: LiveServer
) -> None:
    theirs = connect(world.developer).projects.create({"name": "own"})
    bot = theirs.access_tokens.create({"name": "ci", "scopes": ["api"], "access_level": 30}).token
    browser = Browser(live.url, live.installation, world.developer)
    assert browser.get("/").status == 200
    user = root.users.list(username="developer")[0]
    user.delete()

    with pytest.raises(GitlabGetError) as missing:
        root.users.get(user.id)
    assert missing.value.response_code == 404
    assert root.users.list(search="dev") == root.users.list(search="deleted") == []
    for token in (world.developer, bot):
        with pytest.raises(GitlabAuthenticationError):
            connect(token).auth()
    assert browser.get("/").status != 200
    browser.close()
    with pytest.raises(GitlabGetError):
        root.projects.get("developer/own")
    members = root.projects.get(world.project_id).members_all.list(get_all=True)
    assert "developer" not in {member.username for member in members}
    with pytest.raises(GitlabHttpError) as again:
        root.http_post(f"/users/{user.id}/unblock")
    assert again.value.response_code == 404
    another = root.users.create({"username": "developer", "name": "Another", "password": "a very long engine 1843"})
    assert another.id != user.id


def test_a_group_keeps_an_owner(root: gitlab.Gitlab, owner: gitlab.Gitlab, world: World, live: LiveServer) -> None:
    lab = owner.groups.create({"name": "lab", "path": "lab", "parent_id": owner.groups.get("acme").id})
    number = world.owner.actor.user_id
    assert number is not None
    with pytest.raises(GitlabDeleteError) as refused:
        root.users.delete(number)
    assert (refused.value.response_code, refused.value.error_message) == (
        409,
        "Nobody else owns acme, acme/lab. Make somebody else owner there, or delete it, and then the user.",
    )
    owner.auth()
    root.groups.get("acme").members.create(
        {"user_id": world.reporter.actor.user_id, "access_level": AccessLevel.OWNER.value}
    )
    root.users.delete(number)
    assert root.groups.get(lab.id).members_all.list(get_all=True)[0].username == "reporter"
    assert root.projects.get(world.project_id).creator_id == number
    browser = Browser(live.url, live.installation, world.reporter)
    assert "Deleted user" in browser.get(f"/{world.project_path}").text
    browser.close()


@pytest.mark.parametrize(("who", "status"), [("owner", 403), ("administrator", 403)])
def test_only_another_administrator_deletes(connect: Connect, world: World, who: str, status: int) -> None:
    number = world.administrator.actor.user_id
    assert number is not None
    with pytest.raises(GitlabDeleteError) as refused:
        connect(getattr(world, who)).users.delete(number)
    assert refused.value.response_code == status


def test_what_a_user_made_elsewhere_is_not_deleted(root: gitlab.Gitlab, world: World) -> None:
    number = world.guest.actor.user_id
    assert number is not None
    with pytest.raises(GitlabDeleteError, match="without hard_delete"):
        root.users.delete(number, hard_delete=True)
    root.users.delete(number, hard_delete=False)

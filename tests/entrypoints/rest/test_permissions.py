"""Everybody knocks at every route of REST: the table of rules alone says who is let in.

Whoever is refused has changed nothing. A route without a row in `BODIES` is called without a body; a new route is in
the matrix by being declared.
"""

import pytest

from modelyard.entrypoints.rest.app import MOUNTS
from modelyard.entrypoints.rest.router import Declared
from modelyard.entrypoints.rest.users import ADMINISTRATORS
from tests.conftest import LiveServer
from tests.entrypoints.rest.cast import Knocker, Stage, Target, verdict
from tests.entrypoints.rest.conftest import Call
from tests.snapshots import snapshot

DECLARED = [declared for routes in MOUNTS for declared in routes.all]
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("PUT", "/projects/{project_id}"): {"description": "new"},
    ("PUT", "/groups/{group_id}"): {"description": "new"},
    ("PUT", "/projects/{project_id}/storage"): {"limit_bytes": 1000},
    ("POST", "/{places}/{place_id}/members"): {"access_level": 10},
    ("PUT", "/{places}/{place_id}/members/{user_id}"): {"access_level": 10},
    ("POST", "/{places}/{place_id}/access_tokens"): {"name": "n", "scopes": ["api"], "access_level": 10},
    ("POST", "/users"): {"name": "n", "force_random_password": True},
    ("PUT", "/users/{user_id}"): {"name": "n"},
    ("POST", "/users/{user_id}/personal_access_tokens"): {"name": "n", "scopes": ["api"]},
}


def is_of_project(declared: Declared) -> bool:
    return declared.path.startswith("/projects/")


def address(declared: Declared, target: Target) -> str:
    """The route's path with what the target has."""
    of_project = is_of_project(declared)
    place_id = target.project_id if of_project else target.group_id
    values = {
        "project_id": place_id,
        "group_id": place_id,
        "place_id": place_id,
        "user_id": target.member_id,
        "token_id": target.project_token_id if of_project else target.group_token_id,
        "package_id": target.package_id,
        "file_id": target.file_id,
        "package_name": "tool",
        "package_version": "1.0",
        "file_path": "x",
    }
    return declared.path.replace(":path}", "}").format(**values)


def body(declared: Declared, target: Target) -> dict[str, object] | None:
    path = declared.path
    if path.startswith(("/projects/{place_id}", "/groups/{place_id}")):
        path = "/{places}/" + path.split("/", 2)[2]
    sent = BODIES.get((declared.method, path))
    if sent is not None and declared.method == "POST" and declared.path.endswith("/members"):
        return {**sent, "user_id": target.newcomer_id}
    if sent is not None and (declared.method, path) == ("POST", "/users"):
        return {**sent, "username": f"somebody{target.newcomer_id}"}
    return sent


@pytest.fixture(params=["private", "internal", "public"])
def stage(request: pytest.FixtureRequest, live: LiveServer) -> Stage:
    """Everybody with their role, in groups of each visibility in turn."""
    return Stage(live.installation, request.param)


def knock(call: Call, who: Knocker, declared: Declared, target: Target) -> int:
    return call(declared.method, address(declared, target), None, body(declared, target), who.headers).status


def test_the_rules_alone_say_who_is_let_in(stage: Stage, call: Call) -> None:
    wrong: list[str] = []
    for declared in DECLARED:
        if declared.policy.ability is None:
            continue
        wanted = {who.name: expected(who, declared, stage) for who in stage.everybody}
        let_in = [who for who in stage.everybody if wanted[who.name] == declared.status]
        refused = [who for who in stage.everybody if who not in let_in]
        assert len(let_in) > 1
        assert len(refused) > 1
        common, *others = stage.targets(1 if declared.method == "GET" else 1 + len(let_in))
        before = snapshot(stage.installation.database)
        got = {who.name: knock(call, who, declared, common) for who in refused}
        if snapshot(stage.installation.database) != before:
            wrong.append(f"{declared.method} {declared.path}: somebody refused has changed something")
        for who in let_in:
            got[who.name] = knock(call, who, declared, others.pop() if others else common)
        wrong += [
            f"{name}: {declared.method} {declared.path}: {got[name]}, not {status}"
            for name, status in wanted.items()
            if got[name] != status
        ]
    assert not wrong, "\n".join(wrong)


def expected(who: Knocker, declared: Declared, stage: Stage) -> int:
    ability = declared.policy.ability
    assert ability is not None
    return verdict(
        who,
        ability,
        stage.visibility,
        of_project=is_of_project(declared),
        is_safe=declared.method == "GET",
        success=declared.status,
    )


@pytest.mark.parametrize("stage", ["private"], indirect=True)
def test_only_administrators_do_what_is_for_administrators(stage: Stage, call: Call) -> None:
    routes = [declared for declared in DECLARED if declared.policy is ADMINISTRATORS]
    assert routes
    for declared in routes:
        target = stage.targets(1)[0]
        before = snapshot(stage.installation.database)
        for who in stage.everybody:
            if who.is_administrator:
                continue
            got = call(declared.method, address(declared, target), None, body(declared, target), who.headers)
            wanted = 401 if who.is_dead or who.token is None else 403
            assert got.status == wanted, f"{who.name}: {declared.method} {declared.path}"
        assert snapshot(stage.installation.database) == before
        for who in stage.everybody:
            if who.is_administrator:
                got = call(declared.method, address(declared, target), None, body(declared, target), who.headers)
                assert got.status == declared.status, got.content


@pytest.mark.parametrize("stage", ["private"], indirect=True)
def test_dead_credentials_open_nothing_that_is_public_either(stage: Stage, call: Call) -> None:
    target = stage.targets(1)[0]
    for declared in DECLARED:
        for who in stage.everybody:
            if who.is_dead:
                path = declared.path.replace("{namespace_id}", "1").replace("{path}", "stage")
                where = address(Declared(**{**vars(declared), "path": path}), target)
                got = call(declared.method, where, None, body(declared, target), who.headers)
                assert got.status == 401, f"{who.name}: {declared.method} {declared.path}"


@pytest.mark.parametrize("stage", ["private"], indirect=True)
def test_what_belongs_to_a_sibling_is_not_found(stage: Stage, call: Call) -> None:
    """Every route with two ids: the second one is the sibling's (attack A3)."""
    owner = next(who for who in stage.everybody if who.name == "owner")
    here, sibling = stage.targets(2)
    before = snapshot(stage.installation.database)
    # Generic files are named, and the sibling has one of the same name.
    named = [
        declared
        for declared in DECLARED
        if declared.policy.ability is not None and "{package_name}" not in declared.path
    ]
    twins = [declared for declared in named if declared.path.count("{") > 1]
    assert len(twins) >= 14
    for declared in twins:
        mixed = Target(
            here.group_id,
            here.project_id,
            sibling.member_id,
            sibling.newcomer_id,
            sibling.group_token_id,
            sibling.project_token_id,
            sibling.package_id,
            sibling.file_id,
        )
        got = call(declared.method, address(declared, mixed), None, body(declared, mixed), owner.headers)
        assert got.status == 404, f"{declared.method} {declared.path}: {got.content!r}"
    assert snapshot(stage.installation.database) == before


def test_every_route_of_two_places_was_declared_for_both() -> None:
    projects = {declared.path for declared in DECLARED if declared.path.startswith("/projects/{place_id}")}
    groups = {declared.path for declared in DECLARED if declared.path.startswith("/groups/{place_id}")}
    assert {path.removeprefix("/projects") for path in projects} == {path.removeprefix("/groups") for path in groups}

"""How requests are read, and how they are refused: bodies, addresses, credentials, errors."""

import json
import logging
from urllib.parse import quote

import pytest

from modelyard.platform.telemetry import REQUEST_LOGGER
from tests.conftest import World
from tests.entrypoints.rest.conftest import Call

ARABIC_ONE = "\N{ARABIC-INDIC DIGIT ONE}"
CHANGING = {"date", "x-request-id"}
UNRELATED = {"x-content-type-options", "x-request-id"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def multipart(**fields: str) -> tuple[bytes, dict[str, str]]:
    boundary = "xyzzy"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    picture = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="avatar"; filename="a.png"\r\n'
        "Content-Type: image/png\r\n\r\nPNG\r\n"
    )
    content = "".join([*parts, picture, f"--{boundary}--\r\n"]).encode()
    return content, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def test_parameters_come_in_any_of_the_ways_of_gitlabs_clients(call: Call, world: World) -> None:
    content, kind = multipart(name="multi", visibility="internal")
    made = [
        call("POST", "/projects", world.owner, {"name": "json"}),
        call("POST", "/projects", world.owner, b"name=form&description=a+b", FORM),
        call("POST", "/projects", world.owner, content, kind),
        call("POST", "/projects?name=query", world.owner),
        call("POST", "/projects?name=lost", world.owner, {"name": "both"}),
    ]
    assert [answer.status for answer in made] == [201] * 5, [answer.content for answer in made]
    assert [answer.json["name"] for answer in made] == ["json", "form", "multi", "query", "both"]
    assert (made[1].json["description"], made[2].json["visibility"]) == ("a b", "internal")
    assert made[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/projects/{}", "GET /api/v4/projects/{project_id} 200 "),
        (
            "/projects/{}/ml/mlflow/api/2.0/mlflow-artifacts/artifacts/none",
            "GET mlflow-artifacts/artifacts/{path...} 404 ",
        ),
        ("/projects/{}/packages/none", "GET /api/v4/projects/{project_id}/packages/{package_id} 400 "),
        ("/nowhere", "GET unknown 404 "),
    ],
)
def test_the_log_says_who_asked_for_what(
    call: Call, world: World, caplog: pytest.LogCaptureFixture, path: str, line: str
) -> None:
    caplog.set_level(logging.INFO, REQUEST_LOGGER)
    call("GET", path.format(world.project_id), world.developer)
    call("GET", "/version", world.developer)  # whose answer comes after the line of the one before
    first = next(record for record in caplog.records if record.name == REQUEST_LOGGER)
    assert first.getMessage().startswith(line)
    is_known = "unknown" not in line
    assert first.__dict__["facts"].actor_id == (world.developer.actor.user_id if is_known else None)


def test_lists_come_with_brackets_in_forms(call: Call, world: World) -> None:
    answer = call("POST", "/user/personal_access_tokens", world.owner, b"name=t&scopes[]=read_api&scopes[]=api", FORM)
    assert (answer.status, answer.json["scopes"]) == (201, ["api", "read_api"])


@pytest.mark.parametrize(
    ("body", "kind", "status", "text"),
    [
        (b"{nope", "application/json", 400, "not JSON"),
        (b"[1]", "application/json", 400, "JSON object"),
        (b"[" * 100_000, "application/json", 400, "not JSON"),
        (b'{"name": "\xff"}', "application/json", 400, "not JSON"),
        (b'{"name": "x"}', "text/plain", 415, "text/plain"),
        (b"--nope", "multipart/form-data; boundary=b", 400, "form"),
        (b"&".join(b"a=1" for _ in range(300)), "application/x-www-form-urlencoded", 400, "200 parameters"),
        (b'{"name": "' + b"x" * 2_000_000 + b'"}', "application/json", 413, "larger"),
        (b'{"namespace_id": 99999999999999999999999, "name": "x"}', "application/json", 400, "namespace_id is invalid"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    call: Call, world: World, body: bytes, kind: str, status: int, text: str
) -> None:
    answer = call("POST", "/projects", world.owner, body, {"Content-Type": kind})
    assert answer.status == status, answer.content
    assert text in answer.json.get("error", answer.json.get("message"))


def test_what_nobody_may_do_is_refused_before_it_is_read(call: Call) -> None:
    answer = call("POST", "/projects", None, b"{nope", {"Content-Type": "application/json"})
    assert (answer.status, answer.json) == (401, {"message": "401 Unauthorized"})
    assert answer.headers["www-authenticate"] == 'Bearer realm="Modelyard"'


def test_addresses_take_numbers_and_encoded_paths(call: Call, world: World) -> None:
    by_number = call("GET", f"/projects/{world.project_id}", world.guest)
    for path in ("acme%2Fchurn", "ACME%2fChurn", "%61cme%2Fchurn"):
        assert call("GET", f"/projects/{path}", world.guest).json == by_number.json
    for path in ("acme%252Fchurn", "acme/churn", "acme%2F%2Fchurn", "acme%2Fchurn%2F", "..%2Facme%2Fchurn"):
        assert call("GET", f"/projects/{path}", world.guest).status == 404, path
    for path in ("acme%2Fchurn%00", "%ff%fe"):
        assert call("GET", f"/projects/{path}", world.guest).status == 400, path
    assert call("GET", "/projects/99999999999999999999999999", world.guest).status == 404
    assert call("GET", f"/projects/{quote(ARABIC_ONE)}", world.guest).status == 404


def test_an_unknown_address_and_a_wrong_method_are_told_apart(call: Call, world: World) -> None:
    for path in ("/no/such", "/projects/", "/user/"):
        answer = call("GET", path, world.owner)
        assert (answer.status, answer.json) == (404, {"error": "404 Not Found"})
    answer = call("PATCH", "/user", world.owner)
    assert (answer.status, answer.json) == (405, {"error": "405 Not Allowed"})
    assert answer.headers["allow"] == "GET"


def test_what_is_hidden_looks_like_what_is_not_there(call: Call, world: World) -> None:
    for hidden, missing in (
        (f"/projects/{world.project_id}", "/projects/999999"),
        ("/projects/acme%2Fchurn", "/projects/acme%2Fnothing"),
        ("/projects/acme%2Fchurn/members", "/projects/acme%2Fnothing/members"),
        ("/groups/acme", "/groups/nothing"),
    ):
        for who in (None, world.stranger):
            left, right = call("GET", hidden, who), call("GET", missing, who)
            assert (left.status, left.content) == (404, right.content)
            unchanging = {name: value for name, value in left.headers.items() if name not in CHANGING}
            assert unchanging == {name: value for name, value in right.headers.items() if name not in CHANGING}


def test_only_headers_carry_credentials(call: Call, world: World) -> None:
    token = world.owner.token
    assert call("GET", "/user", None, None, {"PRIVATE-TOKEN": token}).status == 200
    assert call("GET", f"/user?private_token={token}&access_token={token}").status == 401
    assert call("GET", "/user", None, None, {"Cookie": f"modelyard_session={token}"}).status == 401
    refused = call("GET", "/user", None, None, {"Authorization": "Digest x"})
    assert refused.status == 401
    assert "Bearer" in refused.json["error_description"]


def test_no_answer_invites_browsers_of_other_sites(call: Call, world: World) -> None:
    for answer in (
        call("GET", "/user", world.owner, None, {"Origin": "https://evil.example"}),
        call("GET", "/user", None, None, {"Origin": "null"}),
        call("OPTIONS", "/projects", None, None, {"Origin": "https://evil.example"}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_head_is_get_without_its_body(call: Call, world: World) -> None:
    answer = call("HEAD", "/projects", world.owner)
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["x-total"] == "1"


def test_pages_say_where_they_are_and_what_follows(call: Call, world: World) -> None:
    for number in range(4):
        assert call("POST", "/projects", world.owner, {"name": f"p{number}"}).status == 201
    answer = call("GET", "/projects?per_page=2&page=2&search=&order_by=id", world.owner)
    here = f"{call('GET', '/user', world.owner).json['web_url'].removesuffix('/owner')}/api/v4/projects"
    paging = {name: value for name, value in answer.headers.items() if name.startswith("x-") and name not in UNRELATED}
    assert paging == {
        "x-page": "2",
        "x-per-page": "2",
        "x-prev-page": "1",
        "x-next-page": "3",
        "x-total": "5",
        "x-total-pages": "3",
    }
    assert answer.headers["link"] == ", ".join(
        f'<{here}?search=&order_by=id&page={page}&per_page=2>; rel="{relation}"'
        for relation, page in (("prev", 1), ("next", 3), ("first", 1), ("last", 3))
    )
    most = call("GET", "/projects?per_page=1000", world.owner)
    assert (most.headers["x-per-page"], most.headers["x-next-page"]) == ("100", "")


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("page=0", 400, "page is invalid"),
        ("per_page=x", 400, "per_page is invalid"),
        ("page=501&per_page=1000", 200, ""),
        ("page=600&per_page=100", 405, "50000"),
        ("page=99999999999999999999", 405, "50000"),
        ("order_by=stars", 400, "order_by does not have a valid value"),
        ("search=%00", 400, "search is invalid"),
        ("last_activity_after=yesterday", 400, "last_activity_after is invalid"),
        ("owned=maybe&sort=up", 400, "owned is invalid, sort does not have a valid value"),
    ],
)
def test_a_page_that_cannot_be_is_refused(call: Call, world: World, query: str, status: int, text: str) -> None:
    answer = call("GET", f"/projects?{query}", world.owner)
    assert answer.status == status, answer.content
    assert text in json.dumps(answer.json)


def test_the_description_of_the_api_is_whole(call: Call) -> None:
    document = call("GET", "/openapi.json").json
    assert document["servers"] == [{"url": "/api/v4"}]
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 50
    for path, method, operation in operations:
        assert operation["summary"], path
        assert operation["tags"], path
        assert "Scopes: " in operation["description"] or len(operation["description"].split("\n\n")[1]) > 20
        assert "4XX" in operation["responses"]
        assert "422" not in operation["responses"]
        assert operation["security"], (path, method)
    create = document["paths"]["/projects"]["post"]["requestBody"]["content"]
    assert set(create) == {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(set(ids)) == len(ids)

"""Home, groups, projects, members, access tokens and settings, as people use them."""

import httpx
import pytest

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.users import find_user
from modelyard.domains.namespaces.groups import get_group
from modelyard.domains.namespaces.place_tokens import create_place_token
from modelyard.domains.namespaces.projects import create_project
from modelyard.entrypoints.request import Credentials
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser, Page
from tests.entrypoints.web.conftest import Browse, Log


def settings_of(world: World) -> str:
    return f"/{world.project_path}/-/settings/general"


def test_home_lists_what_one_can_see(browse: Browse, world: World) -> None:
    assert browse(world.developer).get("/").texts(".card-list-text a") == ["acme / churn", "Acme"]
    assert "A place for your first model" in browse(world.stranger).get("/").text


def test_a_search_that_finds_nothing_offers_the_way_back(developer: Browser) -> None:
    page = developer.get("/?q=nothing+like+this")
    assert "No project matches" in page.text
    assert "Clear search" in page.text


def test_a_group_and_a_project_are_made_and_opened(owner: Browser) -> None:
    made = owner.post("/groups", {"name": "Risk Models", "path": "", "visibility": "private", "description": ""})
    assert made.location == "/groups/risk-models"
    page = owner.follow(made)
    assert page.texts("h1") == ["Risk Models"]
    assert page.texts(".toast-text") == ["Group Risk Models created."]
    fields: dict[str, str | list[str]] = {"name": "Credit", "path": "credit", "group": "risk-models"}
    project = owner.post("/projects", {**fields, "visibility": "private", "description": "# Hello"})
    assert project.location == "/risk-models/credit"
    page = owner.follow(project)
    assert page.texts(".breadcrumbs li") == ["Risk Models", "Credit"]
    assert page.texts(".prose h2") == ["Hello"]
    assert owner.get("/risk-models/credit").texts(".toast-text") == []


def visibilities(page: Page) -> dict[str, bool]:
    """Which visibilities a form offers, and which it only shows."""
    return {str(field["value"]): field.has_attr("disabled") for field in page.soup.select('[name="visibility"]')}


def chosen_visibility(page: Page) -> str:
    return str(page.soup.select_one('[name="visibility"][checked]')["value"])  # type: ignore[index]  # one is chosen


def test_only_what_the_group_allows_is_offered(owner: Browser, world: World) -> None:
    everything = {"private": False, "internal": False, "public": False}
    nothing_else = {"private": False, "internal": True, "public": True}
    for path, noun in (("/projects/new?group=acme", "A project in"), ("/groups/new?parent=acme", "A subgroup of")):
        page = owner.get(path + "&visibility=public&path=kept")
        assert (visibilities(page), chosen_visibility(page)) == (nothing_else, "private"), path
        assert f"{noun} a group that is private cannot be public." in page.texts(".choice-card")[2]
        assert str(page.soup.select_one("#path")["value"]) == "kept"  # type: ignore[index]  # the field is there
    assert visibilities(owner.get("/groups/new")) == everything
    own = owner.get("/projects/new")
    assert (visibilities(own), own.texts(".input-prefix")[0].partition("/")[2]) == (everything, "owner/")
    assert visibilities(owner.get(settings_of(world))) == nothing_else
    refused = owner.post(settings_of(world), {"section": "visibility", "visibility": "public"})
    assert (refused.status, chosen_visibility(refused)) == (422, "private")


def test_a_group_is_not_less_visible_than_what_is_in_it(owner: Browser) -> None:
    owner.post("/groups", {"name": "Open", "path": "open", "visibility": "public"})
    owner.post("/projects", {"name": "Shown", "group": "open", "visibility": "internal"})
    page = owner.get("/groups/open/-/settings/general")
    assert visibilities(page) == {"private": True, "internal": False, "public": False}
    assert "Something inside this group is more visible than private." in page.texts(".choice-card")[0]
    assert chosen_visibility(page) == "public"


def test_a_subgroup_is_made_below_its_group(owner: Browser) -> None:
    assert owner.get("/groups/acme").texts(".table-foot > span") == ["1 shown · 1 project"]
    made = owner.post("/groups", {"name": "Fraud", "parent": "acme", "path": "fraud", "visibility": "private"})
    assert made.location == "/groups/acme/fraud"
    foot = ".table-foot > span"
    assert owner.get("/groups/acme?q=fraud").texts(foot) == ["1 shown · 1 subgroup"]
    page = owner.get("/groups/acme")
    assert "Fraud" in page.texts(".card-list-text a")
    assert page.texts(foot) == ["2 shown · 2 subgroups and projects"]


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"name": ""}, 422, "A name has 1 to 255 printable characters."),
        ({"name": "x", "path": "-x"}, 422, "A path has letters"),
        ({"name": "Acme", "path": "acme"}, 409, "has already been taken"),
        ({"name": "x", "path": "admin"}, 422, "is reserved"),
        ({"name": "x", "visibility": "secret"}, 422, "Visibility is one of"),
    ],
)
def test_a_form_that_is_refused_keeps_what_was_written(
    owner: Browser, fields: dict[str, str], status: int, sentence: str
) -> None:
    page = owner.post("/groups", {"visibility": "private", "description": "kept", **fields})
    assert page.status == status
    assert sentence in page.texts(".error-summary")[0]
    assert page.texts("textarea") == ["kept"]


def test_the_address_of_a_group_without_its_prefix_leads_to_it(owner: Browser) -> None:
    assert owner.get("/acme").location == "/groups/acme"


def test_a_person_has_a_place_of_their_own(developer: Browser) -> None:
    made = developer.post("/projects", {"name": "Notes", "path": "", "group": "", "visibility": "private"})
    assert made.location == "/developer/notes"
    assert "Notes" in developer.get("/developer").texts(".card-list-text a")


def test_the_place_of_a_person_is_known_to_people_only(browse: Browse, live: LiveServer, world: World) -> None:
    assert browse(world.stranger).get("/developer").texts("h1") == ["developer"]
    stranger = browse()
    assert stranger.get("/developer").location == "/users/sign_in?next=%2Fdeveloper"
    assert stranger.get("/nobody-at-all").location == "/users/sign_in?next=%2Fnobody-at-all"
    json = {"Accept": "application/json"}
    known, missing = stranger.get("/developer", **json).answer, stranger.get("/nobody-at-all", **json).answer
    assert (known.status_code, known.text) == (missing.status_code, missing.text) == (404, missing.text)
    api = f"{live.url}/api/v4"
    for path in ("projects?search=developer", "groups/developer", "groups?search=developer"):
        answer = httpx.get(f"{api}/{path}", trust_env=False)
        assert "developer" not in answer.text, path


def test_places_of_people_cannot_be_counted_through(browse: Browse, world: World) -> None:
    curious = browse(world.stranger)
    pages = {curious.get(f"/{number}").text for number in range(1, 12)}
    assert len(pages) == 1
    assert "There is nothing here that you can see" in pages.pop()


def test_the_checklist_ticks_itself(browse: Browse, live: LiveServer, world: World, log: Log) -> None:
    maintainer = browse(world.maintainer)
    path = f"/{world.project_path}"
    page = maintainer.get(path)
    assert page.texts("[data-done] .checklist-title") == [
        "Create the project (done)",
        "Create an access token (done)",
        "Invite a colleague (done)",
    ]
    assert f'mlflow.set_tracking_uri("{live.tracking_uri(world.project_id)}")' in page.copies
    log("brave")
    assert not maintainer.get(path).texts(".checklist-title")


def test_a_member_is_added_changed_and_removed(browse: Browse, live: LiveServer, world: World) -> None:
    maintainer = browse(world.maintainer)
    members = f"/{world.project_path}/-/project_members"
    assert maintainer.post(members, {"username": "@stranger", "access_level": "20"}).location == members
    rows = maintainer.get(members).texts("tbody tr")
    assert any("@stranger Reporter Direct member" in row for row in rows)
    assert any("Inherited from Acme" in row for row in rows)
    assert maintainer.post(members, {"username": "stranger", "access_level": "20"}).status == 409
    assert maintainer.post(members, {"username": "nobody", "access_level": "20"}).status == 422
    with live.installation.database.read() as session:
        stranger = find_user(session, SYSTEM, "stranger")
    assert stranger is not None
    one = f"{members}/{stranger.id}"
    assert maintainer.post(one, {"access_level": "30", "expires_on": "2020-01-01"}).status == 422
    assert maintainer.post(one, {"access_level": "30", "expires_on": "2099-12-31"}).location == members
    assert any("Developer" in row and "31 Dec 2099" in row for row in maintainer.get(members).texts("tbody tr"))
    assert maintainer.post(f"{one}/remove").location == members
    assert not any("@stranger" in row for row in maintainer.get(members).texts("tbody tr"))


def test_somebody_without_an_account_gets_one_and_becomes_a_member(browse: Browse, world: World) -> None:
    maintainer, root = browse(world.maintainer), browse(world.administrator)
    members = f"/{world.project_path}/-/project_members"
    fields: dict[str, str | list[str]] = {"username": "ada", "access_level": "30"}
    refused = maintainer.post(members, fields)
    assert refused.texts(".error-summary") == [
        "Nobody here has the username ada. Ask an administrator to create their account."
    ]
    assert "/admin/users" not in refused.answer.text
    way = root.post(members, fields).soup.select_one("#form a.button")
    assert way is not None
    assert root.get(str(way["href"])).soup.select_one('#username[value="ada"]')
    made = root.post("/admin/users", {"username": "ada", "name": "Ada", "email": "ada@example.org", "then": members})
    on = made.soup.select_one("a.button-primary")
    assert on is not None
    assert root.get(str(on["href"])).soup.select_one('#username[value="ada"]')
    by_address: dict[str, str | list[str]] = {"username": "ADA@example.org", "access_level": "30"}
    assert maintainer.post(members, by_address).status == 422, "Only administrators find people by their address."
    assert root.post(members, by_address).location == members
    assert any("@ada Developer" in row for row in maintainer.get(members).texts("tbody tr"))


def test_after_making_a_user_one_is_sent_to_lists_of_members_only(browse: Browse, world: World) -> None:
    root = browse(world.administrator)
    for then in ("https://evil.example/-/project_members", "//evil.example/-/project_members", "/acme/-/settings"):
        page = root.get(f"/admin/users/new?then={then}")
        assert "evil" not in str(page.soup.select_one("#form")), then
        assert not page.soup.select('[name="then"]'), then


def test_the_checklist_says_how_colleagues_come_in(browse: Browse, live: LiveServer, world: World) -> None:
    with live.installation.database.write() as session:
        actor = world.owner.actor
        alone = create_project(session, actor, name="alone", namespace=get_group(session, actor, "acme"))
        # Its bot is a member, too, but no colleague.
        create_place_token(session, actor, live.installation.key, alone, name="laptop", scopes=["api"])
    owner, root = browse(world.owner).get("/acme/alone"), browse(world.administrator).get("/acme/alone")
    assert owner.texts("[data-done] .checklist-title") == ["Create the project (done)", "Create an access token (done)"]
    assert "ask an administrator to create it" in owner.texts(".checklist-note")[-1]
    assert owner.texts(".checklist-acts")[-1] == "Add member"
    assert root.texts(".checklist-acts")[-1] == "Create user Add member"
    for page, browser in ((owner, browse(world.owner)), (root, browse(world.administrator))):
        for link in page.soup.select(".checklist > li:last-child a"):
            assert browser.get(str(link["href"])).status == 200


def test_nobody_gives_a_role_above_their_own(browse: Browse, world: World) -> None:
    maintainer = browse(world.maintainer)
    members = f"/{world.project_path}/-/project_members"
    assert "Owner" not in maintainer.get(f"{members}/new").texts("label")
    assert maintainer.post(members, {"username": "stranger", "access_level": "50"}).status == 403


def test_members_can_leave(browse: Browse, world: World) -> None:
    guest = browse(world.guest)
    members = f"/{world.project_path}/-/project_members"
    assert guest.post(f"{members}/{world.guest.actor.user_id}/remove").location == "/"
    assert guest.get(f"/{world.project_path}").status == 404


def test_a_token_is_shown_once_and_works(browse: Browse, live: LiveServer, world: World) -> None:
    maintainer = browse(world.maintainer)
    tokens = f"/{world.project_path}/-/settings/access_tokens"
    assert "can do no more than its role, and nothing outside this project" in maintainer.get(tokens).text
    assert "can do no more than you" in maintainer.get("/-/user_settings/personal_access_tokens").text
    fields: dict[str, str | list[str]] = {"name": "cluster", "access_level": "30", "scopes": ["log_candidates"]}
    expires = str(maintainer.get(tokens).soup.select_one("#expires_on")["value"])  # type: ignore[index]  # the field is there
    made = maintainer.post(tokens, {**fields, "expires_on": expires})
    assert made.status == 201
    secret = made.texts("#new-token")[0]
    assert f"MLFLOW_TRACKING_URI={live.tracking_uri(world.project_id)}" in made.copies
    assert f"MLFLOW_TRACKING_TOKEN={secret}" in made.copies
    listed = maintainer.get(tokens)
    assert secret not in listed.answer.text
    assert any("cluster log_candidates Developer" in row for row in listed.texts("tbody tr"))
    with live.installation.database.read() as session:
        assert live.installation.authenticate(session, Credentials(token=secret)).is_bot
    revoke = str(listed.soup.select_one("tbody a.button-danger")["href"])  # type: ignore[index]  # the button is there
    assert maintainer.post(revoke).location == tokens
    assert "revoked" in maintainer.get(tokens).text


def test_the_token_of_a_group_says_where_it_logs(owner: Browser) -> None:
    tokens = "/groups/acme/-/settings/access_tokens"
    expires = str(owner.get(tokens).soup.select_one("#expires_on")["value"])  # type: ignore[index]  # the field is there
    token = {"name": "cluster", "scopes": "log_candidates", "expires_on": expires, "access_level": "30"}
    made = owner.post(tokens, {**token})
    assert "Log to projects of Acme" in made.text
    assert "your projects" not in made.text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": ""}, "A token needs a name"),
        ({"scopes": []}, "Choose at least one scope"),
        ({"expires_on": ""}, "Choose the last day"),
        ({"expires_on": "2020-01-01"}, "cannot expire in the past"),
        ({"expires_on": "2999-01-01"}, "lives at most"),
        ({"expires_on": "tomorrow"}, "is not a date"),
    ],
)
def test_a_token_that_is_refused_is_not_made(
    developer: Browser, changed: dict[str, str | list[str]], sentence: str
) -> None:
    path = "/-/user_settings/personal_access_tokens"
    expires = str(developer.get(path).soup.select_one("#expires_on")["value"])  # type: ignore[index]  # the field is there
    fields: dict[str, str | list[str]] = {"name": "laptop", "scopes": ["api"], "expires_on": expires}
    page = developer.post(path, {**fields, **changed})
    assert page.status == 422
    assert sentence in page.texts(".error-summary")[0]
    assert not page.soup.select("#new-token")


def test_settings_are_saved_section_by_section(browse: Browse, world: World) -> None:
    owner = browse(world.owner)
    path = settings_of(world)
    saved = owner.post(path, {"section": "naming", "name": "Churn 2", "description": "*soon*"})
    assert owner.follow(saved).texts(".toast-text") == ["Name and description of Churn 2 saved."]
    assert owner.get(f"/{world.project_path}").texts("h1") == ["Churn 2"]
    features = {"model_experiments_access_level": "disabled", "package_registry_access_level": "private"}
    assert owner.post(path, {"section": "features", **features}).status == 303
    assert owner.get(f"/{world.project_path}/-/ml/experiments").status == 404
    assert owner.get(f"/{world.project_path}").status == 200
    assert owner.post(path, {"section": "visibility", "visibility": "public"}).status == 422
    assert owner.post(path, {"section": "nothing"}).status == 422


def test_deleting_a_project_takes_its_path(owner: Browser, world: World) -> None:
    path = f"/{world.project_path}/-/settings/delete"
    wrong = owner.post(path, {"phrase": "churn"})
    assert (wrong.status, world.project_path in wrong.texts(".error-summary")[0]) == (422, True)
    assert owner.post(path, {"phrase": world.project_path}).location == "/"
    assert owner.get(f"/{world.project_path}").status == 404


def test_the_theme_is_remembered(developer: Browser) -> None:
    saved = developer.post("/-/user_settings/preferences", {"theme": "dark", "density": "compact", "shortcuts": "on"})
    html = developer.follow(saved).soup.select_one("html")
    assert html is not None
    assert (html["data-theme"], html["data-density"]) == ("dark", "compact")
    wrong = {"theme": "pink", "density": "compact"}
    assert developer.post("/-/user_settings/preferences", {**wrong}).status == 422


@pytest.mark.parametrize("path", ["/help", "/Explore", "/-/profile", "/acme/churn/-/issues", "/nothing/-/here"])
def test_an_address_that_no_page_has_is_said_so_in_the_chrome(developer: Browser, path: str) -> None:
    page = developer.get(path)
    assert (page.status, page.texts("h1")) == (404, ["There is nothing here"])
    assert page.texts(".fault p") == ["There is no page at this address."]
    assert page.texts(".fault a") == ["Go to your projects"]
    assert developer.client.post("/-/styleguide").status_code in {403, 405}


def test_a_place_that_one_cannot_see_may_be_asked_for(browse: Browse, world: World) -> None:
    sentences = [
        "There is no project, group or person at this address, or you cannot see it.",
        "If you expected something, ask its owner to add you.",
    ]
    for path in ("/acme/churn", "/acme/nothing", "/nothing"):
        page = browse(world.stranger).get(path)
        assert (page.status, page.texts("h1")) == (404, ["There is nothing here that you can see"])
        assert page.texts(".fault p") == sentences
    assert browse(world.administrator).get("/nothing").texts(".fault p") == sentences[:1]


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000])
def test_a_number_that_is_too_long_is_none(browse: Browse, world: World, experiment: str, number: str) -> None:
    owner = browse(world.owner)
    for path in (experiment.replace("/1", f"/{number}"), f"/{world.project_path}/-/project_members/{number}/edit"):
        assert owner.get(path).texts("h1") == ["There is nothing here"]
    assert owner.get(f"/?page={number}").status == 422
    members, tokens = (f"/{world.project_path}/-/{page}" for page in ("project_members", "settings/access_tokens"))
    expires = str(owner.get(tokens).soup.select_one("#expires_on")["value"])  # type: ignore[index]  # the field is there
    token = {"name": "cluster", "scopes": "api", "expires_on": expires, "access_level": number}
    assert owner.post(members, {"username": "stranger", "access_level": number}).status == 422
    assert owner.post(tokens, {**token}).status == 422
    assert owner.post(f"{experiment}/candidates/selection/tag", {"c": number, "key": "k"}).status == 422

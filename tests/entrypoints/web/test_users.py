"""Users, as administrators look after them on pages."""

import pytest
from sqlalchemy import select

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.tables import User
from modelyard.domains.accounts.users import block_user, create_user, find_user, update_user
from modelyard.domains.namespaces.access import Role
from modelyard.domains.namespaces.groups import create_personal_namespace
from modelyard.domains.namespaces.members import add_member
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser
from tests.entrypoints.web.conftest import Browse

USERS = "/admin/users"
OWN = "four unlikely words together"


@pytest.fixture
def root(browse: Browse, world: World) -> Browser:
    return browse(world.administrator)


def sign_in(browser: Browser, login: str, password: str) -> int:
    return browser.post("/users/sign_in", {"login": login, "password": password}).status


def page_of(live: LiveServer, username: str) -> str:
    with live.installation.database.read() as session:
        user = find_user(session, SYSTEM, username)
    assert user is not None
    return f"{USERS}/{user.id}"


def test_only_administrators_look_after_users(browse: Browse, live: LiveServer, world: World) -> None:
    owner, one = browse(world.owner), page_of(live, "guest")
    for path in (USERS, f"{USERS}/new", f"{one}/edit", f"{one}/block", f"{one}/password"):
        assert owner.get(path).status == 403, path
        assert "guest" not in owner.get(path).text.replace(path, ""), path
    for path in (USERS, one, f"{one}/block", f"{one}/unblock", f"{one}/password"):
        fields: dict[str, str | list[str]] = {"username": "sneaky", "password": OWN, "name": "x", "administrator": "on"}
        assert owner.post(path, fields).status == 403, path
    assert browse(world.guest).get("/").status == 200
    assert "Users" not in owner.get("/").texts(".nav-item")
    assert "Users of this server" not in owner.get("/").text
    root = browse(world.administrator)
    assert "Users" in root.get("/").texts(".nav-item")
    assert "Users of this server" in root.get(f"/{world.project_path}").texts(".menu-item")


def test_a_made_up_password_is_shown_once_and_opens_the_door(browse: Browse, root: Browser) -> None:
    made = root.post(USERS, {"username": "ada", "name": "Ada Lovelace", "email": "Ada@Example.org"})
    assert made.status == 201
    assert made.texts("h1") == ["User Ada Lovelace created"]
    password = made.texts("#new-password")[0]
    assert f"Username: ada\nPassword: {password}" in made.copies
    assert password not in root.get(USERS).answer.text
    ada = browse()
    assert sign_in(ada, "ada@example.org", password) == 303
    assert ada.get("/ada").texts("h1") == ["Ada Lovelace"]
    assert ada.get(USERS).status == 403


def test_a_typed_password_is_not_shown(browse: Browse, root: Browser) -> None:
    made = root.post(USERS, {"username": "ada", "password": OWN, "administrator": "on"})
    assert (made.status, made.location) == (303, USERS)
    assert OWN not in root.follow(made).answer.text
    ada = browse()
    assert sign_in(ada, "ada", OWN) == 303
    assert ada.get(USERS).status == 200


def test_a_user_that_is_refused_is_not_made(root: Browser, live: LiveServer) -> None:
    refusals = (
        ({"username": "GUEST"}, 409, "has already been taken"),
        ({"username": "acme"}, 409, "has already been taken"),
        ({"username": "admin"}, 422, "is reserved"),
        ({"username": "-x"}, 422, "A user name has letters"),
        ({"username": "ada", "email": "nowhere"}, 422, "is not an e-mail address"),
        ({"username": "ada", "password": "xyz987"}, 422, "at least 12 characters"),
    )
    for fields, status, sentence in refusals:
        page = root.post(USERS, {"name": "Kept Name", **fields})
        assert page.status == status, fields
        assert sentence in page.texts(".error-summary")[0]
        assert str(page.soup.select_one("#name")["value"]) == "Kept Name"  # type: ignore[index]  # the field is there
        assert "xyz987" not in page.answer.text
    with live.installation.database.read() as session:
        assert {find_user(session, SYSTEM, username) for username in ("ada", "acme", "admin", "-x")} == {None}


def test_a_blocked_user_is_out_until_unblocked(browse: Browse, live: LiveServer, world: World, root: Browser) -> None:
    guest, one = browse(world.guest), page_of(live, "guest")
    assert root.get(f"{one}/block").texts("h1") == ["Block guest"]
    assert root.follow(root.post(f"{one}/block")).texts(".toast-text") == ["guest is blocked."]
    assert guest.get("/").location.startswith("/users/sign_in")
    assert root.get(f"{USERS}?show=blocked").texts(".table tbody th") == ["G guest @guest"]
    assert root.post(f"{one}/unblock").location == USERS
    assert guest.get("/").status == 200
    assert "No user is blocked" in root.get(f"{USERS}?show=blocked").text


def test_a_new_password_ends_sessions_and_the_old_password(browse: Browse, live: LiveServer, root: Browser) -> None:
    root.post(USERS, {"username": "ada", "password": OWN})
    ada, one = browse(), page_of(live, "ada")
    assert sign_in(ada, "ada", OWN) == 303
    made = root.post(f"{one}/password")
    password = made.texts("#new-password")[0]
    assert ada.get("/").location.startswith("/users/sign_in")
    assert sign_in(ada, "ada", OWN) == 401
    assert sign_in(ada, "ada", password) == 303


def test_rights_are_given_and_taken_by_others_only(
    browse: Browse, live: LiveServer, world: World, root: Browser
) -> None:
    one, own = page_of(live, "guest"), page_of(live, "root")
    assert root.post(one, {"name": "Gus", "email": "gus@example.org", "administrator": "on"}).location == USERS
    gus = browse(world.guest)
    assert gus.get(USERS).status == 200
    assert root.post(own, {"name": "Root", "email": ""}).status == 303
    assert root.get(USERS).status == 200, "One's own rights are not asked for, and stay."
    assert root.post(f"{own}/block").status == 403
    assert gus.post(own, {"name": "Root", "was_administrator": "on"}).status == 303
    assert root.get(USERS).status == 403


def test_an_old_form_leaves_rights_as_they_have_become(live: LiveServer, root: Browser) -> None:
    one = page_of(live, "guest")
    for were in (True, False):
        with live.installation.database.write() as session:
            update_user(session, SYSTEM, session.get_one(User, int(one.rsplit("/", 1)[1])), is_administrator=were)
        form = root.get(f"{one}/edit").soup
        shown = {
            str(field["name"]): str(field.get("value", "on"))
            for field in form.select("main form input[name]")
            if field["type"] != "checkbox" or field.has_attr("checked")
        }
        assert ("administrator" in shown) is were
        with live.installation.database.write() as session:
            update_user(session, SYSTEM, session.get_one(User, int(one.rsplit("/", 1)[1])), is_administrator=not were)
        # A refused form still knows what it showed first.
        refused = root.post(one, {**shown, "email": "nowhere"})
        assert refused.status == 422
        kept = refused.soup.select_one('[name="was_administrator"]')
        assert kept is not None
        assert root.post(one, {**shown, "name": "Gus", "was_administrator": str(kept["value"])}).status == 303
        with live.installation.database.read() as session:
            changed = find_user(session, SYSTEM, "guest")
            assert changed is not None
            assert (changed.name, changed.is_administrator) == ("Gus", not were)


def test_alike_usernames_open_menus_of_their_own(live: LiveServer, root: Browser, world: World) -> None:
    with live.installation.database.write() as session:
        project = world.project(session)
        for username in ("ada.b", "ada-b", "ada_b"):
            user = create_user(session, SYSTEM, username=username)
            create_personal_namespace(session, SYSTEM, user)
            add_member(session, SYSTEM, project, user, Role.GUEST)
    for path in (USERS, f"/{world.project_path}/-/project_members"):
        page = root.get(path)
        opened = {
            str(button["aria-label"]): str(page.soup.select_one(f"#{button['popovertarget']}")["aria-label"])  # type: ignore[index]  # what a button opens is there
            for button in page.soup.select(".table button[popovertarget]")
        }
        assert {f"Actions on {name}" for name in ("ada.b", "ada-b", "ada_b")} <= opened.keys(), path
        assert opened == {label: label for label in opened}, path


def test_users_are_found_and_leafed_through(live: LiveServer, root: Browser) -> None:
    with live.installation.database.write() as session:
        for number in range(55):
            user = create_user(session, SYSTEM, username=f"person{number}", email=f"p{number}@example.org")
            create_personal_namespace(session, SYSTEM, user)
            if number % 2:
                block_user(session, SYSTEM, user)
    page = root.get(USERS)
    assert page.texts(".tab") == ["All 62", "Administrators 1", "Blocked 27"]
    assert (len(page.soup.select(".table tbody tr")), "50 shown · 62 users" in page.text) == (50, True)
    following = str(page.soup.select_one('a[rel="next"]')["href"])  # type: ignore[index]  # there are more
    assert len(root.get(following).soup.select(".table tbody tr")) == 12
    assert len(root.get(f"{USERS}?q=p7@example.org").soup.select(".table tbody tr")) == 1
    assert "No user matches" in root.get(f"{USERS}?q=p7@example&show=blocked").text


def test_the_bot_of_a_token_is_no_user(live: LiveServer, world: World, root: Browser, browse: Browse) -> None:
    maintainer, tokens = browse(world.maintainer), f"/{world.project_path}/-/settings/access_tokens"
    expires = str(maintainer.get(tokens).soup.select_one("#expires_on")["value"])  # type: ignore[index]  # the field is there
    fields: dict[str, str | list[str]] = {"name": "ci", "access_level": "30", "scopes": ["api"], "expires_on": expires}
    assert maintainer.post(tokens, fields).status == 201
    assert "ci" not in root.get(USERS).texts(".table tbody .two-lines > span")
    with live.installation.database.read() as session:
        bot = session.scalar(select(User.id).where(User.kind == "bot"))
    assert root.get(f"{USERS}/{bot}/edit").status == 404
    assert root.post(f"{USERS}/{bot}/block").status == 404

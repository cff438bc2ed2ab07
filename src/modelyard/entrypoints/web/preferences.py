"""What a person prefers, and their password."""

from starlette.responses import Response

from modelyard.domains.accounts.passwords import LEAST_CHARACTERS, hash_password
from modelyard.domains.accounts.sign_in import verified_user_id
from modelyard.domains.accounts.users import change_password, update_profile
from modelyard.entrypoints.request import SIGNED_IN
from modelyard.entrypoints.web.chrome import CHOICES, COOKIE_PREFIX, HOME, FormState, Link, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.navigation import with_current
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import YEAR_S
from modelyard.entrypoints.web.sign_in import count_try
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.platform.errors import Invalid, Unauthenticated

PREFERENCES = "/-/user_settings/preferences"
PASSWORD = "/-/user_settings/password"  # noqa: S105  # an address
THEMES = (
    ("system", "Like the system", "Follows your device.", "monitor"),
    ("light", "Light", "Dark text on white.", "sun"),
    ("dark", "Dark", "Light text on black.", "moon"),
)
DENSITIES = (
    ("compact", "Compact", "28 pixels", "menu"),
    ("default", "Default", "36 pixels", "menu"),
    ("comfortable", "Comfortable", "44 pixels", "menu"),
)


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    pages.get(PREFERENCES, SIGNED_IN, show_preferences)
    pages.post(PREFERENCES, SIGNED_IN, save_appearance)
    pages.post(PASSWORD, SIGNED_IN, save_password, takes_password=True)


def show_preferences(visit: Visit) -> Response:
    with visit.read():
        visit.require_person()
    return _page(visit, FormState())


def save_appearance(visit: Visit) -> Response:
    """The theme is kept with the account, the rest in this browser."""
    with visit.read():
        visit.require_person()
    chosen = {
        "theme": visit.field("theme"),
        "density": visit.field("density"),
        "shortcuts": "on" if visit.field("shortcuts") else "off",
    }
    for name, value in chosen.items():
        if value not in CHOICES[name]:
            raise Invalid(f"{name} is one of {', '.join(CHOICES[name])}.")
    with visit.write() as (session, actor):
        update_profile(session, actor, theme=chosen["theme"])
    response = visit.go(PREFERENCES, Toast("Appearance saved."))
    for name, value in chosen.items():
        response.set_cookie(COOKIE_PREFIX + name, value, max_age=YEAR_S, samesite="lax", secure=visit.is_tls)
    return response


def save_password(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        visit.require_person()
        username = actor.username
    try:
        count_try(visit, username)
        with visit.read() as (session, _):
            verified_user_id(session, username=username, password=visit.field("current_password"))
        password = hash_password(visit.field("new_password"), username=username)
    except (Invalid, Unauthenticated) as refused:
        wrong = isinstance(refused, Unauthenticated)
        problem = "The current password is wrong." if wrong else refused.message
        return _page(visit, FormState(problem=problem), 422 if wrong else status_of(refused))
    with visit.write() as (session, actor):
        change_password(session, actor, password)
    return visit.go(PREFERENCES, Toast("Password changed. Your other devices are signed out."))


def _page(visit: Visit, password: FormState, status: int = 200) -> Response:
    chosen = visit.preferences()
    appearance = {"theme": chosen.theme, "density": chosen.density, "shortcuts": chosen.shortcuts == "on"}
    return visit.page(
        "settings/preferences.html",
        Where(("Preferences",), with_current(HOME, "Preferences"), (Link("Preferences", PREFERENCES),)),
        status=status,
        appearance=FormState(appearance),
        themes=THEMES,
        densities=DENSITIES,
        password=password,
        least_password_length=LEAST_CHARACTERS,
    )

"""Signing in and out, and the one-time page of the first administrator."""

from starlette.responses import Response

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.passwords import LEAST_CHARACTERS, hash_password
from modelyard.domains.accounts.sign_in import (
    LINK_LIVES,
    SignedIn,
    check_first_administrator_link,
    end_session,
    sign_up_first_administrator,
    start_session,
    verified_user_id,
)
from modelyard.domains.accounts.throttle import check_sign_in, count_sign_in
from modelyard.domains.accounts.users import has_administrator
from modelyard.domains.namespaces.groups import create_personal_namespace
from modelyard.entrypoints.request import public
from modelyard.entrypoints.web.chrome import FormState
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import local_path
from modelyard.entrypoints.web.visit import VISITOR_COOKIE, Visit, Where
from modelyard.platform.errors import Conflict, Invalid, ModelyardError, NotFound

SIGN_UP_PATH = "/-/first_administrator"


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    at_the_door = public("Whoever signs in is not signed in yet.")
    pages.get("/users/sign_in", at_the_door, show_sign_in)
    pages.post("/users/sign_in", at_the_door, sign_in, takes_password=True)
    pages.post("/users/sign_out", public("Ends the caller's own session and nothing else."), sign_out)
    by_link = public("The link's secret, printed on the server's console, is the proof.")
    pages.get(SIGN_UP_PATH, by_link, show_sign_up)
    pages.post(SIGN_UP_PATH, by_link, sign_up, takes_password=True)


def show_sign_in(visit: Visit) -> Response:
    with visit.read():
        pass
    following = local_path(visit.query("next"))
    return visit.go(following) if visit.viewer else _sign_in_page(visit, FormState(), following)


def sign_in(visit: Visit) -> Response:
    """Check the password and give the browser a session of its own; what it had before is worth nothing."""
    login, following = visit.field("login"), local_path(visit.field("next"))
    database, key = visit.installation.database, visit.installation.key
    try:
        count_try(visit, login)
        with database.read() as session:
            user_id = verified_user_id(session, username=login, password=visit.field("password"))
    except ModelyardError as refused:
        return _sign_in_page(visit, FormState(visit.fields(), problem=refused.message), following, status_of(refused))
    with database.write(changes_access=False, uses_reserve=True) as session:
        signed_in = start_session(session, key, user_id, user_agent=visit.request.headers.get("user-agent", ""))
    return _with_session(visit, visit.go(following), signed_in, remember=bool(visit.field("remember")))


def count_try(visit: Visit, login: str) -> None:
    """Count a password that is to be checked.

    Raises:
        Busy: too many were, from this address or for this account.
    """
    database, key = visit.installation.database, visit.installation.key
    with database.read() as session:
        check_sign_in(session, key, address=visit.client, login=login)
    with database.write(changes_access=False, uses_reserve=True) as session:
        count_sign_in(session, key, address=visit.client, login=login)


def sign_out(visit: Visit) -> Response:
    with visit.write() as (session, actor):
        end_session(session, actor)
    response = visit.go("/users/sign_in")
    response.delete_cookie(visit.session_cookie, secure=visit.is_tls, httponly=True, samesite="lax")
    return response


def show_sign_up(visit: Visit) -> Response:
    return _refused_link(visit) or _sign_up_page(visit, FormState(), visit.query("token"))


def sign_up(visit: Visit) -> Response:
    """Make the administrator that the link stands for, with a place of their own, and sign them in."""
    key, secret, username = visit.installation.key, visit.query("token"), visit.field("username")
    if refused_link := _refused_link(visit):
        return refused_link
    try:
        password = hash_password(visit.field("password"), username=username)
        with visit.installation.database.write() as session:
            user = sign_up_first_administrator(
                session, key, secret,
                username=username, name=visit.field("name"), email=visit.field("email"), password=password,
            )  # fmt: skip
            create_personal_namespace(session, SYSTEM, user)
            signed_in = start_session(session, key, user.id, user_agent=visit.request.headers.get("user-agent", ""))
    except (Invalid, Conflict) as refused:
        return _sign_up_page(visit, FormState(visit.fields(), problem=refused.message), secret, status_of(refused))
    return _with_session(visit, visit.go("/"), signed_in, remember=False)


def _sign_in_page(visit: Visit, form: FormState, following: str, status: int = 200) -> Response:
    with visit.installation.database.read() as session:
        has_one = has_administrator(session)
    return visit.page(
        "sign_in/sign_in.html",
        Where(("Sign in",)),
        status=status,
        form_state=form,
        next=following,
        has_administrator=has_one,
        link_minutes=LINK_LIVES.seconds // 60,
        server_name=visit.request.headers.get("host", ""),
    )


def _sign_up_page(visit: Visit, form: FormState, secret: str, status: int = 200) -> Response:
    return visit.page(
        "sign_in/sign_up.html",
        Where(("First administrator",)),
        status=status,
        form_state=form,
        action=f"{SIGN_UP_PATH}?token={secret}",
        least_password_length=LEAST_CHARACTERS,
    )


def _refused_link(visit: Visit) -> Response | None:
    """Whoever comes with an old link is told why it opens nothing, signed in or not; None for a good one."""
    try:
        with visit.installation.database.read() as session:
            check_first_administrator_link(session, visit.installation.key, visit.query("token"))
    except (Conflict, NotFound) as refused:
        return visit.page(
            "sign_in/refused_link.html",
            Where(("Sign-up link",)),
            status=410,
            sentence=refused.message,
            may_sign_in=isinstance(refused, Conflict),
        )
    return None


def _with_session(visit: Visit, response: Response, signed_in: SignedIn, *, remember: bool) -> Response:
    response.set_cookie(
        visit.session_cookie,
        signed_in.secret,
        max_age=visit.installation.settings.session_max_s if remember else None,
        httponly=True,
        samesite="lax",
        secure=visit.is_tls,
    )
    response.delete_cookie(VISITOR_COOKIE)
    return response

"""Access tokens of a person, a project or a group: made with an end, shown once, revoked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from starlette.responses import Response

from modelyard.domains.accounts.actor import SENTENCES, Actor, Scope
from modelyard.domains.accounts.tables import AccessToken
from modelyard.domains.accounts.tokens import (
    Lifetime,
    NewToken,
    create_personal_token,
    get_personal_token,
    personal_tokens_of,
    revoke_token,
)
from modelyard.domains.namespaces.access import Ability, Role
from modelyard.domains.namespaces.place_tokens import create_place_token, place_tokens_of, revoke_place_token
from modelyard.domains.namespaces.tables import Project
from modelyard.entrypoints.request import SIGNED_IN, needs
from modelyard.entrypoints.web import snippets
from modelyard.entrypoints.web.choices import end_of_day, in_days, role_name, roles_up_to, today
from modelyard.entrypoints.web.chrome import HOME, FormState, Link, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.navigation import (
    ACCESS_TOKENS,
    GROUP_ROUTE,
    PROJECT_ROUTE,
    Opened,
    open_place,
    with_current,
)
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.visit import Visit, Where
from modelyard.entrypoints.web.whole_numbers import whole_number
from modelyard.platform.clock import now
from modelyard.platform.database import Session
from modelyard.platform.errors import Invalid, NotFound

CURRENT = "Access tokens"
PERSONAL = "/-/user_settings/personal_access_tokens"
SOON = timedelta(days=14)
SCOPE_GROUPS = (
    ("Tracking", (Scope.LOG_CANDIDATES,)),
    ("Packages", (Scope.READ_REGISTRY, Scope.WRITE_REGISTRY)),
    ("Everything", (Scope.READ_API, Scope.API)),
)
PRESETS = (
    ("Log candidates from scripts and CI", (Scope.LOG_CANDIDATES,)),
    ("Download packages", (Scope.READ_REGISTRY,)),
    ("Read everything", (Scope.READ_API,)),
)


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as the list shows it."""

    name: str
    scopes: list[str]
    role: str
    created_at: datetime
    last_used_at: datetime | None
    expires_on: date
    expires_soon: bool
    is_revoked: bool
    revoke_url: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """Whose tokens a page shows."""

    heading: str
    purpose: str
    reach: str
    where: Where
    url: str
    rows: list[tuple[AccessToken, str]]
    roles: list[tuple[int, str]]
    reaches: str
    project: Project | None = None


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    pages.get(PERSONAL, SIGNED_IN, show_tokens)
    pages.post(PERSONAL, SIGNED_IN, make_token)
    pages.get(PERSONAL + "/{token:int}/revoke", SIGNED_IN, show_revocation)
    pages.post(PERSONAL + "/{token:int}/revoke", SIGNED_IN, revoke)
    policy = needs(Ability.ADMIN_TOKENS)
    for url in (GROUP_ROUTE + ACCESS_TOKENS, PROJECT_ROUTE + ACCESS_TOKENS):
        pages.get(url, policy, show_tokens)
        pages.post(url, policy, make_token)
        pages.get(url + "/{token:int}/revoke", policy, show_revocation)
        pages.post(url + "/{token:int}/revoke", policy, revoke)


def show_tokens(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        shelf = _shelf(visit, session, actor)
    return _page(visit, shelf, _empty_form(visit))


def make_token(visit: Visit) -> Response:
    """Make a token and show it, on this very answer and never again."""
    try:
        with visit.write() as (session, actor):
            made = _make(visit, session, actor)
            secret, name = made.secret, made.token.name
    except Invalid as refused:
        with visit.read() as (session, actor):
            shelf = _shelf(visit, session, actor)
        values = visit.fields() | {"scopes": visit.form.getlist("scopes")}
        return _page(visit, shelf, FormState(values, problem=refused.message), status=status_of(refused))
    with visit.read() as (session, actor):
        shelf = _shelf(visit, session, actor)
    created = _created(visit, shelf, name, secret)
    return _page(visit, shelf, _empty_form(visit), created=created, status=201)


def show_revocation(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        shelf = _shelf(visit, session, actor)
    token = _find(shelf.rows, visit.number("token"))
    return visit.task(
        "layouts/confirm.html",
        shelf.where,
        heading=f"Revoke token {token.name}",
        action=f"{shelf.url}/{token.id}/revoke",
        form_state=FormState(),
        sentences=[
            "Whatever uses this token is refused from the next request on.",
            "What was logged with it stays. A revoked token cannot be brought back; make a new one instead.",
        ],
        phrase="",
        submit_label=f"Revoke token {token.name}",
        cancel_url=shelf.url,
    )


def revoke(visit: Visit) -> Response:
    with visit.write() as (session, actor):
        shelf = _shelf(visit, session, actor)
        token = _find(shelf.rows, visit.number("token"))
        if visit.path.startswith(PERSONAL):
            revoke_token(session, actor, get_personal_token(session, actor, token.id))
        else:
            opened = open_place(visit, session, actor, CURRENT, Ability.ADMIN_TOKENS)
            revoke_place_token(session, actor, opened.place, token.id)
    return visit.go(shelf.url, Toast(f"Token {token.name} revoked."))


def _make(visit: Visit, session: Session, actor: Actor) -> NewToken:
    settings = visit.installation.settings
    lifetime = Lifetime(settings.token_days, settings.token_max_days)
    ends = end_of_day(visit.field("expires_on"))
    if ends is None:
        raise Invalid("Choose the last day on which the token is valid.")
    scopes = [scope for scope in visit.form.getlist("scopes") if isinstance(scope, str)]
    key, name = visit.installation.key, visit.field("name")
    if visit.path.startswith(PERSONAL):
        return create_personal_token(session, actor, key, name=name, scopes=scopes, expires_at=ends, lifetime=lifetime)
    opened = open_place(visit, session, actor, CURRENT, Ability.ADMIN_TOKENS)
    level = whole_number(visit.field("access_level"), "Choose a role for the token.")
    return create_place_token(
        session,
        actor,
        key,
        opened.place,
        name=name,
        scopes=scopes,
        access_level=level,
        expires_at=ends,
        lifetime=lifetime,
    )


def _shelf(visit: Visit, session: Session, actor: Actor) -> Shelf:
    if visit.path.startswith(PERSONAL):
        visit.require_person()
        return _personal_shelf(session, actor)
    opened = open_place(visit, session, actor, CURRENT, Ability.ADMIN_TOKENS, title="Access tokens")
    tokens = place_tokens_of(session, actor, opened.place)
    return Shelf(
        heading=f"Access tokens of {opened.place.name}",
        purpose=f"For machines that work with this {opened.kind} without a person. They are members with a role here.",
        reach=(
            f"Whatever is chosen here, the token can do no more than its role, and nothing outside this {opened.kind}."
        ),
        where=opened.where,
        url=opened.url + ACCESS_TOKENS,
        rows=[(token, role_name(role) if role != Role.NONE else "") for token, role in tokens],
        roles=[(value, name) for value, name, _ in roles_up_to(opened.standing.role)],
        reaches=opened.place.name if opened.kind == "project" else f"projects of {opened.place.name}",
        project=_project_of(opened),
    )


def _project_of(opened: Opened) -> Project | None:
    return opened.place if isinstance(opened.place, Project) else None


def _personal_shelf(session: Session, actor: Actor) -> Shelf:
    return Shelf(
        heading="Your access tokens",
        purpose="For scripts and notebooks that act for you, in every project where you have a role.",
        reach="Whatever is chosen here, the token can do no more than you.",
        where=Where(("Access tokens",), with_current(HOME, "Access tokens"), (Link("Access tokens", PERSONAL),)),
        url=PERSONAL,
        rows=[(token, "") for token in personal_tokens_of(session, actor)],
        roles=[],
        reaches="your projects",
    )


def _find(rows: Sequence[tuple[AccessToken, str]], token_id: int) -> AccessToken:
    for token, _ in rows:
        if token.id == token_id:
            return token
    raise NotFound("There is no such token.")


def _empty_form(visit: Visit) -> FormState:
    days = visit.installation.settings.token_days
    return FormState({"expires_on": in_days(days).isoformat(), "scopes": [], "access_level": Role.DEVELOPER.value})


def _created(visit: Visit, shelf: Shelf, name: str, secret: str) -> dict[str, str]:
    url = visit.installation.settings.url
    uri = snippets.tracking_uri(url, shelf.project) if shelf.project else url
    return {
        "name": name,
        "secret": secret,
        "snippet": snippets.use_token(uri, secret, is_one_project=bool(shelf.project)),
        "snippet_target": shelf.reaches,
    }


def _page(
    visit: Visit, shelf: Shelf, form: FormState, *, created: dict[str, str] | None = None, status: int = 200
) -> Response:
    rows = [_row(token, role, shelf.url) for token, role in shelf.rows]
    active = [row for row in rows if not row.is_revoked and row.expires_on >= today()]
    return visit.page(
        "tokens/index.html",
        shelf.where,
        status=status,
        heading=shelf.heading,
        purpose=shelf.purpose,
        reach=shelf.reach,
        most_days=visit.installation.settings.token_max_days,
        list_url=shelf.url,
        created=created,
        may_create=True,
        form_state=form,
        tokens=active,
        ended=[row for row in rows if row not in active],
        earliest_expiry=in_days(1).isoformat(),
        latest_expiry=in_days(visit.installation.settings.token_max_days).isoformat(),
        roles=shelf.roles,
        presets=[{"label": label, "scopes": list(scopes)} for label, scopes in PRESETS],
        scope_groups=[
            {"label": label, "scopes": [(scope.value, SENTENCES[scope]) for scope in scopes]}
            for label, scopes in SCOPE_GROUPS
        ],
        nothing_text="No token is active. Scripts need one to log candidates.",
    )


def _row(token: AccessToken, role: str, url: str) -> TokenRow:
    return TokenRow(
        name=token.name,
        scopes=token.scopes.split(),
        role=role or "none",
        created_at=token.created_at,
        last_used_at=token.last_used_at,
        expires_on=token.expires_at.date(),
        expires_soon=token.expires_at < now() + SOON,
        is_revoked=token.revoked_at is not None,
        revoke_url=f"{url}/{token.id}/revoke",
    )

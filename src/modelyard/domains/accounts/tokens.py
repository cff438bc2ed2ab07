"""Access tokens: shown once, kept as digests, always with an end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, not_, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import READING, WRITING, Actor, Scope, require_scope
from modelyard.domains.accounts.events import TokenCreated, TokenRevoked
from modelyard.domains.accounts.tables import AccessToken, User
from modelyard.platform.clock import now
from modelyard.platform.crypto import ServerKey
from modelyard.platform.errors import Forbidden, Invalid, NotFound, Unauthenticated
from modelyard.platform.events import publish
from modelyard.platform.ids import hex_id, looks_like_secret, new_secret

LAST_USE_GRAIN = timedelta(minutes=10)
PURPOSE = "access token"
MOST_OF_ONE_USER = 10_000


@dataclass(frozen=True)
class NewToken:
    """A token and its secret, which nobody can see again."""

    token: AccessToken
    secret: str


@dataclass(frozen=True)
class Lifetime:
    """How long tokens may live on this server, in days."""

    default_days: int = 90
    most_days: int = 365


def create_personal_token(
    session: Session,
    actor: Actor,
    key: ServerKey,
    *,
    name: str,
    scopes: Iterable[str],
    description: str = "",
    expires_at: datetime | None = None,
    user: User | None = None,
    lifetime: Lifetime = Lifetime(),  # frozen
) -> NewToken:
    """Make a token for the actor, or by an administrator for `user`.

    Raises:
        Forbidden: for somebody else, or wider than the token in use.
        Invalid: the name, a scope or the date.
    """
    owner_id = user.id if user is not None else actor.user_id
    if owner_id is None:
        raise Unauthenticated("Sign in first.")
    if owner_id != actor.user_id and not actor.is_administrator:
        raise Forbidden("Only an administrator can make tokens for others.")
    if actor.is_bot or (user is not None and user.kind != "human"):
        raise Forbidden("Personal tokens are for people; a project or group has access tokens of its own.")
    return issue_token(
        session,
        actor,
        key,
        user_id=owner_id,
        kind="pat",
        name=name,
        scopes=scopes,
        description=description,
        expires_at=expires_at,
        lifetime=lifetime,
    )


def issue_token(
    session: Session,
    actor: Actor,
    key: ServerKey,
    *,
    user_id: int,
    kind: str,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None,
    lifetime: Lifetime,
    description: str = "",
    family: str | None = None,
) -> NewToken:
    """Write the token of a user for whom the caller has checked that the actor may; without `family` the first of one.

    Raises:
        InsufficientScope
        Invalid: the name, a scope or the date.
    """
    require_scope(actor, WRITING, "make tokens")
    if not name.strip():
        raise Invalid("A token needs a name, so that you know later what uses it.")
    chosen = checked_scopes(scopes)
    secret = new_secret(kind)
    token = AccessToken(
        digest=key.digest(secret, purpose=PURPOSE),
        kind=kind,
        user_id=user_id,
        created_by_id=actor.user_id,
        name=name.strip()[:255],
        description=description,
        scopes=" ".join(chosen),
        family=family or hex_id(),
        created_at=now(),
        expires_at=checked_expiry(expires_at, lifetime),
    )
    session.add(token)
    session.flush()  # the event and the token's place need the new id
    publish(session, TokenCreated(actor.user_id, token.id, user_id, token.name, kind))
    return NewToken(token, secret)


def checked_scopes(scopes: Iterable[str]) -> list[Scope]:
    """The scopes in their own order, each once.

    Raises:
        Invalid: none, or one that does not exist.
    """
    asked = set(scopes)
    if unknown := sorted(asked - set(Scope)):
        raise Invalid(f"There is no scope {unknown[0]}. Scopes are {', '.join(Scope)}.")
    if not asked:
        raise Invalid(f"Choose at least one scope: {', '.join(Scope)}.")
    return [scope for scope in Scope if scope in asked]


def checked_expiry(expires_at: datetime | None, lifetime: Lifetime) -> datetime:
    """The moment at which a new token ends."""
    moment = now()
    if expires_at is None:
        return moment + timedelta(days=lifetime.default_days)
    if expires_at <= moment:
        raise Invalid("A token cannot expire in the past.")
    if expires_at > moment + timedelta(days=lifetime.most_days + 1):
        raise Invalid(f"A token lives at most {lifetime.most_days} days.")
    return expires_at


def actor_of_token(session: Session, key: ServerKey, secret: str) -> Actor:
    """Who a secret stands for.

    Raises:
        Unauthenticated: it is none of ours, expired, revoked, or its user is blocked.
    """
    found = (
        session.execute(
            select(AccessToken, User)
            .join(User, User.id == AccessToken.user_id)
            .where(AccessToken.digest == key.digest(secret, purpose=PURPOSE))
        ).one_or_none()
        if looks_like_secret(secret)
        else None
    )
    if found is None:
        raise Unauthenticated("This access token is not valid. Make a new one in Modelyard.")
    token, user = found
    if token.revoked_at is not None:
        raise Unauthenticated("This access token was revoked. Make a new one in Modelyard.")
    if token.expires_at <= now():
        raise Unauthenticated("This access token has expired. Make a new one in Modelyard.")
    if user.state != "active":
        raise Unauthenticated("This account is blocked.")
    return Actor(
        user_id=user.id,
        username=user.username,
        is_administrator=user.is_administrator,
        is_bot=user.kind == "bot",
        token_id=token.id,
        scopes=frozenset(Scope(scope) for scope in token.scopes.split()),
    )


def note_token_use(session: Session, token_id: int) -> None:
    """Remember that a token was used, to ten minutes."""
    token = session.get(AccessToken, token_id)
    if token is not None and (token.last_used_at is None or token.last_used_at < now() - LAST_USE_GRAIN):
        token.last_used_at = now()


@dataclass(frozen=True)
class TokenFilter:
    """Which tokens a list shows. `is_active` means neither revoked nor expired."""

    search: str = ""
    revoked: bool | None = None
    is_active: bool | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    used_after: datetime | None = None
    used_before: datetime | None = None
    expires_after: datetime | None = None
    expires_before: datetime | None = None


def token_conditions(wanted: TokenFilter) -> list[ColumnElement[bool]]:
    """A filter as conditions on `AccessToken`."""
    bounds = (
        (AccessToken.created_at, wanted.created_after, wanted.created_before),
        (AccessToken.last_used_at, wanted.used_after, wanted.used_before),
        (AccessToken.expires_at, wanted.expires_after, wanted.expires_before),
    )
    conditions = [column > after for column, after, _ in bounds if after is not None]
    conditions += [column < before for column, _, before in bounds if before is not None]
    if wanted.search:
        conditions.append(func.lower(AccessToken.name).contains(wanted.search.lower(), autoescape=True))
    if wanted.revoked is not None:
        conditions.append(AccessToken.revoked_at.is_not(None) if wanted.revoked else AccessToken.revoked_at.is_(None))
    if wanted.is_active is not None:
        active = and_(AccessToken.revoked_at.is_(None), AccessToken.expires_at > now())
        conditions.append(active if wanted.is_active else not_(active))
    return conditions


def search_personal_tokens(
    session: Session,
    actor: Actor,
    wanted: TokenFilter = TokenFilter(),
    *,
    user_id: int | None = None,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[AccessToken], int]:
    """The actor's personal tokens that match, newest first, and how many there are in all.

    For an administrator everybody's, or those of `user_id`.

    Raises:
        Forbidden, InsufficientScope, Unauthenticated
    """
    if user_id is None and not actor.is_administrator:
        user_id = actor.user_id
        if user_id is None:
            raise Unauthenticated("Sign in first.")
    if user_id != actor.user_id and not actor.is_administrator:
        raise Forbidden("You can see your own tokens only.")
    require_scope(actor, READING, "list tokens")
    chosen = select(AccessToken).where(AccessToken.kind == "pat", *token_conditions(wanted))
    if user_id is not None:
        chosen = chosen.where(AccessToken.user_id == user_id)
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    return list(session.scalars(chosen.order_by(AccessToken.id.desc()).limit(limit).offset(offset))), total


def personal_tokens_of(session: Session, actor: Actor, *, user_id: int | None = None) -> list[AccessToken]:
    """All personal tokens of the actor, or of `user_id` for an administrator, newest first.

    Raises:
        Forbidden, InsufficientScope, Unauthenticated
    """
    if actor.user_id is None and user_id is None:
        raise Unauthenticated("Sign in first.")
    rows, _ = search_personal_tokens(session, actor, user_id=user_id or actor.user_id, limit=MOST_OF_ONE_USER)
    return rows


def get_personal_token(session: Session, actor: Actor, token_id: int) -> AccessToken:
    """One of the actor's own tokens; any personal token for an administrator. A token may always look at itself.

    Raises:
        InsufficientScope, NotFound
    """
    if token_id != actor.token_id:
        require_scope(actor, READING, "see other tokens")
    token = session.get(AccessToken, token_id)
    may_see = token is not None and (token.user_id == actor.user_id or (actor.is_administrator and token.kind == "pat"))
    if token is None or not may_see:
        raise NotFound("There is no such token.")
    return token


def revoke_token(session: Session, actor: Actor, token: AccessToken) -> None:
    """End a token that the actor was allowed to fetch. Revoking twice is the same; a token may always end itself.

    Raises:
        InsufficientScope
    """
    if token.id != actor.token_id:
        require_scope(actor, WRITING, "revoke other tokens")
    if token.revoked_at is None:
        token.revoked_at = now()
        publish(session, TokenRevoked(actor.user_id, token.id, token.user_id))


def replace_token(
    session: Session,
    actor: Actor,
    key: ServerKey,
    token: AccessToken,
    *,
    expires_at: datetime | None = None,
    lifetime: Lifetime = Lifetime(),  # frozen
) -> NewToken:
    """End a token that the actor was allowed to fetch, and make another one like it.

    Raises:
        InsufficientScope
        Invalid: it has ended already, or the date.
    """
    # Two who do this at the same time wait here for each other, and the second finds the token ended.
    ended = session.scalars(select(AccessToken.revoked_at).where(AccessToken.id == token.id).with_for_update()).one()
    if ended is not None or token.expires_at <= now():
        raise Invalid("This token has been revoked or has expired. Make a new one instead.")
    made = issue_token(
        session,
        actor,
        key,
        user_id=token.user_id,
        kind=token.kind,
        name=token.name,
        scopes=token.scopes.split(),
        description=token.description,
        expires_at=expires_at,
        lifetime=lifetime,
        family=token.family,
    )
    revoke_token(session, actor, token)
    return made


def revoke_family(session: Session, key: ServerKey, secret: str) -> list[AccessToken]:
    """End whatever took the place of a token that was revoked; which tokens that were.

    Whoever has a token that was rotated away, and tries to rotate it again, may have stolen it, or was stolen from:
    which of the two has the one that is valid now cannot be known.
    """
    shown = session.scalar(select(AccessToken).where(AccessToken.digest == key.digest(secret, purpose=PURPOSE)))
    if shown is None or shown.revoked_at is None:
        return []
    family = select(AccessToken).where(AccessToken.user_id == shown.user_id, AccessToken.family == shown.family)
    # A rotation that is going on ends first, and what it makes is found; one that comes now finds nothing to rotate.
    session.execute(family.with_for_update())
    ended = list(session.scalars(family.where(AccessToken.revoked_at.is_(None))))
    for token in ended:
        token.revoked_at = now()
        publish(session, TokenRevoked(None, token.id, token.user_id))
    return ended

"""Access tokens of projects and groups: a bot that is a member there, and nothing elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.tables import AccessToken
from modelyard.domains.accounts.tokens import (
    Lifetime,
    NewToken,
    TokenFilter,
    get_personal_token,
    issue_token,
    replace_token,
    revoke_family,
    revoke_token,
    token_conditions,
)
from modelyard.domains.accounts.users import create_bot
from modelyard.domains.namespaces.access import Ability, Place, Role, require, role_in, visible_projects
from modelyard.domains.namespaces.members import checked_role, grant_role
from modelyard.domains.namespaces.tables import Member, Project, TokenPlace
from modelyard.platform.crypto import ServerKey
from modelyard.platform.errors import Forbidden, NotFound
from modelyard.platform.ids import hex_id

MOST_OF_ONE_PLACE = 10_000


@dataclass(frozen=True)
class PlaceToken:
    """A token of a project or group, and the role of its bot there; none once it has ended."""

    token: AccessToken
    role: Role


def create_place_token(
    session: Session,
    actor: Actor,
    key: ServerKey,
    place: Place,
    *,
    name: str,
    scopes: Iterable[str],
    description: str = "",
    access_level: int = Role.MAINTAINER,
    expires_at: datetime | None = None,
    lifetime: Lifetime = Lifetime(),  # noqa: B008  # frozen
) -> NewToken:
    """Make a token that acts in `place` only, in a role not above the actor's own.

    Raises:
        Forbidden, NotFound, Invalid
    """
    require(session, actor, Ability.ADMIN_TOKENS, place)
    if actor.is_bot:
        raise Forbidden("The token of a project or group cannot make others: a leaked one would never end.")
    checked_role(access_level)
    kind = "prj" if isinstance(place, Project) else "grp"
    word = "project" if isinstance(place, Project) else "group"
    bot = create_bot(session, actor, username=f"{word}_{place.id}_bot_{hex_id()}", name=name)
    grant_role(session, actor, place, bot, access_level, expires_at=expires_at)
    made = issue_token(
        session,
        actor,
        key,
        user_id=bot.id,
        kind=kind,
        name=name,
        scopes=scopes,
        description=description,
        expires_at=expires_at,
        lifetime=lifetime,
    )
    is_project = isinstance(place, Project)
    session.add(
        TokenPlace(
            token_id=made.token.id,
            project_id=place.id if is_project else None,
            namespace_id=None if is_project else place.id,
        )
    )
    return made


def search_place_tokens(
    session: Session,
    actor: Actor,
    place: Place,
    wanted: TokenFilter = TokenFilter(),  # noqa: B008  # frozen
    *,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[PlaceToken], int]:
    """The tokens of a place that match, newest first, and how many there are in all.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.ADMIN_TOKENS, place)
    chosen = _tokens_of(place).where(*token_conditions(wanted))
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    rows = session.execute(chosen.order_by(AccessToken.id.desc()).limit(limit).offset(offset))
    return [PlaceToken(token, Role(level or 0)) for token, level in rows], total


def place_tokens_of(session: Session, actor: Actor, place: Place) -> list[tuple[AccessToken, Role]]:
    """All tokens of a place with their roles, newest first.

    Raises:
        Forbidden, NotFound
    """
    rows, _ = search_place_tokens(session, actor, place, limit=MOST_OF_ONE_PLACE)
    return [(row.token, row.role) for row in rows]


def _tokens_of(place: Place) -> Select[AccessToken, int | None]:
    is_project = isinstance(place, Project)
    here = TokenPlace.project_id == place.id if is_project else TokenPlace.namespace_id == place.id
    member_here = Member.project_id == place.id if is_project else Member.namespace_id == place.id
    return (
        select(AccessToken, Member.access_level)
        .join(TokenPlace, TokenPlace.token_id == AccessToken.id)
        .outerjoin(Member, (Member.user_id == AccessToken.user_id) & member_here)
        .where(here, AccessToken.kind != "pat")
    )


def get_place_token(session: Session, actor: Actor, place: Place, token_id: int) -> PlaceToken:
    """One token of a place.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.ADMIN_TOKENS, place)
    found = session.execute(_tokens_of(place).where(AccessToken.id == token_id)).one_or_none()
    if found is None:
        raise NotFound("There is no such token.")
    return PlaceToken(found[0], Role(found[1] or 0))


def revoke_place_token(session: Session, actor: Actor, place: Place, token_id: int) -> None:
    """End a token of a place, and its bot's membership.

    Raises:
        Forbidden, NotFound
    """
    found = get_place_token(session, actor, place, token_id)
    revoke_token(session, actor, found.token)
    session.execute(delete(Member).where(Member.user_id == found.token.user_id))


def rotate_place_token(
    session: Session,
    actor: Actor,
    key: ServerKey,
    place: Place,
    token_id: int,
    *,
    expires_at: datetime | None = None,
    lifetime: Lifetime = Lifetime(),  # noqa: B008  # frozen
) -> NewToken:
    """End a token of a place and make another one like it, for the same bot.

    Raises:
        Forbidden: also when the token's role is above the actor's own, who would get it with the new secret.
        NotFound, Invalid
    """
    found = get_place_token(session, actor, place, token_id)
    if found.role > role_in(session, actor, place):
        raise Forbidden(f"Only somebody with the role {found.role.name.lower()} can rotate this token.")
    made = replace_token(session, actor, key, found.token, expires_at=expires_at, lifetime=lifetime)
    _keep_place(session, found.token, made.token)
    for member in session.scalars(select(Member).where(Member.user_id == found.token.user_id)):
        member.expires_at = made.token.expires_at
    return made


def rotate_personal_token(
    session: Session,
    actor: Actor,
    key: ServerKey,
    token_id: int,
    *,
    expires_at: datetime | None = None,
    lifetime: Lifetime = Lifetime(),  # noqa: B008  # frozen
) -> NewToken:
    """End one of the actor's own tokens (any personal one for an administrator) and make another one like it.

    The token of a project or group may do that to itself. The default project stays.

    Raises:
        NotFound, Invalid
    """
    old = get_personal_token(session, actor, token_id)
    made = replace_token(session, actor, key, old, expires_at=expires_at, lifetime=lifetime)
    _keep_place(session, old, made.token)
    if actor.is_bot:
        for member in session.scalars(select(Member).where(Member.user_id == old.user_id)):
            member.expires_at = made.token.expires_at
    return made


def revoke_personal_token(session: Session, actor: Actor, token_id: int) -> None:
    """End one of the actor's own tokens, or any personal one for an administrator. A bot leaves with its token.

    Raises:
        InsufficientScope, NotFound
    """
    token = get_personal_token(session, actor, token_id)
    revoke_token(session, actor, token)
    if actor.is_bot:
        session.execute(delete(Member).where(Member.user_id == token.user_id))


def note_reuse(session: Session, key: ServerKey, secret: str) -> None:
    """A token that was revoked is used to rotate: end the whole family, and with it a bot's memberships."""
    for token in revoke_family(session, key, secret):
        if token.kind != "pat":
            session.execute(delete(Member).where(Member.user_id == token.user_id))


def _keep_place(session: Session, old: AccessToken, new: AccessToken) -> None:
    """Let a new token belong where the old one did."""
    kept = session.get(TokenPlace, old.id)
    if kept is not None:
        session.add(TokenPlace(token_id=new.id, namespace_id=kept.namespace_id, project_id=kept.project_id))


def set_default_project(session: Session, actor: Actor, token_id: int, project: Project | None) -> None:
    """Choose the project that a personal token means when MLflow uses the server's root as its address.

    Raises:
        NotFound: the token is not the actor's.
    """
    get_personal_token(session, actor, token_id)
    kept = session.get(TokenPlace, token_id)
    if kept is None:
        session.add(TokenPlace(token_id=token_id, project_id=project.id if project else None))
    else:
        kept.project_id = project.id if project else None


def default_project(session: Session, actor: Actor) -> Project | None:
    """The project that the token in use belongs to or names, else the only one that the actor is a member of."""
    if actor.token_id is not None:
        kept = session.get(TokenPlace, actor.token_id)
        if kept is not None and kept.project_id is not None:
            return session.scalar(visible_projects(actor).where(Project.id == kept.project_id))
    if actor.is_anonymous:
        return None
    member_of = select(Member.project_id).where(Member.user_id == actor.user_id, Member.project_id.is_not(None))
    rows = list(session.scalars(visible_projects(actor).where(Project.id.in_(member_of)).limit(2)))
    if len(rows) != 1:
        rows = list(session.scalars(visible_projects(actor).where(Project.creator_id == actor.user_id).limit(2)))
    return rows[0] if len(rows) == 1 else None

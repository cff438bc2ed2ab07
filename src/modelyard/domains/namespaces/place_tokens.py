"""Access tokens of projects and groups: a bot that is a member there, and nothing elsewhere."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.tables import AccessToken
from modelyard.domains.accounts.tokens import Lifetime, NewToken, get_personal_token, issue_token, revoke_token
from modelyard.domains.accounts.users import create_bot
from modelyard.domains.namespaces.access import Ability, Place, Role, require, visible_projects
from modelyard.domains.namespaces.members import add_member, checked_role
from modelyard.domains.namespaces.tables import Member, Project, TokenPlace
from modelyard.platform.crypto import ServerKey
from modelyard.platform.errors import NotFound
from modelyard.platform.ids import hex_id


def create_place_token(
    session: Session,
    actor: Actor,
    key: ServerKey,
    place: Place,
    *,
    name: str,
    scopes: Iterable[str],
    access_level: int = Role.MAINTAINER,
    expires_at: datetime | None = None,
    lifetime: Lifetime = Lifetime(),  # noqa: B008  # frozen
) -> NewToken:
    """Make a token that acts in `place` only, in a role not above the actor's own.

    Raises:
        Forbidden, NotFound, Invalid
    """
    require(session, actor, Ability.ADMIN_TOKENS, place)
    checked_role(access_level)
    kind = "prj" if isinstance(place, Project) else "grp"
    word = "project" if isinstance(place, Project) else "group"
    bot = create_bot(session, actor, username=f"{word}_{place.id}_bot_{hex_id()}", name=name)
    add_member(session, actor, place, bot, access_level, expires_at=expires_at)
    made = issue_token(
        session,
        actor,
        key,
        user_id=bot.id,
        kind=kind,
        name=name,
        scopes=scopes,
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


def place_tokens_of(session: Session, actor: Actor, place: Place) -> list[tuple[AccessToken, Role]]:
    """The tokens of a place with their roles, newest first.

    Raises:
        Forbidden, NotFound
    """
    require(session, actor, Ability.ADMIN_TOKENS, place)
    is_project = isinstance(place, Project)
    here = TokenPlace.project_id == place.id if is_project else TokenPlace.namespace_id == place.id
    member_here = Member.project_id == place.id if is_project else Member.namespace_id == place.id
    rows = session.execute(
        select(AccessToken, Member.access_level)
        .join(TokenPlace, TokenPlace.token_id == AccessToken.id)
        .outerjoin(Member, (Member.user_id == AccessToken.user_id) & member_here)
        .where(here, AccessToken.kind != "pat")
        .order_by(AccessToken.id.desc())
    )
    return [(token, Role(level or 0)) for token, level in rows]


def revoke_place_token(session: Session, actor: Actor, place: Place, token_id: int) -> None:
    """End a token of a place, and its bot's membership.

    Raises:
        Forbidden, NotFound
    """
    for token, _ in place_tokens_of(session, actor, place):
        if token.id == token_id:
            revoke_token(session, actor, token)
            for member in session.scalars(select(Member).where(Member.user_id == token.user_id)):
                session.delete(member)
            return
    raise NotFound("There is no such token.")


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
        rows = list(session.scalars(select(Project).where(Project.creator_id == actor.user_id).limit(2)))
    return rows[0] if len(rows) == 1 else None

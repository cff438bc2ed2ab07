"""Access tokens of projects and groups: each acts as a bot with a role there, and nowhere else."""

from typing import Annotated

from fastapi import Body, Query
from pydantic import Field

from modelyard.domains.namespaces.access import Ability, Role
from modelyard.domains.namespaces.place_tokens import (
    PlaceToken,
    create_place_token,
    get_place_token,
    revoke_place_token,
    rotate_place_token,
    search_place_tokens,
)
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.rest.errors import naming
from modelyard.entrypoints.rest.fields import PlaceReference, start_of
from modelyard.entrypoints.rest.members import LEVELS
from modelyard.entrypoints.rest.paging import Listed, listed
from modelyard.entrypoints.rest.personal_access_tokens import (
    Rotation,
    Token,
    TokenChoice,
    TokenId,
    TokenWish,
    lifetime_in,
)
from modelyard.entrypoints.rest.router import Asking, Routes

routes = Routes("Project and group access tokens")
NOUN = "Access Token"


class PlaceTokenAnswer(Token):
    """A token of a project or group. `user_id` is its bot; without a role it has ended."""

    access_level: int = Field(description=LEVELS)


class SecretPlaceToken(PlaceTokenAnswer):
    """A new token with its secret, this once."""

    token: str


class PlaceTokenWish(TokenWish):
    """A token to be made, with the role it acts in."""

    access_level: int = Field(default=Role.MAINTAINER.value, description=LEVELS)


def _answer(found: PlaceToken) -> PlaceTokenAnswer:
    return PlaceTokenAnswer.of(found.token, access_level=found.role.value)


@routes.get("/{places}/{place_id}/access_tokens", policy=needs(Ability.ADMIN_TOKENS), answer=list[PlaceTokenAnswer])
def list_access_tokens(
    asked: Asking, place_id: PlaceReference, wanted: Annotated[TokenChoice, Query()]
) -> Listed[PlaceTokenAnswer]:
    """List access tokens, newest first."""
    with asked.read() as session:
        place = asked.place(session, place_id)
        rows, total = search_place_tokens(
            session, asked.actor, place, wanted.as_filter(), limit=wanted.limit, offset=wanted.offset
        )
        return listed([_answer(found) for found in rows], wanted, total)


@routes.get(
    "/{places}/{place_id}/access_tokens/{token_id}", policy=needs(Ability.ADMIN_TOKENS), answer=PlaceTokenAnswer
)
def get_one_access_token(asked: Asking, place_id: PlaceReference, token_id: TokenId) -> PlaceTokenAnswer:
    """Get an access token."""
    with asked.read() as session:
        place = asked.place(session, place_id)
        with naming(NOUN):
            return _answer(get_place_token(session, asked.actor, place, token_id))


@routes.post("/{places}/{place_id}/access_tokens", policy=needs(Ability.ADMIN_TOKENS), answer=SecretPlaceToken)
def add_access_token(
    asked: Asking, place_id: PlaceReference, wanted: Annotated[PlaceTokenWish, Body()]
) -> SecretPlaceToken:
    """Create an access token, in a role not above one's own. The answer is the only one that carries its secret."""
    with asked.write() as session:
        made = create_place_token(
            session,
            asked.actor,
            asked.installation.key,
            asked.place(session, place_id),
            name=wanted.name,
            scopes=wanted.scopes,
            description=wanted.description or "",
            access_level=wanted.access_level,
            expires_at=start_of(wanted.expires_at),
            lifetime=lifetime_in(asked),
        )
        return SecretPlaceToken.of(made.token, access_level=wanted.access_level, token=made.secret)


@routes.post(
    "/{places}/{place_id}/access_tokens/{token_id}/rotate",
    policy=needs(Ability.ADMIN_TOKENS),
    answer=SecretPlaceToken,
    status=200,
)
def rotate_access_token(
    asked: Asking, place_id: PlaceReference, token_id: TokenId, wanted: Annotated[Rotation, Body()]
) -> SecretPlaceToken:
    """End an access token, and get another one like it; the role of the token is at most one's own."""
    with asked.write() as session:
        place = asked.place(session, place_id)
        with naming(NOUN):
            made = rotate_place_token(
                session,
                asked.actor,
                asked.installation.key,
                place,
                token_id,
                expires_at=start_of(wanted.expires_at),
                lifetime=lifetime_in(asked),
            )
        role = get_place_token(session, asked.actor, place, made.token.id).role
        return SecretPlaceToken.of(made.token, access_level=role.value, token=made.secret)


@routes.delete("/{places}/{place_id}/access_tokens/{token_id}", policy=needs(Ability.ADMIN_TOKENS))
def revoke_access_token(asked: Asking, place_id: PlaceReference, token_id: TokenId) -> None:
    """Revoke an access token; its bot leaves."""
    with asked.write() as session:
        place = asked.place(session, place_id)
        with naming(NOUN):
            revoke_place_token(session, asked.actor, place, token_id)

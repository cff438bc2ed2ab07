"""Personal access tokens: one's own, and for administrators everybody's."""

from typing import Annotated, Literal, Self

from fastapi import Body, Path, Query
from pydantic import Field

from modelyard.domains.accounts.actor import Scope
from modelyard.domains.accounts.tables import AccessToken
from modelyard.domains.accounts.tokens import (
    Lifetime,
    NewToken,
    TokenFilter,
    create_personal_token,
    get_personal_token,
    search_personal_tokens,
)
from modelyard.domains.accounts.users import require_administrator
from modelyard.domains.namespaces.place_tokens import revoke_personal_token, rotate_personal_token
from modelyard.entrypoints.request import SIGNED_IN
from modelyard.entrypoints.rest.errors import naming
from modelyard.entrypoints.rest.fields import (
    Answer,
    Day,
    Moment,
    Number,
    OptionalDate,
    OptionalMoment,
    Parameters,
    Text,
    aware,
    day_of,
    start_of,
)
from modelyard.entrypoints.rest.paging import Listed, Paging, listed
from modelyard.entrypoints.rest.router import Asked, Asking, Routes
from modelyard.entrypoints.rest.users import ADMINISTRATORS, UserId, named_user
from modelyard.platform.clock import now
from modelyard.platform.database import Session
from modelyard.platform.errors import Unauthenticated

routes = Routes("Personal access tokens")

TokenId = Annotated[Number, Path(description="The number of the token.")]


class Token(Answer):
    """A token without its secret, which nobody can see again."""

    id: int
    name: str
    description: str | None
    revoked: bool
    active: bool
    created_at: Moment
    expires_at: Day | None
    last_used_at: Moment | None
    scopes: list[Scope]
    user_id: int

    @classmethod
    def of(cls, row: AccessToken, /, **more: object) -> Self:
        """A token's row as its answer; `more` are the fields of kinds of tokens that have more."""
        return cls.model_validate(
            {
                "id": row.id,
                "name": row.name,
                "description": row.description or None,
                "revoked": row.revoked_at is not None,
                "active": row.revoked_at is None and row.expires_at > now(),
                "created_at": row.created_at,
                "expires_at": day_of(row.expires_at),
                "last_used_at": row.last_used_at,
                "scopes": row.scopes.split(),
                "user_id": row.user_id,
                **more,
            }
        )


class SecretToken(Token):
    """A new token with its secret, this once."""

    token: str


class TokenChoice(Paging):
    """Which tokens are listed."""

    search: Text = Field(default="", description="Part of a name.")
    state: Literal["active", "inactive"] | None = None
    revoked: bool | None = None
    created_after: OptionalMoment = None
    created_before: OptionalMoment = None
    last_used_after: OptionalMoment = None
    last_used_before: OptionalMoment = None
    expires_after: OptionalDate = None
    expires_before: OptionalDate = None

    def as_filter(self) -> TokenFilter:
        """What the domain understands."""
        return TokenFilter(
            search=self.search,
            revoked=self.revoked,
            is_active=None if self.state is None else self.state == "active",
            created_after=aware(self.created_after),
            created_before=aware(self.created_before),
            used_after=aware(self.last_used_after),
            used_before=aware(self.last_used_before),
            expires_after=start_of(self.expires_after),
            expires_before=start_of(self.expires_before),
        )


class PersonalTokenChoice(TokenChoice):
    """The same, and of whom."""

    user_id: Number | None = Field(default=None, description="Of this user; others than oneself for administrators.")


class TokenWish(Parameters):
    """A token to be made. Without a date it lives as long as the server's setting `token_days` says."""

    name: Text
    scopes: list[Scope] = Field(min_length=1)
    description: Text | None = None
    expires_at: OptionalDate = Field(default=None, description="The first day on which it is no longer valid.")


class Rotation(Parameters):
    """The end of the token that takes another one's place."""

    expires_at: OptionalDate = Field(default=None, description="The first day on which it is no longer valid.")


def lifetime_in(asked: Asked) -> Lifetime:
    """How long tokens may live on this server."""
    return Lifetime(asked.installation.settings.token_days, asked.installation.settings.token_max_days)


def _secret_token(made: NewToken) -> SecretToken:
    return SecretToken.of(made.token, token=made.secret)


@routes.get("/personal_access_tokens", policy=SIGNED_IN, answer=list[Token])
def list_personal_tokens(asked: Asking, wanted: Annotated[PersonalTokenChoice, Query()]) -> Listed[Token]:
    """List personal access tokens, newest first: one's own, for administrators everybody's."""
    with asked.read() as session:
        rows, total = search_personal_tokens(
            session,
            asked.actor,
            wanted.as_filter(),
            user_id=wanted.user_id,
            limit=wanted.limit,
            offset=wanted.offset,
        )
        return listed([Token.of(token) for token in rows], wanted, total)


@routes.get("/personal_access_tokens/self", policy=SIGNED_IN, answer=Token)
def get_own_token(asked: Asking) -> Token:
    """Get the token in use, of whatever kind and scope it is."""
    with asked.read() as session:
        return Token.of(get_personal_token(session, asked.actor, _own_id(asked)))


@routes.get("/personal_access_tokens/{token_id}", policy=SIGNED_IN, answer=Token)
def get_one_personal_token(asked: Asking, token_id: TokenId) -> Token:
    """Get a personal access token: one of one's own, for administrators any."""
    with asked.read() as session:
        return Token.of(_named(session, asked, token_id))


@routes.post("/user/personal_access_tokens", policy=SIGNED_IN, answer=SecretToken)
def add_own_token(asked: Asking, wanted: Annotated[TokenWish, Body()]) -> SecretToken:
    """Create a personal access token for oneself. The answer is the only one that carries its secret."""
    with asked.write() as session:
        made = create_personal_token(
            session,
            asked.actor,
            asked.installation.key,
            name=wanted.name,
            scopes=wanted.scopes,
            description=wanted.description or "",
            expires_at=start_of(wanted.expires_at),
            lifetime=lifetime_in(asked),
        )
        return _secret_token(made)


@routes.post("/users/{user_id}/personal_access_tokens", policy=ADMINISTRATORS, answer=SecretToken)
def add_token_for_user(asked: Asking, user_id: UserId, wanted: Annotated[TokenWish, Body()]) -> SecretToken:
    """Create a personal access token for somebody, as an administrator."""
    require_administrator(asked.actor, "make tokens for others")
    with asked.write() as session:
        made = create_personal_token(
            session,
            asked.actor,
            asked.installation.key,
            name=wanted.name,
            scopes=wanted.scopes,
            description=wanted.description or "",
            expires_at=start_of(wanted.expires_at),
            user=named_user(session, asked, user_id),
            lifetime=lifetime_in(asked),
        )
        return _secret_token(made)


@routes.post("/personal_access_tokens/self/rotate", policy=SIGNED_IN, answer=SecretToken, status=200)
def rotate_own_token(asked: Asking, wanted: Annotated[Rotation, Body()]) -> SecretToken:
    """End the token in use, and get another one like it."""
    return _rotated(asked, _own_id(asked), wanted)


@routes.post("/personal_access_tokens/{token_id}/rotate", policy=SIGNED_IN, answer=SecretToken, status=200)
def rotate_one_personal_token(asked: Asking, token_id: TokenId, wanted: Annotated[Rotation, Body()]) -> SecretToken:
    """End a personal access token, and get another one like it."""
    return _rotated(asked, token_id, wanted)


@routes.delete("/personal_access_tokens/self", policy=SIGNED_IN)
def revoke_own_token(asked: Asking) -> None:
    """Revoke the token in use, of whatever kind and scope it is."""
    with asked.write() as session:
        revoke_personal_token(session, asked.actor, _own_id(asked))


@routes.delete("/personal_access_tokens/{token_id}", policy=SIGNED_IN)
def revoke_one_personal_token(asked: Asking, token_id: TokenId) -> None:
    """Revoke a personal access token: one of one's own, for administrators any."""
    with asked.write() as session, naming("Personal Access Token"):
        revoke_personal_token(session, asked.actor, token_id)


def _own_id(asked: Asked) -> int:
    if asked.actor.token_id is None:
        raise Unauthenticated("This is for requests that carry a token.")
    return asked.actor.token_id


def _named(session: Session, asked: Asked, token_id: int) -> AccessToken:
    with naming("Personal Access Token"):
        return get_personal_token(session, asked.actor, token_id)


def _rotated(asked: Asked, token_id: int, wanted: Rotation) -> SecretToken:
    with asked.write() as session, naming("Personal Access Token"):
        made = rotate_personal_token(
            session,
            asked.actor,
            asked.installation.key,
            token_id,
            expires_at=start_of(wanted.expires_at),
            lifetime=lifetime_in(asked),
        )
        return _secret_token(made)

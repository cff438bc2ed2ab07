"""What other domains may hear about accounts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UserCreated:
    actor_id: int | None
    user_id: int
    username: str


@dataclass(frozen=True)
class UserChanged:
    actor_id: int | None
    user_id: int


@dataclass(frozen=True)
class UserBlocked:
    actor_id: int | None
    user_id: int


@dataclass(frozen=True)
class UserUnblocked:
    actor_id: int | None
    user_id: int


@dataclass(frozen=True)
class UserDeleted:
    actor_id: int | None
    user_id: int
    username: str


@dataclass(frozen=True)
class TokenCreated:
    actor_id: int | None
    token_id: int
    user_id: int
    name: str
    kind: str


@dataclass(frozen=True)
class TokenRevoked:
    actor_id: int | None
    token_id: int
    user_id: int

"""Passwords: argon2id, at most two hashes at a time so that a flood of sign-ins cannot take the memory."""

import secrets
import threading
from typing import NewType

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from modelyard.platform.errors import Invalid

LEAST_CHARACTERS = 12
MOST_BYTES = 1024
# Nothing that reads like something else; four groups of five are 99 random bits.
LEGIBLE = "abcdefghjkmnpqrstuvwxyz23456789"

PasswordHash = NewType("PasswordHash", str)

# OWASP's first choice for one lane; 46 MiB for each of the two slots.
_hasher = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)
_slots = threading.BoundedSemaphore(2)
# Of no password; made with the same figures as the others, so that checking one against it takes as long.
NOBODYS_HASH = "$argon2id$v=19$m=47104,t=1,p=1$bm9ib2R5J3Mgc2FsdC4uLg$bm9ib2R5IGhhcyB0aGlzIHBhc3N3b3JkLCBldmVyLi4"

COMMON = frozenset(
    [
        "password",
        "password1",
        "password12",
        "password123",
        "password1234",
        "passwordpassword",
        "123456789012",
        "1234567890123",
        "12345678901234",
        "111111111111",
        "000000000000",
        "aaaaaaaaaaaa",
        "qwertyuiop12",
        "qwertyuiopas",
        "qwertyuiop[]",
        "qwerty123456",
        "1q2w3e4r5t6y",
        "abcdefghijkl",
        "abcd12345678",
        "abc123abc123",
        "iloveyou1234",
        "letmeinletme",
        "welcome12345",
        "administrator",
        "adminadminadmin",
        "adminadmin12",
        "changeme1234",
        "changemechangeme",
        "modelyard1234",
        "modelyardmodelyard",
        "correcthorsebatterystaple",
    ]
)


def made_up_password() -> str:
    """A password for somebody else, to be read aloud or copied: `k7mpa-3xq9d-…`."""
    return "-".join("".join(secrets.choice(LEGIBLE) for _ in range(5)) for _ in range(4))


def hash_password(password: str, *, username: str = "") -> PasswordHash:
    """A salted hash of a password worth having. Slow on purpose: call it before opening a write session.

    Raises:
        Invalid: the password is too short, too long, common, or the user's own name.
    """
    if len(password) < LEAST_CHARACTERS:
        raise Invalid(f"A password needs at least {LEAST_CHARACTERS} characters.")
    if len(password.encode()) > MOST_BYTES:
        raise Invalid(f"A password has at most {MOST_BYTES} bytes.")
    folded = password.casefold()
    if folded in COMMON or len(set(folded)) < 4 or (username and folded == username.casefold()):  # noqa: PLR2004
        raise Invalid("This password is too easy to guess. Choose another one.")
    with _slots:
        return PasswordHash(_hasher.hash(password))


def password_matches(kept: str | None, password: str) -> bool:
    """Whether `password` is the one behind `kept`; takes as long when there is no such user."""
    if len(password.encode()) > MOST_BYTES:
        return False
    with _slots:
        try:
            _hasher.verify(kept or NOBODYS_HASH, password)
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None

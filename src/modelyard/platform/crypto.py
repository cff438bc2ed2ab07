"""The server's own key, and digests made with it."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from modelyard.platform.errors import Invalid
from modelyard.platform.settings import Settings

KEY_FILE = "secret.key"
LEAST_CHARACTERS = 32


class ServerKey:
    """Makes digests that nobody can check or forge without the key, which is not in the database."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"modelyard\0" + secret).digest()

    def digest(self, text: str | bytes, *, purpose: str) -> str:
        """64 hexadecimal digits; differs by purpose, so that one kind of secret never passes for another."""
        message = text.encode() if isinstance(text, str) else text
        return hmac.new(self._secret, purpose.encode() + b"\0" + message, hashlib.sha256).hexdigest()


def key_id(key: ServerKey) -> str:
    """A name for a key that says nothing about it."""
    return key.digest("", purpose="key id")[:16]


def same(left: str, right: str) -> bool:
    """Equality that takes as long for a near miss as for a far one."""
    return hmac.compare_digest(left.encode(), right.encode())


def open_server_key(settings: Settings) -> ServerKey:
    """The key from the settings, else the one in the data directory, made at first use, readable by its owner only.

    Raises:
        Invalid: the configured key is too short, or the kept one is damaged.
    """
    if settings.secret_key:
        if len(settings.secret_key) < LEAST_CHARACTERS:
            raise Invalid(f"MODELYARD_SECRET_KEY needs at least {LEAST_CHARACTERS} characters.")
        return ServerKey(settings.secret_key.encode())
    path = Path(settings.data) / KEY_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
    kept = path.read_text(encoding="ascii").strip()
    if len(kept) < LEAST_CHARACTERS:
        raise Invalid(f"{path} is damaged: it holds no key. Put the copy back that you keep of it.")
    return ServerKey(kept.encode())

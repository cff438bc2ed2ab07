"""Messages that outlive a redirect: kept for a minute in a signed cookie, shown once as toasts."""

import base64
import binascii
from dataclasses import asdict

import msgspec

from modelyard.entrypoints.web.chrome import Toast
from modelyard.platform.crypto import ServerKey, same

COOKIE = "modelyard_flash"
LIVES_S = 60
_PURPOSE = "message after a redirect"
_decode = msgspec.json.Decoder(Toast).decode


def sealed(key: ServerKey, toast: Toast) -> str:
    """The toast as the value of a cookie that only this server can have made."""
    body = base64.urlsafe_b64encode(msgspec.json.encode(asdict(toast))).decode()
    return f"{body}.{key.digest(body, purpose=_PURPOSE)}"


def unsealed(key: ServerKey, value: str) -> tuple[Toast, ...]:
    """The toast in a cookie; none if the cookie is not ours or broken."""
    body, _, seal = value.partition(".")
    if not body or not same(seal, key.digest(body, purpose=_PURPOSE)):
        return ()
    try:
        return (_decode(base64.urlsafe_b64decode(body)),)
    except (binascii.Error, msgspec.DecodeError):
        return ()

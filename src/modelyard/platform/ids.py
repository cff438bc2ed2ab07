"""Identifiers and secrets made by the server."""

import secrets
import string
import zlib

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def hex_id() -> str:
    """32 random hexadecimal digits, the form of an MLflow run id."""
    return secrets.token_hex(16)


def _base62(number: int, width: int) -> str:
    digits: list[str] = []
    while number:
        number, rest = divmod(number, 62)
        digits.append(BASE62[rest])
    return "".join(reversed(digits)).rjust(width, BASE62[0])


def new_secret(kind: str) -> str:
    """A secret `myd_<kind>_<27 base62>_<6 base62>`: 160 random bits and a checksum that scanners can verify."""
    body = f"myd_{kind}_{_base62(secrets.randbits(160), 27)}"
    return f"{body}_{_base62(zlib.crc32(body.encode()), 6)}"


def looks_like_secret(text: str) -> bool:
    """Whether `text` carries the checksum of a secret of ours: cheap to ask before any look-up."""
    body, _, checksum = text.rpartition("_")
    return body.startswith("myd_") and checksum == _base62(zlib.crc32(body.encode()), 6)

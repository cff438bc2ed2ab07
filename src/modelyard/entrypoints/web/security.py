"""What keeps a browser on our side: the content policy, proof that a form is ours, and where one may be sent next."""

import secrets
from urllib.parse import urlsplit

from starlette.requests import Request

from modelyard.platform.crypto import ServerKey, same
from modelyard.platform.errors import Forbidden

CSRF_PURPOSE = "form of a page"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD"})
_OWN_SITES = frozenset({"same-origin", "none"})
_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types modelyard"
)
YEAR_S = 365 * 24 * 3600


def page_headers(nonce: str, *, is_tls: bool) -> dict[str, str]:
    """The headers of a page. `nonce` lets the import map in, the only inline script there is."""
    headers = _COMMON | {"Content-Security-Policy": _POLICY.format(nonce=nonce), "Cache-Control": "no-store"}
    return headers | {"Strict-Transport-Security": f"max-age={YEAR_S}"} if is_tls else headers


def data_headers() -> dict[str, str]:
    """The headers of an answer that is data about somebody, never a document."""
    return _COMMON | {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store"}


def csrf_token(key: ServerKey, cookie: str) -> str:
    """What the forms of this browser carry: made from its cookie, so that no other browser's fits.

    Each page spells it differently, so that the length of compressed pages tells nothing of it.
    Source: Gluck, Harris and Prado, BREACH: reviving the CRIME attack (2013), masking secrets.
    """
    token = bytes.fromhex(key.digest(cookie, purpose=CSRF_PURPOSE))
    mask = secrets.token_bytes(len(token))
    return (mask + _mixed(mask, token)).hex()


def _mixed(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))


def check_origin(request: Request, server_url: str) -> None:
    """Refuse an unsafe request that a page of somebody else's has sent. `server_url` is what people type.

    Raises:
        Forbidden
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        raise Forbidden("This form was sent by another site. Open the page in Modelyard and try again.")
    origin = request.headers.get("origin")
    own_hosts = {request.headers.get("host"), urlsplit(server_url).netloc}
    if origin is not None and urlsplit(origin).netloc not in own_hosts:
        raise Forbidden("This form was sent by another site. Open the page in Modelyard and try again.")


def check_csrf(key: ServerKey, cookie: str, given: str) -> None:
    """Refuse a form that does not carry this browser's token.

    Raises:
        Forbidden
    """
    try:
        spelled = bytes.fromhex(given)
        mask, mixed = spelled[: len(spelled) // 2], spelled[len(spelled) // 2 :]
        token = _mixed(mask, mixed).hex()
    except ValueError:
        token = ""
    if not cookie or not same(token, key.digest(cookie, purpose=CSRF_PURPOSE)):
        raise Forbidden("This form is too old to be trusted. Reload the page and send it again.")


def local_path(address: str) -> str:
    """The address if it leads to a page of ours, else the home page."""
    parts = urlsplit(address)
    is_local = (
        not parts.scheme and not parts.netloc and address.startswith("/") and not address.startswith(("//", "/\\"))
    )
    return address if is_local and address.isprintable() and "\\" not in address else "/"

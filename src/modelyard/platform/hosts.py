"""Which host names requests may carry: a foreign name that leads here (DNS rebinding) gets nothing."""

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from modelyard.platform.settings import Settings

Headers = list[tuple[bytes, bytes]]
Admits = Callable[[Headers], bool]

EVERY_INTERFACE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  # told apart, not bound
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MOST_REMEMBERED = 1000


def admits_hosts_of(settings: Settings) -> Admits:
    """Whether the `Host` of a request is one of the server's own names.

    These are the address it listens on, the host of `external_url` and `allowed_hosts`; loopback too where it listens
    there. On every interface any IP address will do: an address cannot be rebound to another server.
    """
    named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    own = named | {settings.host.lower(), (urlsplit(settings.external_url).hostname or settings.host).lower()}
    takes_addresses = settings.host in EVERY_INTERFACE
    if takes_addresses or settings.host in LOOPBACK:
        own |= LOOPBACK
    known: dict[bytes, bool] = {}

    def allowed(host: bytes) -> bool:
        name = (urlsplit(f"//{host.decode('latin-1')}").hostname or "").rstrip(".")
        return name in own or (takes_addresses and _is_address(name))

    def admits(headers: Headers) -> bool:
        host = next((value for name, value in headers if name == b"host"), b"")
        found = known.get(host)
        if found is None:
            try:
                found = allowed(host)
            except ValueError:
                found = False
            if len(known) < MOST_REMEMBERED:
                known[host] = found
        return found

    return (lambda _headers: True) if "*" in named else admits


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

"""Who a request comes from behind reverse proxies, whose word counts only if the operator trusts them."""

import ipaddress

from modelyard.platform.errors import Invalid

Headers = list[tuple[bytes, bytes]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Whoever has an IPv6 address has all of its network.
IPV6_PREFIX = 64


class Proxies:
    """The proxies that may say for whom they ask."""

    def __init__(self, ranges: str) -> None:
        """`ranges` are addresses and CIDR ranges, separated by commas.

        Raises:
            Invalid: one of them is neither.
        """
        self._networks = tuple(_network(text) for text in map(str.strip, ranges.split(",")) if text)

    def trusts(self, peer: str) -> bool:
        """Whether a connection from `peer` is a proxy's."""
        address = _address(peer) if self._networks else None
        return address is not None and self._has(address)

    def client_of(self, peer: str, headers: Headers) -> str:
        """The address that a request comes from: the last one on its way that is no trusted proxy's.

        What stands further left in X-Forwarded-For was written by somebody whom nobody vouches for.
        """
        client = _address(peer)
        if client is None or not self._networks:
            return peer
        named = [text for name, value in headers if name == b"x-forwarded-for" for text in value.split(b",")]
        while named and self._has(client):
            before = _address(_without_port(named.pop().strip().decode("latin-1")))
            if before is None:
                break
            client = before
        return str(client)

    def scheme_of(self, peer: str, headers: Headers) -> str:
        """`https` if a trusted proxy says so, which ends TLS for us."""
        said = next((value for name, value in headers if name == b"x-forwarded-proto"), b"")
        return "https" if said.strip().lower() == b"https" and self.trusts(peer) else "http"

    def _has(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def holder_of(address: str) -> str:
    """What stands for one client when requests are counted: an IPv4 address, or the network of an IPv6 address."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, IPV6_PREFIX), strict=False))
    return address if found is None else str(found)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise Invalid(f"MODELYARD_TRUSTED_PROXIES: {text!r} is no address and no range such as 10.0.0.0/8.") from error


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _without_port(text: str) -> str:
    """`1.2.3.4:5678` and `[::1]:80` without what some proxies add."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text

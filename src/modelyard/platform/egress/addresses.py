"""Which network addresses are anybody's, and which belong to this machine, its network, or nobody."""

import ipaddress

# Special blocks that Python's registry of this version takes for ordinary ones, and ways to write an IPv4 address as
# an IPv6 one, through which a translator would lead back inside.
_NEVER = tuple(
    ipaddress.ip_network(block)
    for block in (
        *("192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24"),
        *("64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16"),
        *("2620:4f:8000::/48", "3fff::/20", "5f00::/16"),
    )
)
_GLOBAL_UNICAST_6 = ipaddress.ip_network("2000::/3")


def is_public(text: str) -> bool:
    """Whether an address, as a resolver gives it, is global unicast. What cannot be read is not."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address not in _GLOBAL_UNICAST_6):
        return False
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in block for block in _NEVER if block.version == address.version)

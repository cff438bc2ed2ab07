"""Who a request comes from, whatever it says of itself."""

import pytest

from modelyard.platform.errors import Invalid
from modelyard.platform.proxies import Proxies, holder_of

OURS = "10.0.0.0/8, 192.0.2.7,fd00::/8"


@pytest.mark.parametrize(
    ("ranges", "peer", "forwarded", "client"),
    [
        ("", "10.1.1.1", ["198.51.100.1"], "10.1.1.1"),
        (OURS, "10.1.1.1", [], "10.1.1.1"),
        (OURS, "10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        (OURS, "203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        # What a client has written itself stands further left.
        (OURS, "10.1.1.1", ["10.9.9.9, 1.1.1.1, 198.51.100.1, 192.0.2.7"], "198.51.100.1"),
        (OURS, "10.1.1.1", ["1.1.1.1", "198.51.100.1, 10.2.2.2"], "198.51.100.1"),
        (OURS, "10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        (OURS, "10.1.1.1", ["1.1.1.1, unknown, 10.2.2.2"], "10.2.2.2"),
        (OURS, "10.1.1.1", ["1.1.1.1, "], "10.1.1.1"),
        (OURS, "10.1.1.1", ["198.51.100.1:4711"], "198.51.100.1"),
        (OURS, "fd00::1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        (OURS, "::ffff:10.1.1.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        (OURS, "", ["198.51.100.1"], ""),
    ],
)
def test_the_last_address_that_nobody_vouches_for_is_the_client(
    ranges: str, peer: str, forwarded: list[str], client: str
) -> None:
    headers = [(b"x-forwarded-for", text.encode()) for text in forwarded]
    assert Proxies(ranges).client_of(peer, headers) == client


def test_only_a_trusted_proxy_says_that_tls_was_used() -> None:
    headers = [(b"x-forwarded-proto", b"https")]
    assert Proxies(OURS).scheme_of("10.1.1.1", headers) == "https"
    assert Proxies(OURS).scheme_of("203.0.113.9", headers) == "http"
    assert Proxies("").scheme_of("10.1.1.1", headers) == "http"
    assert Proxies(OURS).scheme_of("10.1.1.1", []) == "http"


@pytest.mark.parametrize("ranges", ["proxy.example.org", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8;fd00::/8"])
def test_a_range_that_is_none_is_refused(ranges: str) -> None:
    with pytest.raises(Invalid, match="MODELYARD_TRUSTED_PROXIES"):
        Proxies(ranges)


def test_the_addresses_of_one_network_are_one_holder() -> None:
    assert holder_of("2001:db8::1") == holder_of("2001:db8:0:0:ffff::2") == "2001:db8::/64"
    assert holder_of("2001:db8:0:1::1") != holder_of("2001:db8::1")
    assert (holder_of("198.51.100.1"), holder_of("::ffff:198.51.100.1"), holder_of("")) == (
        "198.51.100.1",
        "198.51.100.1",
        "",
    )

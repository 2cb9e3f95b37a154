"""The address table, spelling by spelling, and the registries that it stands for."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_core.errors import RecipeError
from webpairs_crawler.web.guard import make_guard

PUBLIC = make_guard([])


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "192.0.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert PUBLIC.permits(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "",
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
    ],
)
def test_other_addresses_may_not(address: str) -> None:
    assert not PUBLIC.permits(address)


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_permitted(address: object) -> None:
    judged = ip_address(str(address))
    is_oddity = not judged.is_global or judged.is_multicast or judged.is_reserved
    embeds_v4 = judged in ip_network("64:ff9b::/96") if judged.version == 6 else False
    if is_oddity and not embeds_v4 and getattr(judged, "ipv4_mapped", None) is None:
        assert not PUBLIC.permits(str(judged))


def test_the_recipe_opens_networks_in_every_spelling() -> None:
    guard = make_guard(["127.0.0.0/8", "fd00::/8"])
    assert guard.permits("127.0.0.2")
    assert guard.permits("::ffff:127.0.0.2")
    assert guard.permits("fd12::1")
    assert not guard.permits("10.0.0.1")
    assert not guard.permits("::1")


@pytest.mark.parametrize("text", ["127.0.0.1/8", "home", "10.0.0.0/33"])
def test_a_malformed_network_is_one_sentence(text: str) -> None:
    with pytest.raises(RecipeError, match="private_networks"):
        make_guard([text])

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.client_address import client_address, kept_address


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "client"),
    [
        ("10.0.0.1", None, 0, "10.0.0.1"),
        # Nobody is trusted: anybody could have written the header.
        ("10.0.0.1", "192.0.2.1", 0, "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1", 1, "192.0.2.1"),
        # The client made up what stands before what the proxy wrote.
        ("10.0.0.1", "1.2.3.4, 192.0.2.1", 1, "192.0.2.1"),
        ("10.0.0.1", "1.2.3.4, 192.0.2.1,10.0.0.2", 2, "192.0.2.1"),
        ("10.0.0.1", "10.0.0.2", 2, "10.0.0.1"),
        ("10.0.0.1", "unknown", 1, None),
        ("10.0.0.1", "192.0.2.1:5123", 1, "192.0.2.1"),
        ("10.0.0.1", "[2001:db8::1]:443", 1, "2001:db8::1"),
        ("2001:DB8:0::1", None, 0, "2001:db8::1"),
        ("fe80::1%eth0", None, 0, "fe80::1"),
        ("::ffff:192.0.2.1", None, 0, "192.0.2.1"),
        ("", None, 0, None),
        (None, None, 0, None),
        ("unix:", None, 0, None),
        ("1" * 10_000, None, 0, None),
        ("10.0.0.1", "1.2.3.4," * 100_000 + "192.0.2.1", 1, "192.0.2.1"),
    ],
)
def test_the_clients_address(
    peer: str | None, forwarded: str | None, trusted: int, client: str | None
) -> None:
    assert client_address(peer, forwarded, trusted) == client


@given(st.ip_addresses())
def test_what_is_kept_is_the_standard_librarys_network(address: Any) -> None:
    text = client_address(str(address), None, 0)
    assert text is not None
    read = ipaddress.ip_address(text)
    prefix = 24 if read.version == 4 else 48
    network = ipaddress.ip_network(f"{text}/{prefix}", strict=False)
    assert kept_address(text, "truncate") == str(network.network_address)
    assert kept_address(text, "keep") == text
    assert kept_address(text, "drop") is None


@given(st.text(), st.text(), st.integers(0, 3))
def test_any_text_is_an_address_or_none(peer: str, forwarded: str, trusted: int) -> None:
    found = client_address(peer, forwarded, trusted)
    assert found is None or str(ipaddress.ip_address(found)) == found


def test_nothing_is_kept_of_nothing() -> None:
    assert kept_address(None, "keep") is None

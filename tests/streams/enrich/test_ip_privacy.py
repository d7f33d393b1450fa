"""What stays of an address."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.enrich.ip_address import Privacy, ip_of, truncated
from loopin_streams.enrich.ip_privacy import without_ip

IP = "81.2.69.142"


@pytest.mark.parametrize(
    ("address", "left"),
    [
        (IP, "81.2.69.0"),
        ("::ffff:81.2.69.142", "81.2.69.0"),
        ("2001:db8:1234:5678::9", "2001:db8:1234::"),
        (" 81.2.69.142", "81.2.69.0"),
        ("81.2.69", None),
        ("x" * 10_000, None),
    ],
)
def test_a_truncated_address_is_a_network(address: str, left: str | None) -> None:
    assert truncated(address) == left


@given(st.ip_addresses())
def test_no_bit_of_a_household_stays(address: Any) -> None:
    short = ip_address(truncated(str(address)) or "")
    if short.version == address.version:
        mask = 8 if address.version == 4 else 80
        assert int(short) == int(address) >> mask << mask


@pytest.mark.parametrize(
    ("privacy", "left"),
    [
        ("drop", {"a": 1}),
        ("truncate", {"a": 1, "$ip": "81.2.69.0", "ip_address": "2001:db8::"}),
        ("keep", {"a": 1, "$ip": IP, "ip_address": "2001:db8::1", "ip": "n/a"}),
    ],
)
def test_the_setting_says_what_stays(privacy: Privacy, left: dict[str, Any]) -> None:
    given = {"a": 1, "$ip": IP, "ip_address": "2001:db8::1", "ip": "n/a"}
    assert without_ip(given, privacy) == left
    assert given["$ip"] == IP


def test_it_does_not_survive_in_what_is_set_of_a_person() -> None:
    given = {
        "$ip": IP,
        "$set": {"$ip": "10.0.0.9", "plan": "pro", "last_seen_at": IP},
        "$set_once": {"$initial_ip": "1.2.3.4", "first": IP},
        "seen_from": IP,
    }
    assert without_ip(given, "drop") == {"$set": {"plan": "pro"}, "$set_once": {}}
    kept = without_ip(given, "truncate")
    assert kept["$set"] == {"$ip": "10.0.0.0", "plan": "pro", "last_seen_at": "81.2.69.0"}
    assert IP not in str(kept)


@pytest.mark.parametrize("properties", [{}, {"a": IP}, {"$set": {"a": 1}}, {"$set": "none"}])
def test_without_an_address_nothing_changes(properties: dict[str, Any]) -> None:
    for privacy in ("drop", "truncate", "keep"):
        assert without_ip(properties, privacy) is properties


def test_where_the_address_stands() -> None:
    assert ip_of({"ip": "a", "$ip": "b"}) == "b"
    assert ip_of({"$ip": "", "ip_address": "c"}) == "c"
    assert ip_of({"$ip": 5}) is None

"""IP addresses: which may be looked up, and what may stay of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, Literal

NAMES: Final = ("$ip", "ip", "ip_address")
"""Properties that hold the client's address, the first that is there."""

ADDRESSES: Final = frozenset(NAMES)

Privacy = Literal["drop", "truncate", "keep"]
"""What becomes of it once it was looked up."""

PREFIXES: Final = {4: 24, 6: 48}
"""Bits that a truncated address keeps, by version: the network of a provider, not the line of a household."""

LONGEST: Final = 60
"""Characters of the longest address that is looked at."""

Address = IPv4Address | IPv6Address


def ip_of(properties: Mapping[str, Any]) -> str | None:
    """The client's address as it was given."""
    for name in NAMES:
        found = properties.get(name)
        if isinstance(found, str) and found:
            return found
    return None


@lru_cache(4096)
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    # An IPv4 address as a dual-stack server sees it.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def parsed(text: str) -> Address | None:
    """The address, None where it is none."""
    return _parsed(text) if len(text) <= LONGEST else None


def truncated(text: str) -> str | None:
    """The address with the last 8 bits (IPv4) or 80 bits (IPv6) zero; None where it is none."""
    address = parsed(text)
    if address is None:
        return None
    return str(ip_network((address, PREFIXES[address.version]), strict=False).network_address)

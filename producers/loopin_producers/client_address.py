"""The address that an HTTP request came from, and how much of it is kept."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

IpPrivacy = Literal["drop", "truncate", "keep"]
"""What leaves the process of a client's address: nothing, its network, or all of it."""

MAX_FORWARDED = 2000
"""Characters of X-Forwarded-For that are read, from its end: the nearest proxies write there."""

_MAX_ADDRESS = 64
_V4_BITS, _V6_BITS = 8, 80
"""Bits cut off: /24 and /48 remain, a provider's block and a site."""


def client_address(peer: str | None, forwarded_for: str | None, trusted_proxies: int) -> str | None:
    """The client's address as text, or None where it is unknown.

    Each trusted proxy appends to X-Forwarded-For whom it was called by, so the client is the entry that the
    outermost of them wrote; what stands before it was written by the client itself. A header with fewer
    entries did not come through these proxies, and the peer counts (as Werkzeug's ``ProxyFix``).

    Args:
        peer: address of the connection.
        forwarded_for: the header, several of them joined by commas.
        trusted_proxies: how many proxies of one's own stand in front; 0 ignores the header.
    """
    if trusted_proxies > 0 and forwarded_for:
        entries = forwarded_for[-MAX_FORWARDED:].split(",")
        if len(entries) >= trusted_proxies:
            return _written(entries[-trusted_proxies])
    return _written(peer)


def kept_address(address: str | None, privacy: IpPrivacy) -> str | None:
    """The part of an address that may be sent."""
    if address is None or privacy == "drop":
        return None
    return _network(address) if privacy == "truncate" else address


@lru_cache(4096)
def _network(address: str) -> str:
    return _cut(ip_address(address))


def _cut(address: IPv4Address | IPv6Address) -> str:
    bits = _V4_BITS if isinstance(address, IPv4Address) else _V6_BITS
    return str(type(address)(int(address) >> bits << bits))


def _written(text: str | None) -> str | None:
    return _read(text) if text and len(text) <= _MAX_ADDRESS else None


@lru_cache(4096)
def _read(text: str) -> str | None:
    """An address in its usual form: without port, brackets and zone, IPv4 not wrapped in IPv6."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    bare = bare.partition("%")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)

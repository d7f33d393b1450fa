"""Uuids made of a digest."""

from __future__ import annotations

from uuid import UUID

_VERSION_AND_VARIANT = 0xF << 76 | 0x3 << 62
_VERSION_8 = 8 << 76 | 0x2 << 62


def uuid8(digest: bytes) -> str:
    """A uuid (version 8, RFC 9562) of 16 bytes, six bits of which it replaces."""
    # Python 3.11's UUID does not set version 8 itself.
    return str(UUID(int=int.from_bytes(digest, "big") & ~_VERSION_AND_VARIANT | _VERSION_8))

"""What an API key looks like, so that a leaked one is found by its form and a mistyped one is told as such.

``lp_w_`` or ``lp_p_``, 256 random bits, ``_``, and the CRC-32 of all before that; both numbers in base 62,
whose characters no shell, URL or double click takes apart. A scanner for secrets finds keys by
:data:`KEY_PATTERN` and knows by the checksum that it has found one.
"""

from __future__ import annotations

import hashlib
import secrets
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final, Literal
from zlib import crc32

KeyKind = Literal["write", "personal"]
"""``write`` keys belong to a project's clients and only send events; ``personal`` ones belong to a person."""

PREFIXES: Final[dict[KeyKind, str]] = {"write": "lp_w_", "personal": "lp_p_"}

KEY_PATTERN: Final = r"lp_[pw]_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}"
"""Regular expression of a key, for scanners of secrets."""

_DIGITS: Final = digits + ascii_uppercase + ascii_lowercase
_RANDOM_BITS: Final = 256
_RANDOM_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6


def new_key(kind: KeyKind) -> str:
    """A fresh key of 256 random bits. Only its :func:`hash_key` is to be kept."""
    start = PREFIXES[kind] + _base62(secrets.randbits(_RANDOM_BITS), _RANDOM_LENGTH)
    return f"{start}_{_checksum(start)}"


def hash_key(token: str) -> str:
    """SHA-256 of a key, hexadecimal: all that is kept of it. A key is random, so it needs no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def well_formed(token: str) -> bool:
    """Whether it has a key's prefix, length and checksum; it may be unknown all the same."""
    start, separator, checksum = token.rpartition("_")
    prefix, random = start[:5], start[5:]
    return (
        bool(separator)
        and prefix in PREFIXES.values()
        and len(random) == _RANDOM_LENGTH
        and random.isascii()
        and random.isalnum()
        and checksum == _checksum(start)
    )


def mistyped(token: str) -> bool:
    """Whether it begins like a key and is none: it was cut, or a character is wrong."""
    return token.startswith(tuple(PREFIXES.values())) and not well_formed(token)


def _checksum(start: str) -> str:
    return _base62(crc32(start.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    found = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found

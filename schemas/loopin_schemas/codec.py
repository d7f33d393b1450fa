"""The one codec: JSON by msgspec, with an encoder and decoders made once."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder()

encode = _encoder.encode
"""Encode a struct (or plain value) to JSON bytes."""


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(of: type[T]) -> msgspec.json.Decoder[T]:
    """The shared JSON decoder of a type."""
    made = _decoders.get(of)
    if made is None:
        made = _decoders[of] = msgspec.json.Decoder(of)
    return made


def decode(body: bytes, of: type[T]) -> T:
    """Decode JSON bytes to ``of``.

    Raises:
        msgspec.ValidationError: a field has the wrong type or is missing.
        msgspec.DecodeError: the bytes are not JSON.
        RecursionError: the JSON is nested too deeply.
    """
    return decoder(of).decode(body)


_BACKSLASH = ord("\\")


class _Versioned(msgspec.Struct):
    version: int = 1


class _VersionedArray(msgspec.Struct, array_like=True):
    version: int


def version_of(body: bytes) -> int:
    """The format's version that a record names, even one whose other fields cannot be read.

    The field ``version`` of an object, the first item of an array; 1 where neither is there.
    """
    # Most records are of the first version and do not name it; without a backslash nothing else spells it.
    if body[:1] == b"{" and body.find(b"version") < 0 and _BACKSLASH not in body:
        return 1
    forms: tuple[type[_Versioned | _VersionedArray], ...] = (_Versioned, _VersionedArray)
    for form in forms:
        try:
            return decode(body, form).version
        except (ValueError, RecursionError):
            continue
    return 1


def decode_object(body: bytes | msgspec.Raw) -> dict[str, Any]:
    """Decode a JSON object to a dict, e.g. an event's ``properties``."""
    return decoder(dict[str, Any]).decode(body)

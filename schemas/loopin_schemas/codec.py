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


def decode_object(body: bytes | msgspec.Raw) -> dict[str, Any]:
    """Decode a JSON object to a dict, e.g. an event's ``properties``."""
    return decoder(dict[str, Any]).decode(body)

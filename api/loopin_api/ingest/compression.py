"""Bodies as they were before the client compressed them, never longer than a limit."""

from __future__ import annotations

import base64
import binascii
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import cramjam

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_MAGIC: Final = b"\x1f\x8b"

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZSTD_OPTIONS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
"""A frame may ask for a window of 8 MB, as RFC 8878 recommends; the library would take 128 MB."""


class Undecodable(Exception):
    """The body is not what its encoding says."""


class TooLarge(Exception):
    """The body is longer than the limit once it is decompressed."""


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without one encoding, at most ``limit`` bytes of it.

    Memory stays within the limit whatever the body claims.

    Raises:
        KeyError: the encoding is none of ``ENCODINGS``.
        Undecodable: the body is broken, or ends too early.
        TooLarge: there is more than the limit.
    """
    return ENCODINGS[encoding](body, limit)


def _gzip(body: bytes, limit: int) -> bytes:
    return _inflate(body, limit, _GZIP)


def _deflate(body: bytes, limit: int) -> bytes:
    """RFC 1950, as HTTP means it, or the bare RFC 1951 that some clients send under this name."""
    try:
        return _inflate(body, limit, zlib.MAX_WBITS)
    except Undecodable:
        return _inflate(body, limit, -zlib.MAX_WBITS)


def _inflate(body: bytes, limit: int, window: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        out = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Undecodable from error
    return _whole(out, limit, inflater.eof, inflater.unused_data)


def _zstd(body: bytes, limit: int) -> bytes:
    decompressor = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
    try:
        out = decompressor.decompress(body, max_length=limit + 1)
    except zstd.ZstdError as error:
        raise Undecodable from error
    return _whole(out, limit, decompressor.eof, decompressor.unused_data)


def _whole(out: bytes, limit: int, ended: bool, rest: bytes) -> bytes:
    """``out``, if the stream ended there. More streams behind it are refused: no client sends them, and a
    million empty ones would take hours."""
    if len(out) > limit:
        raise TooLarge
    if not ended or rest:
        raise Undecodable
    return out


def _brotli(body: bytes, limit: int) -> bytes:
    out = bytearray(limit)
    try:
        length = cramjam.brotli.decompress_into(body, out)
    except cramjam.DecompressionError as error:
        # The library says in words only which of the two it was.
        if "whole buffer" in str(error):
            raise TooLarge from error
        raise Undecodable from error
    return bytes(memoryview(out)[:length])


def _base64(body: bytes, limit: int) -> bytes:
    """Also the form for URLs, and without padding."""
    text = body.translate(_TO_STANDARD, b" \t\r\n=")
    try:
        out = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Undecodable from error
    if len(out) > limit:
        raise TooLarge
    return out


_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")

ENCODINGS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "gzip-js": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "br": _brotli,
    "base64": _base64,
}
"""The content codings of HTTP, and the ``compression`` parameter of PostHog's clients."""

"""Bodies of ingestion requests: read within limits, decompressed, and within a memory that all share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import Request

from loopin_api.body_bytes import read_body
from loopin_api.errors import ApiError
from loopin_api.ingest.compression import ENCODINGS, TooLarge, Undecodable, decompress

BUSY_RETRY_S: Final = 1
"""What clients are told to wait while others' bodies take all the memory, in seconds."""

IN_PLACE_BYTES: Final = 64 * 1024
"""A compressed body up to this long is decompressed at once, a longer one in a thread."""


class Bodies:
    """Receives bodies of at most ``limit`` bytes, compressed or not, in ``memory`` bytes altogether."""

    def __init__(self, limit: int, memory: int) -> None:
        self.limit = limit
        self._free = memory

    @asynccontextmanager
    async def received(self, request: Request, limit: int | None = None) -> AsyncIterator[bytes]:
        """The request's body without its Content-Encoding; the block is how long it takes up memory.

        ``limit`` is the most bytes, where they are fewer than for others.

        Raises:
            ApiError: 400, 408, 413, 415, or 503 with Retry-After while there is no room.
        """
        encoding = _encoding(request)
        most = self.limit if limit is None else min(limit, self.limit)
        held = self._take(min(_length(request, most), most))
        try:
            body = await read_body(request, most)
            if encoding is None:
                yield body
            else:
                async with self.decompressed(body, encoding, most) as plain:
                    yield plain
        finally:
            self._free += held

    @asynccontextmanager
    async def decompressed(
        self, body: bytes, encoding: str, limit: int | None = None
    ) -> AsyncIterator[bytes]:
        """The body without one of ``ENCODINGS``; the block is how long that takes up memory.

        Raises:
            ApiError: 400, 413, or 503 with Retry-After while there is no room.
        """
        plain = await _decompressed(body, encoding, self.limit if limit is None else limit)
        held = self._take(len(plain))
        try:
            yield plain
        finally:
            self._free += held

    def _take(self, count: int) -> int:
        if count > self._free:
            raise ApiError(
                503,
                "BUSY",
                "Too many bodies are being received at once; send this one again shortly.",
                headers={"Retry-After": str(BUSY_RETRY_S)},
            )
        self._free -= count
        return count


async def _decompressed(body: bytes, encoding: str, most: int) -> bytes:
    try:
        if len(body) <= IN_PLACE_BYTES:
            return decompress(body, encoding, most)
        return await asyncio.to_thread(decompress, body, encoding, most)
    except TooLarge:
        raise ApiError(
            413, "BODY_TOO_LARGE", f"Send at most {most} bytes, counted after decompression."
        ) from None
    except Undecodable:
        raise ApiError(
            400, "MALFORMED_BODY", f"The body is no complete {encoding} data; send it again whole."
        ) from None


def _length(request: Request, limit: int) -> int:
    """How long the body says it is; the most it may be where it does not say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else limit


def _encoding(request: Request) -> str | None:
    name = request.headers.get("content-encoding", "").strip().lower()
    if name in ("", "identity"):
        return None
    if name not in ENCODINGS:
        raise ApiError(
            415, "UNSUPPORTED_MEDIA_TYPE", "Send the body uncompressed, or as gzip, deflate, br or zstd."
        )
    return name

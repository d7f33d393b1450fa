"""Reading a request's body within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from fastapi import Request

from loopin_api.errors import RETRY_AFTER_S, ApiError

BODY_TIMEOUT_S: Final = 30.0
"""How long a client may take to send a body, in seconds."""

DISCARDED_BYTES: Final = 8 << 20
DISCARDED_S: Final = 5.0
"""How much more of a body that is too large is read and thrown away, so that its sender, still busy
sending, gets to read the refusal instead of a broken connection."""


async def read_body(request: Request, limit: int) -> bytes:
    """The request's body, of at most ``limit`` bytes.

    Raises:
        ApiError: 408 or 413.
    """
    body = bytearray()
    chunks = request.stream()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    break
    except TimeoutError:
        raise ApiError(
            408,
            "BODY_TIMEOUT",
            f"Send the body within {BODY_TIMEOUT_S:g} seconds.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        ) from None
    if len(body) > limit:
        await _discard(chunks)
        raise ApiError(413, "BODY_TOO_LARGE", f"Send at most {limit} bytes.")
    return bytes(body)


async def _discard(chunks: AsyncIterator[bytes]) -> None:
    left = DISCARDED_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARDED_S):
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    return

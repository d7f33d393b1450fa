"""Reading a JSON request body: bounded, strict, and only once the caller is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request
from pydantic import BaseModel, ValidationError

from loopin_api.errors import ApiError, details_of, invalid
from loopin_api.services import services

Body = TypeVar("Body", bound=BaseModel)

BODY_TIMEOUT_S: Final = 30.0
"""How long a client may take to send a body, in seconds."""

DISCARDED_BYTES: Final = 8 << 20
DISCARDED_S: Final = 5.0
"""How much more of a body that is too large is read and thrown away, so that its sender, still busy
sending, gets to read the refusal instead of a broken connection."""


def json_body(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that reads the request's body as ``model``.

    FastAPI's own body parameters are read before any dependency, hence before the caller is known, and
    take NaN. Raises ApiError: 400, 408, 413, 415 or 422.
    """

    async def read(request: Request) -> Body:
        _check_content_type(request.headers.get("content-type", ""))
        body = await _read(request, services(request).settings.max_body_bytes)
        try:
            return model.model_validate(_decode(body))
        except ValidationError as error:
            raise invalid(details_of(error.errors(include_input=False), skip=0)) from None

    return read


def _check_content_type(value: str) -> None:
    media, _, parameters = value.partition(";")
    media = media.strip().lower()
    charset = parameters.replace(" ", "").replace('"', "").lower().removeprefix("charset=")
    if not (media == "application/json" or (media.startswith("application/") and media.endswith("+json"))):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json.")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as UTF-8.")


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    chunks = request.stream()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    break
    except TimeoutError:
        raise ApiError(408, "BODY_TIMEOUT", f"Send the body within {BODY_TIMEOUT_S:g} seconds.") from None
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


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise _malformed("The body is not UTF-8; encode it as UTF-8.") from None
    except RecursionError:
        raise _malformed("The body is nested too deeply; flatten it.") from None
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        hint = (
            "JSON has no NaN or Infinity, send null"
            if b"NaN" in body or b"Infinity" in body
            else "correct it"
        )
        raise _malformed(f"The body is not JSON ({reason}); {hint}.") from None


def _malformed(message: str) -> ApiError:
    return ApiError(400, "MALFORMED_JSON", message)

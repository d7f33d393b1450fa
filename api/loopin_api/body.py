"""Reading a JSON request body: bounded, strict, and only once the caller is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.message import Message
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loopin_api.envelope import Detail
from loopin_api.errors import ApiError, details_of, invalid
from loopin_api.services import services

Body = TypeVar("Body", bound=BaseModel)


def json_body(model: type[Body], *, required: bool = True) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that reads the request's body as ``model``; none is ``{}`` where it is not ``required``.

    FastAPI's own body parameters are read before any dependency, hence before the caller is known, and
    take NaN. Raises ApiError: 400, 408, 413, 415, 422, 429 or 503.
    """

    async def read(request: Request) -> Body:
        if not required and _has_none(request):
            return model()
        _check_content_type(request.headers.get("content-type", ""))
        use = services(request)
        async with use.intake.received(request, use.settings.max_body_bytes) as text:
            body = _decode(text)
        try:
            return model.model_validate(body)
        except ValidationError as error:
            faults = error.errors(include_input=False)
            raise invalid(details_of([{**f, "loc": _location(f, body)} for f in faults])) from None

    return read


def _has_none(request: Request) -> bool:
    """Whether it comes without a body, by its headers (RFC 9112, 6.3)."""
    headers = request.headers
    return "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"


def _location(fault: ErrorDetails, body: Any) -> tuple[int | str, ...]:
    """Where the fault lies, as far as that leads into the body or to a field that is missing.

    Pydantic puts the member of a union behind the field's name (``user_id.str``), which no client sent.
    """
    parts = fault["loc"]
    for index, part in enumerate(parts):
        if isinstance(body, dict) and (part in body or fault["type"] == "missing"):
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
        else:
            return parts[:index]
    return parts


def _check_content_type(value: str) -> None:
    message = Message()
    message["Content-Type"] = value
    media = value.partition(";")[0].strip().lower()
    charset = str(message.get_param("charset", "")).strip().lower()
    if not (media == "application/json" or (media.startswith("application/") and media.endswith("+json"))):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json.")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as UTF-8.")


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise _malformed("The body is not UTF-8; encode it as UTF-8.") from None
    except RecursionError:
        raise _malformed("The body is nested too deeply; flatten it.") from None
    except msgspec.ValidationError:  # without a type to hold, a body can only break the limits of numbers
        reason = "A number is beyond what can be stored; correct it, or send it as text."
        details = [Detail(field=None, reason=reason)]
        raise ApiError(422, "NUMBER_OUT_OF_RANGE", reason, details=details) from None
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

"""Every way a request can fail, and the one shape in which the failure is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from loopin_api.envelope import Detail, Failure
from loopin_api.timespan import InvalidTimespan
from loopin_api.wording import of_pydantic
from loopin_schemas import InvalidEvent
from loopin_sinks.store import StoreError
from loopin_sinks.store.errors import QUERY_FAILED

log = structlog.get_logger(__name__)

RETRY_AFTER_S = 5
"""What clients are told to wait when the broker or the store is away, in seconds."""

_BY_STATUS = {
    404: ("NOT_FOUND", "There is nothing at this path; see / for what there is."),
    405: ("METHOD_NOT_ALLOWED", "This path does not take this method; see the Allow header."),
}


class ApiError(Exception):
    """A refusal: HTTP status, stable code, one sentence, and the fields at fault."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = list(details)
        self.headers = dict(headers or {})


def unavailable(code: str, message: str) -> ApiError:
    """503 with ``Retry-After``: something behind the API is away."""
    return ApiError(503, code, message, headers={"Retry-After": str(RETRY_AFTER_S)})


def invalid(details: Sequence[Detail]) -> ApiError:
    """422 that names the fields at fault."""
    return ApiError(422, "VALIDATION_ERROR", "Correct the fields named in details.", details=details)


def from_invalid_event(error: InvalidEvent, field: str | None) -> ApiError:
    """422 for an event that breaks a limit; ``field`` is what the request calls the field at fault."""
    return ApiError(422, error.code.upper(), error.reason, details=[Detail(field=field, reason=error.reason)])


def from_store_error(error: StoreError) -> ApiError:
    """500 where the query itself is at fault, else 503; the store's sentences may be shown to anyone."""
    if error.code == QUERY_FAILED:
        return ApiError(500, error.code.upper(), str(error))
    return unavailable(error.code.upper(), str(error))


def details_of(errors: Sequence[Any], skip: int = 0) -> list[Detail]:
    """Pydantic's errors as details, one a field; ``skip`` leading parts of each location name no field.

    The offending values are left out: they may be private.
    """
    # A parameter that several parts of a path read is refused by each of them.
    reasons: dict[str | None, dict[str, None]] = {}
    for error in errors:
        field = ".".join(map(str, error["loc"][skip:])) or None
        reasons.setdefault(field, {})[of_pydantic(error)] = None
    return [Detail(field=field, reason=f"{'; or: '.join(said)}.") for field, said in reasons.items()]


async def with_limits(request: Request, error: ApiError) -> ApiError:
    """The error with the headers that tell a known sender of events how many it may still send."""
    limits = getattr(request.state, "limit_headers", None)
    if limits is not None:
        error.headers = {**await limits(), **error.headers}
    return error


def failure(error: ApiError) -> JSONResponse:
    """The error as a response."""
    body = Failure(error=error.message, error_code=error.code, details=error.details)
    return JSONResponse(body.model_dump(mode="json"), error.status, error.headers)


def internal() -> ApiError:
    """500 that says nothing of the inside."""
    return ApiError(500, "INTERNAL_ERROR", "The server failed; try again, and report it if it stays.")


def install(app: FastAPI) -> None:
    """Answer every exception in the envelope."""

    async def on_api_error(request: Request, error: ApiError) -> JSONResponse:
        return failure(await with_limits(request, error))

    async def on_http(_: Request, error: HTTPException) -> JSONResponse:
        code, message = _BY_STATUS.get(error.status_code, (f"HTTP_{error.status_code}", f"{error.detail}."))
        return failure(ApiError(error.status_code, code, message, headers=error.headers))

    async def on_validation(_: Request, error: RequestValidationError) -> JSONResponse:
        return failure(invalid(details_of(error.errors(), skip=1)))

    async def on_timespan(_: Request, error: InvalidTimespan) -> JSONResponse:
        return failure(invalid([Detail(field=error.field, reason=error.reason)]))

    async def on_store(request: Request, error: StoreError) -> JSONResponse:
        log.error(
            "store failed", path=request.url.path, code=error.code, error=str(error), cause=error.__cause__
        )
        return failure(from_store_error(error))

    app.add_exception_handler(ApiError, on_api_error)  # type: ignore[arg-type]  # narrower than Exception
    app.add_exception_handler(HTTPException, on_http)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, on_validation)  # type: ignore[arg-type]
    app.add_exception_handler(InvalidTimespan, on_timespan)  # type: ignore[arg-type]
    app.add_exception_handler(StoreError, on_store)  # type: ignore[arg-type]

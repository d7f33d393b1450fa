"""/api/errors: document 004's error log, one error a row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from loopin_api.auth import Caller
from loopin_api.body import json_body
from loopin_api.correcting import CorrectionRequest, Corrector, existing, unknown_row
from loopin_api.openapi import COMMON, WITH_BODY, bare, failures, request_body
from loopin_api.pages import Listed, Paged, listed
from loopin_api.queries import errors as asked
from loopin_api.queries.recorded import Record, Records
from loopin_api.queries.user import person_of
from loopin_api.routers.activity import Id
from loopin_api.routers.records import ERROR_EXAMPLE, ErrorLog, Level, shortened
from loopin_api.services import Reader, Services, Use, Writer
from loopin_api.time_filters import Times
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.metric_values.sql import MS

router = APIRouter(tags=["errors"])

Ordering = Literal["created_at", "-created_at"]
ErrorId = Annotated[str, Path(max_length=100, description="The error's id.")]

_TIMES: Final = ("created_at", "resolved_at")
_RESOLVED: Final = {
    **ERROR_EXAMPLE,
    "resolved_at": "2026-01-15T11:00:00.000Z",
    "is_resolved": True,
    "corrected_fields": ["is_resolved"],
}


class ErrorCorrectionRequest(CorrectionRequest):
    """What to put right of an error; what is not named stays, or with PUT is again what was reported."""

    READ_ONLY: ClassVar[frozenset[str]] = CorrectionRequest.READ_ONLY | {
        *_TIMES,
        "fingerprint",
    }

    level: Level = Field("error", description="Severity.")
    message: str = Field("", min_length=1, description="The error's message.")
    stack_trace: str = Field("", description="Where it happened; cut at 16 KB, and marked.")
    user: Id | None = Field(None, description="Whom it met.")
    url: str | None = Field(None, description="Address of the request.")
    method: str | None = Field(None, max_length=20, description="HTTP method of the request.")
    ip_address: str | None = Field(None, max_length=64, description="Address of the client.")
    user_agent: str | None = Field(None, description="The client's User-Agent.")
    extra_data: dict[str, Any] = Field(default_factory=dict, description="Whatever belongs to it.")
    is_resolved: bool = Field(False, description="Whether it is resolved; now, if it was not yet.")


@router.get(
    "/api/errors",
    summary="List errors",
    responses={
        **bare("A page of errors.", {"count": 1, "next": None, "previous": None, "results": [ERROR_EXAMPLE]}),
        **failures(404, *COMMON),
    },
)
async def get_errors(
    use: Use,
    caller: Reader,
    times: Times,
    page: Paged,
    user: Annotated[str | None, Query(max_length=400, description="Only those that met this user.")] = None,
    level: Annotated[Level | None, Query(description="Only those of this severity.")] = None,
    is_resolved: Annotated[
        bool | None, Query(description="Only those that are resolved, or are not.")
    ] = None,
    fingerprint: Annotated[str | None, Query(max_length=200, description="Only those of this group.")] = None,
    ordering: Annotated[Ordering, Query(description="By time; `-`: the newest first.")] = "-created_at",
) -> Listed[ErrorLog]:
    """Errors of the time asked for: those that were logged, and `$exception`. Needs the scope `read`."""
    records, groups = _records(use, caller), use.corrections.groups(caller.project)
    query = records.query()
    tests = []
    if user is not None:
        ids = (await person_of(use.store, caller.project, user)).distinct_ids
        met = query.field("user", "distinct_id", "String")
        tests.append(f"{met} IN {query.bind(list(ids), 'Array(String)')}")
    if level is not None:
        tests.append(f"{asked.level(query)} = {query.bind(level, 'String')}")
    if is_resolved is not None:
        tests.append(f"{asked.resolved(query, groups)} = {query.bind(int(is_resolved), 'UInt8')}")
    if fingerprint is not None:
        tests.append(f"error_fingerprint = {query.bind(fingerprint, 'String')}")
    order = f"{MS} DESC" if ordering.startswith("-") else MS
    count, found = await records.page(query, times.span(), tests, order, page.size, page.offset)
    rows = (_answer(use, caller, record) for record in found)
    return listed(page, count, [row for row in rows if row is not None])


@router.get(
    "/api/errors/{id}",
    summary="Retrieve an error",
    responses={**bare("The error.", ERROR_EXAMPLE), **failures(404, *COMMON)},
)
async def get_error(use: Use, caller: Reader, id: ErrorId) -> ErrorLog:
    """One error, with what was put right of it. Needs the scope `read`."""
    return _shown(use, caller, await _existing(use, caller, id))


@router.put(
    "/api/errors/{id}",
    summary="Replace what was put right of an error",
    responses={**bare("The error.", _RESOLVED), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(ErrorCorrectionRequest, {"level": {"level": "warning", "message": "Slow."}}),
)
async def put_error(
    use: Use,
    caller: Writer,
    id: ErrorId,
    body: Annotated[ErrorCorrectionRequest, Depends(json_body(ErrorCorrectionRequest))],
) -> ErrorLog:
    """The fields named here count from now on, the others are again what was reported.

    The event itself stays as it is. Needs the scope `write`.
    """
    return await _correct(use, caller, id, body, replace=True)


@router.patch(
    "/api/errors/{id}",
    summary="Resolve an error, or put it right",
    responses={**bare("The error.", _RESOLVED), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(ErrorCorrectionRequest, {"resolve": {"is_resolved": True}}),
)
async def patch_error(
    use: Use,
    caller: Writer,
    id: ErrorId,
    body: Annotated[ErrorCorrectionRequest, Depends(json_body(ErrorCorrectionRequest))],
) -> ErrorLog:
    """The fields named here count from now on; the event itself stays as it is. Needs the scope `write`."""
    return await _correct(use, caller, id, body, replace=False)


@router.delete(
    "/api/errors/{id}",
    status_code=204,
    summary="Delete an error",
    responses=failures(404, 409, *COMMON),
)
async def delete_error(use: Use, caller: Writer, id: ErrorId) -> None:
    """It is not shown, counted or grouped any more. Needs the scope `write`."""
    record = await _existing(use, caller, id)
    await Corrector(use, caller, "errors").delete(record.id)


async def _correct(
    use: Services, caller: Caller, id: str, body: ErrorCorrectionRequest, *, replace: bool
) -> ErrorLog:
    record, corrector = await _existing(use, caller, id), Corrector(use, caller, "errors")
    reported = asked.recorded(record, use.corrections.groups(caller.project))
    known = corrector.values(record.id)
    values = {**({} if replace else known), **_values(body)}
    resolved = values.get("is_resolved", reported["is_resolved"])
    since = {**reported, **known}["resolved_at"] or epoch_ms(use.clock())
    values["resolved_at"] = since if resolved else None
    # What was reported never changes, so what equals it need not be kept.
    kept = {name: value for name, value in values.items() if value != reported[name]}
    await corrector.save(record.id, kept, body.note)
    return _shown(use, caller, record)


def _values(body: ErrorCorrectionRequest) -> dict[str, Any]:
    values = body.values()
    if values.get("user") is not None:
        values["user"] = str(values["user"])
    if "stack_trace" in values:
        values["stack_trace"] = shortened(values["stack_trace"])
    return values


def _records(use: Services, caller: Caller) -> Records:
    known = use.corrections.of(caller.project, "errors")
    return Records(use.store, caller.project, asked.OF_ERRORS, known)


async def _existing(use: Services, caller: Caller, id: str) -> Record:
    return await existing(_records(use, caller), id, "error")


def _shown(use: Services, caller: Caller, record: Record) -> ErrorLog:
    found = _answer(use, caller, record)
    if found is None:
        raise unknown_row("error")
    return found


def _answer(use: Services, caller: Caller, record: Record) -> ErrorLog | None:
    corrections = use.corrections.of(caller.project, "errors")
    row = asked.corrected(record, corrections, use.corrections.groups(caller.project))
    if row is None:
        return None
    known = corrections.get(record.id)
    times = {name: _moment(row[name]) for name in _TIMES}
    return ErrorLog(
        id=record.id,
        fingerprint=record.fingerprint or None,
        corrected_fields=[] if known is None else sorted(known.body.values.keys() - {"resolved_at"}),
        **{**row, **times},
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)

"""/api/errors: document 004's error log, one error a row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from loopin_api.auth import Caller
from loopin_api.correcting import CorrectionRequest, Corrector, recorded_row, unlike
from loopin_api.openapi import EXAMPLE_TIME
from loopin_api.openapi import page as page_of
from loopin_api.pages import Listed, Paged, listed
from loopin_api.queries import errors as asked
from loopin_api.queries.recorded import Record, Records
from loopin_api.queries.user import person_of
from loopin_api.routers.activity import Id
from loopin_api.routers.corrected import Row, add_rows
from loopin_api.routers.records import ERROR_EXAMPLE, ErrorLog, ErrorParts, Level, shortened
from loopin_api.services import Reader, Services, Use
from loopin_api.time_filters import Times
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.metric_values.sql import MS

router = APIRouter(tags=["errors"])

Ordering = Literal["created_at", "-created_at"]

_FIXED: Final = frozenset({"id", "created_at", "fingerprint"})
_TIMES: Final = ("created_at", "resolved_at")


class ErrorCorrectionRequest(CorrectionRequest, ErrorParts):
    """What to put right of an error; what is not named stays, or with PUT is again what was reported."""

    READ_ONLY: ClassVar[frozenset[str]] = CorrectionRequest.READ_ONLY | {
        *_TIMES,
        "fingerprint",
    }

    level: Level = Field("error", description="Severity.")
    message: str = Field("", min_length=1, description="The error's message.")
    user: Id | None = Field(None, description="Whom it met.")
    extra_data: dict[str, Any] = Field(default_factory=dict, description="Whatever belongs to it.")
    is_resolved: bool = Field(False, description="Whether it is resolved; now, if it was not yet.")

    def values(self) -> dict[str, Any]:
        """What was said, as it is kept of errors that are reported."""
        values = super().values()
        if values.get("user") is not None:
            values["user"] = str(values["user"])
        if "stack_trace" in values:
            values["stack_trace"] = shortened(values["stack_trace"])
        return values


@router.get(
    "/api/errors",
    summary="List errors",
    responses=page_of("A page of errors.", ERROR_EXAMPLE),
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


def _records(use: Services, caller: Caller) -> Records:
    known = use.corrections.of(caller.project, "errors")
    return Records(use.store, caller.project, asked.OF_ERRORS, known)


async def _find(use: Services, caller: Caller, id: str) -> Row | None:
    record = await recorded_row(_records(use, caller), id)
    if record is None:
        return None
    reported = asked.recorded(record, use.corrections.groups(caller.project))
    corrector = Corrector(use, caller, "errors")
    since = {**reported, **corrector.values(record.id)}["resolved_at"] or epoch_ms(use.clock())

    async def answer() -> ErrorLog | None:
        return _answer(use, caller, record)

    def kept(values: Mapping[str, Any]) -> dict[str, Any]:
        resolved = values.get("is_resolved", reported["is_resolved"])
        return unlike(reported, {**values, "resolved_at": since if resolved else None})

    return Row(record.id, corrector.known(record.id), True, answer, kept, _FIXED)


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


add_rows(
    router,
    name="errors",
    noun="error",
    origin="reported",
    id="The error's id.",
    answers=ErrorLog,
    example=ERROR_EXAMPLE,
    changed={"is_resolved": True, "resolved_at": EXAMPLE_TIME},
    body=ErrorCorrectionRequest,
    find=_find,
    counted="Its group no longer counts it; metrics of days and minutes, which are of the events, still do. ",
)

"""/api/errors/groups: the errors of one type and stack as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator

from loopin_api.auth import Caller
from loopin_api.body import json_body
from loopin_api.correcting import NOTE, unknown_row, without_nul
from loopin_api.corrections import Author
from loopin_api.envelope import Moment
from loopin_api.openapi import COMMON, WITH_BODY, bare, failures, request_body
from loopin_api.openapi import page as page_of
from loopin_api.pages import Listed, Paged, listed
from loopin_api.queries.error_groups import Choice, Group, Level, Status, error_groups
from loopin_api.queries.errors import OF_ERRORS, corrected
from loopin_api.queries.recorded import Records
from loopin_api.services import Reader, Services, Use, Writer
from loopin_api.time_filters import Times
from loopin_sinks.metric_values.scope import from_epoch_ms
from loopin_text.stack_trace import parsed, type_of

router = APIRouter(tags=["errors"])

Ordering = Literal[
    "last_seen", "-last_seen", "first_seen", "-first_seen", "count", "-count", "users", "-users"
]
Fingerprint = Annotated[str, Path(max_length=200, description="The group's fingerprint.")]


class Levels(BaseModel):
    """Errors of a group by severity."""

    critical: int = Field(description="Critical ones, count.")
    error: int = Field(description="Errors, count.")
    warning: int = Field(description="Warnings, count.")
    info: int = Field(description="Notices, count.")
    debug: int = Field(description="Details, count.")


class ErrorGroup(BaseModel):
    """The errors of one fingerprint."""

    fingerprint: str = Field(description="Names the group: a hash of type and stack, or the client's own.")
    type: str | None = Field(
        description="Type of the exception, of the latest error; null where it is not said."
    )
    message: str = Field(description="Message of the latest error.")
    level: Level = Field(description="The most severe there is in the time asked for.")
    levels: Levels = Field(description="Errors in the time asked for by severity, count.")
    count: int = Field(description="Errors in the time asked for, count.")
    users: int = Field(description="Persons whom they met in that time, count.")
    first_seen: Moment = Field(description="The first error ever stored, ISO 8601 in UTC.")
    last_seen: Moment = Field(description="The latest one, ISO 8601 in UTC.")
    latest_id: str = Field(description="Id of the latest one.")
    status: Status = Field(
        description="`open`; `resolved`; or `regressed`: an error happened after the group was resolved."
    )
    is_resolved: bool = Field(description="Whether the status is `resolved`.")
    resolved_at: Moment | None = Field(
        description="When it was resolved, ISO 8601 in UTC; null where it is open."
    )
    resolved_by: str | None = Field(description="Who did it; null likewise.")
    note: str = Field(description="What whoever resolved it, or opened it again, said of it.")


class ErrorGroupRequest(BaseModel):
    """What becomes of a group."""

    model_config = ConfigDict(strict=True, extra="forbid")

    is_resolved: bool = Field(description="Resolve all errors up to now, or open the group again.")
    note: str = Field("", max_length=500, description=NOTE)

    _without_nul = field_validator("note")(without_nul)


_EXAMPLE: Final[dict[str, Any]] = {
    "fingerprint": "5f2c1d6a0b9e4f7788a3c4d5e6f70812",
    "type": "KeyError",
    "message": "'coffee'",
    "level": "critical",
    "levels": {"critical": 2, "error": 40, "warning": 0, "info": 0, "debug": 0},
    "count": 42,
    "users": 17,
    "first_seen": "2025-12-20T08:00:00.000Z",
    "last_seen": "2026-01-15T10:12:00.000Z",
    "latest_id": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10",
    "status": "open",
    "is_resolved": False,
    "resolved_at": None,
    "resolved_by": None,
    "note": "",
}
_RESOLVED: Final = {
    **_EXAMPLE,
    "status": "resolved",
    "is_resolved": True,
    "resolved_at": "2026-01-15T10:30:00.000Z",
    "resolved_by": "user-1",
}


@router.get(
    "/api/errors/groups",
    summary="Errors by type and stack",
    responses=page_of("A page of groups.", _EXAMPLE),
)
async def get_groups(
    use: Use,
    caller: Reader,
    times: Times,
    page: Paged,
    level: Annotated[Level | None, Query(description="Only errors of this severity.")] = None,
    status: Annotated[Status | None, Query(description="Only groups of this status.")] = None,
    ordering: Annotated[
        Ordering, Query(description="Order; `-`: the greatest or latest first.")
    ] = "-last_seen",
) -> Listed[ErrorGroup]:
    """Groups with errors in the time asked for. Needs the scope `read`.

    What has no fingerprint, because it was stored by an older release, is in none.
    """
    order: Any = ordering.removeprefix("-")
    choice = Choice(None, level, status, order, ordering.startswith("-"))
    corrections, decided = _known(use, caller)
    count, found = await error_groups(
        use.store, caller.project, times.span(), choice, corrections, decided, page.size, page.offset
    )
    return listed(page, count, await _told(use, caller, found))


@router.get(
    "/api/errors/groups/{fingerprint:path}",
    summary="Retrieve a group of errors",
    responses={**bare("The group, over all that is stored.", _EXAMPLE), **failures(404, *COMMON)},
)
async def get_group(use: Use, caller: Reader, fingerprint: Fingerprint) -> ErrorGroup:
    """One group, counted over all that is stored. Needs the scope `read`."""
    return await _one(use, caller, fingerprint)


@router.patch(
    "/api/errors/groups/{fingerprint:path}",
    summary="Resolve a group of errors, or open it again",
    responses={**bare("The group.", _RESOLVED), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(ErrorGroupRequest, {"resolve": {"is_resolved": True}}),
)
async def patch_group(
    use: Use,
    caller: Writer,
    fingerprint: Fingerprint,
    body: Annotated[ErrorGroupRequest, Depends(json_body(ErrorGroupRequest))],
) -> ErrorGroup:
    """Resolves all errors of the group that have happened up to now; one after that makes it `regressed`.

    Needs the scope `write`.
    """
    await _one(use, caller, fingerprint)
    author = Author(caller.author, use.clock(), body.note)
    await use.corrections.decide(caller.project, fingerprint, body.is_resolved, author)
    return await _one(use, caller, fingerprint)


def _known(use: Services, caller: Caller) -> Any:
    return use.corrections.of(caller.project, "errors"), use.corrections.groups(caller.project)


async def _one(use: Services, caller: Caller, fingerprint: str) -> ErrorGroup:
    corrections, decided = _known(use, caller)
    choice = Choice(fingerprint)
    _, found = await error_groups(use.store, caller.project, None, choice, corrections, decided, 1, 0)
    if not found:
        raise unknown_row("group of errors")
    return (await _told(use, caller, found))[0]


async def _told(use: Services, caller: Caller, groups: list[Group]) -> list[ErrorGroup]:
    corrections, decided = _known(use, caller)
    records = Records(use.store, caller.project, OF_ERRORS, corrections)
    latest = {
        record.id: corrected(record, corrections, decided)
        for record in await records.many([group.latest for group in groups])
    }
    return [_answer(group, latest.get(group.latest) or {}) for group in groups]


def _answer(group: Group, latest: Mapping[str, Any]) -> ErrorGroup:
    message, decided = latest.get("message", ""), group.decided
    resolved = decided if decided is not None and decided.resolved else None
    return ErrorGroup(
        fingerprint=group.fingerprint,
        type=parsed(latest.get("stack_trace", "")).type or type_of(message) or None,
        message=message,
        level=group.level,
        levels=Levels.model_validate(group.levels),
        count=group.count,
        users=group.users,
        first_seen=group.first,
        last_seen=group.last,
        latest_id=group.latest,
        status=group.status,
        is_resolved=group.status == "resolved",
        resolved_at=None if resolved is None else from_epoch_ms(resolved.at),
        resolved_by=None if resolved is None else resolved.by,
        note="" if decided is None else decided.note,
    )

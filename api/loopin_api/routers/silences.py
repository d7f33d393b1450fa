"""/api/analytics/silences: which alerts are not to be delivered, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Detail, Moment, Success
from loopin_api.errors import ApiError, invalid
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.services import Reader, Services, Use, Writer
from loopin_api.silences import SilenceState, name_of, state_of
from loopin_api.timespan import DURATION
from loopin_schemas.alert import Severity
from loopin_schemas.alert_rule import Silence
from loopin_sinks.metric_values.scope import epoch_ms, from_epoch_ms
from loopin_streams.kafka.config_state import Item

router = APIRouter(tags=["alerts"])

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST: Final = timedelta(days=366)
"""A year: nobody remembers a silence for longer."""

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class SilenceAnswer(BaseModel):
    """A silence: alerts that match all it names are not to be delivered."""

    id: str = Field(description="Its id.")
    state: SilenceState = Field(description="Whether it holds now.")
    rule: str | None = Field(description="Only alerts of this rule; null for all.")
    severity: Severity | None = Field(description="Only those of this severity; null for both.")
    dimensions: dict[str, str] = Field(description="Only those on these values, by dimension.")
    comment: str = Field(description="Why.")
    starts_at: Moment = Field(description="Since when, ISO 8601 in UTC.")
    ends_at: Moment = Field(description="Until when, ISO 8601 in UTC.")
    changed_by: str = Field(description="Who made it, or ended it.")


class SilenceRequest(BaseModel):
    """Which alerts are not to be delivered: those that match all that is named; without any, all."""

    model_config = ConfigDict(extra="forbid")

    rule: str = Field("", max_length=64, description="Only alerts of this rule.")
    severity: Severity | None = Field(None, description="Only those of this severity.")
    dimensions: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=200)]] = Field(
        default_factory=dict, max_length=20, description="Only those on these values, by dimension."
    )
    comment: str = Field("", max_length=500, description="Why.")
    starts_at: AwareDatetime | None = Field(
        None, description="Since when, ISO 8601 with an offset; now by default."
    )
    ends_at: AwareDatetime | None = Field(
        None, description=f"Until when, ISO 8601 with an offset: within {_LONGEST.days} days from now."
    )
    duration: str | None = Field(
        None, pattern=DURATION, description="Instead of `ends_at`, for how long: `30m`, `2h`, `1d`."
    )


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "0199f3a0-0000-7000-8000-000000000000",
    "state": "active",
    "rule": "payment_failure_rate",
    "severity": None,
    "dimensions": {"country": "IN"},
    "comment": "The bank is being moved.",
    "starts_at": "2026-01-15T10:30:00.000Z",
    "ends_at": "2026-01-15T12:30:00.000Z",
    "changed_by": "asha",
}
_REQUEST: Final = {
    "rule": "payment_failure_rate",
    "dimensions": {"country": "IN"},
    "duration": "2h",
    "comment": "The bank is being moved.",
}


@router.get(
    "/api/analytics/silences",
    summary="List silences",
    responses={**success("The silences.", [_EXAMPLE]), **failures(*COMMON)},
)
async def get_silences(
    use: Use,
    caller: Reader,
    state: Annotated[SilenceState | None, Query(description="Only those in this state.")] = None,
) -> Success[list[SilenceAnswer]]:
    """Silences, those that are over too, the one that begins last first. Needs the scope `read`."""
    answers = [_answer(use, item) for item in use.silences.all(caller.project)]
    return Success(data=[answer for answer in answers if state in (None, answer.state)])


@router.post(
    "/api/analytics/silences",
    summary="Silence alerts",
    status_code=201,
    responses={201: success("Silenced.", _EXAMPLE)[200], **failures(409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(SilenceRequest, {"rule": _REQUEST}),
)
async def post_silence(
    use: Use,
    caller: Writer,
    body: Annotated[SilenceRequest, Depends(json_body(SilenceRequest))],
) -> Success[SilenceAnswer]:
    """Alerts that match are not delivered for a time; they are judged and listed all the same.

    Needs the scope `write`.
    """
    if body.rule:
        _check_rule(use, caller.project, body.rule)
    item = await use.silences.add(_silence(use, caller.project, body), caller.author)
    return Success(data=_answer(use, item))


@router.delete(
    "/api/analytics/silences/{id}",
    summary="End a silence",
    responses={
        **success("It holds no more.", {**_EXAMPLE, "state": "expired"}),
        **failures(404, 409, *COMMON),
    },
)
async def delete_silence(
    use: Use,
    caller: Writer,
    id: Annotated[str, Path(max_length=200, description="The silence's id.")],
) -> Success[SilenceAnswer]:
    """Ends a silence that holds, which stays listed; forgets one that has not begun or is over.

    Needs the scope `write`.
    """
    item = await use.silences.end(caller.project, id, epoch_ms(use.clock()), caller.author)
    return Success(data=_answer(use, item))


def _silence(use: Services, project: str, body: SilenceRequest) -> Silence:
    starts_at = body.starts_at or use.clock()
    ends_at = _end(body, starts_at)
    if ends_at <= max(starts_at, use.clock()):
        raise invalid([Detail(field="ends_at", reason="Give an end that lies after the start and now.")])
    if starts_at < _EARLIEST:
        raise invalid([Detail(field="starts_at", reason="Give a start after 1970.")])
    if ends_at > use.clock() + _LONGEST:
        reason = f"Give an end within {_LONGEST.days} days from now, and silence them anew then."
        raise invalid([Detail(field="duration" if body.duration else "ends_at", reason=reason)])
    return Silence(
        project=project,
        starts_at=epoch_ms(starts_at),
        ends_at=epoch_ms(ends_at),
        rule=body.rule,
        severity=body.severity,
        dimensions=body.dimensions,
        comment=body.comment,
    )


def _end(body: SilenceRequest, starts_at: datetime) -> datetime:
    if body.ends_at is not None and body.duration is None:
        return body.ends_at
    if body.ends_at is not None or body.duration is None:
        raise invalid([Detail(field="duration", reason="Give either duration or ends_at.")])
    length = timedelta(**{_UNITS[body.duration[-1]]: int(body.duration[:-1])})
    try:
        return starts_at + length
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _check_rule(use: Services, project: str, name: str) -> None:
    try:
        use.alert_rules.find(project, name)
    except ApiError as error:
        raise invalid([Detail(field="rule", reason=error.message)]) from None


def _answer(use: Services, item: Item[Silence]) -> SilenceAnswer:
    silence = item.body
    return SilenceAnswer(
        id=name_of(item),
        state=state_of(silence, epoch_ms(use.clock())),
        rule=silence.rule or None,
        severity=silence.severity,
        dimensions=silence.dimensions,
        comment=silence.comment,
        starts_at=from_epoch_ms(silence.starts_at),
        ends_at=from_epoch_ms(silence.ends_at),
        changed_by=item.by,
    )

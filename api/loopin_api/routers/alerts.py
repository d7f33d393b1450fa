"""/api/analytics/alerts: what somebody should look at, what became of it, and who looks after it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.alert_test import raise_test_alert
from loopin_api.body import json_body
from loopin_api.envelope import Moment, Success
from loopin_api.errors import ApiError
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.pages import Paged
from loopin_api.queries import alerts as asked
from loopin_api.services import Reader, Services, Use, Writer
from loopin_api.time_filters import Times
from loopin_schemas.alert import Alert, AlertEvent, AlertGrain, AlertState, Severity
from loopin_schemas.alert_rule import Acknowledgement
from loopin_sinks.metric_values.scope import epoch_ms, from_epoch_ms

router = APIRouter(tags=["alerts"])

MAX_ID: Final = 200
"""Most characters of the id of something that is configured, as an acknowledgement is."""

AlertId = Annotated[str, Path(max_length=2000, description="The alert's id, as the list shows it.")]


class Window(BaseModel):
    """The time that was judged."""

    grain: AlertGrain = Field(
        description="Length of the windows that it consists of; `moment` where the present state was judged."
    )
    start: Moment = Field(description="Its start in event time, ISO 8601 in UTC.")
    end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")


class Expected(BaseModel):
    """What the value was expected to be."""

    low: float = Field(description="At least, in the metric's unit.")
    high: float = Field(description="At most, in the metric's unit.")


class AlertRecord(BaseModel):
    """An alert as it is since one thing that happened to it."""

    id: str = Field(description="The alert; all its records have the same.")
    sequence: int = Field(description="Number of the record, from 1 on, count.")
    event: AlertEvent = Field(description="What has happened; `worse`: a warning became critical.")
    state: AlertState = Field(description="What it is since then.")
    severity: Severity = Field(description="Which limit was passed.")
    rule: str = Field(description="Name of the rule.")
    rule_version: str = Field(description="The rule's version then; of a built-in rule, the release.")
    metric: str = Field(description="Name of the metric or series.")
    dimensions: dict[str, str] = Field(description="What of it: value by dimension; empty for the whole.")
    value: float | None = Field(
        description="The metric's value, in its unit (ratios 0 to 1); null where there was none."
    )
    threshold: float | None = Field(description="The limit that it passed, in the same unit; null for none.")
    expected: Expected | None = Field(description="What was expected, of anomalies; else null.")
    count: int = Field(description="Events or users that the value is made of, count.")
    window: Window = Field(description="The time that the value is of.")
    windows: list[str] = Field(
        description="The windows behind the value: `metric/dimension/value/grain/start`, start in epoch ms."
    )
    message: str = Field(description="One sentence for a person.")
    labels: dict[str, str] = Field(description="The rule's labels.")
    silenced: bool = Field(description="Whether it is not to be delivered.")
    escalated: bool = Field(description="Whether nobody has looked after it for too long.")
    acknowledged_by: str | None = Field(description="Who looks after it; null for nobody.")
    opened_at: Moment = Field(description="When the rule became true, ISO 8601 in UTC.")
    fired_at: Moment | None = Field(description="When it fired, ISO 8601 in UTC; null while pending.")
    resolved_at: Moment | None = Field(description="When it ended, ISO 8601 in UTC; null before.")
    at: Moment = Field(description="When this record was made, ISO 8601 in UTC.")
    reason: str | None = Field(description="Why it ended, where that was not by its value; else null.")


class AlertPage(BaseModel):
    """A page of alerts."""

    count: int = Field(description="Alerts on all pages, count.")
    next: str | None = Field(description="Address of the next page; null on the last.")
    previous: str | None = Field(description="Address of the page before; null on the first.")
    results: list[AlertRecord] = Field(
        description="The newest record of each alert, those that opened last first."
    )


class WindowNumbers(BaseModel):
    """A window behind an alert's value, as it is stored now."""

    name: str = Field(description="As in `windows`.")
    count: int | None = Field(description="Events or users in it, count; null where it is not stored.")
    sum: float | None = Field(
        description="Sum of what was measured, in the series' unit (of a ratio, its part); null for none."
    )
    closed: bool | None = Field(description="Whether its time is over for all; null where it is not stored.")
    basis: str | None = Field(
        description="What counts as one user, distinct_ids or persons; null where it is not stored."
    )


class AlertDetail(AlertRecord):
    """An alert, how it came to be so, and what it is made of."""

    history: list[AlertRecord] = Field(
        description=f"All its records in order, of more than {asked.MAX_RECORDS} the newest."
    )
    window_numbers: list[WindowNumbers] = Field(description="The windows behind the value, in order.")


class AcknowledgementRequest(BaseModel):
    """Somebody looks after an alert."""

    model_config = ConfigDict(extra="forbid")

    comment: str = Field("", max_length=500, description="What they do about it.")


class Acknowledged(BaseModel):
    """Who looks after an alert."""

    id: str = Field(description="The alert.")
    acknowledged_by: str = Field(description="Who: the token's user, or the key.")
    acknowledged_at: Moment = Field(description="Since when, ISO 8601 in UTC.")
    comment: str = Field(description="What they do about it.")


class TestAlert(BaseModel):
    """A test that is on its way to whoever is told of alerts."""

    id: str = Field(description="Id of the alert that was raised, and resolved at once.")
    message: str = Field(description="What its records say.")


RECORD_EXAMPLE: Final[dict[str, Any]] = {
    "id": "shop:payment_failure_rate:1768473000000",
    "sequence": 1,
    "event": "fired",
    "state": "firing",
    "severity": "warning",
    "rule": "payment_failure_rate",
    "rule_version": "built-in 0.1.0",
    "metric": "payment_failure_rate",
    "dimensions": {},
    "value": 0.152,
    "threshold": 0.1,
    "expected": None,
    "count": 46,
    "window": {"grain": "minute", "start": "2026-01-15T10:15:00.000Z", "end": "2026-01-15T10:30:00.000Z"},
    "windows": ["payment_failure_rate///minute/1768472940000"],
    "message": "payment_failure_rate of project shop is 15.2% over 15 minutes (limit 10.0%).",
    "labels": {"owner": "finance"},
    "silenced": False,
    "escalated": False,
    "acknowledged_by": None,
    "opened_at": "2026-01-15T10:29:31.204Z",
    "fired_at": "2026-01-15T10:29:31.204Z",
    "resolved_at": None,
    "at": "2026-01-15T10:29:31.204Z",
    "reason": None,
}
_PAGE: Final = {"count": 1, "next": None, "previous": None, "results": [RECORD_EXAMPLE]}
_WINDOW: Final = {
    "name": "payment_failure_rate///minute/1768472940000",
    "count": 46,
    "sum": 7.0,
    "closed": True,
    "basis": "distinct_ids",
}
_DETAIL: Final = {**RECORD_EXAMPLE, "history": [RECORD_EXAMPLE], "window_numbers": [_WINDOW]}
_ACKNOWLEDGED: Final = {
    "id": RECORD_EXAMPLE["id"],
    "acknowledged_by": "asha",
    "acknowledged_at": "2026-01-15T10:31:00.000Z",
    "comment": "The bank is down; switched to the other one.",
}
_TEST: Final = {
    "id": "test:0199f3a0-0000-7000-8000-000000000000",
    "message": "This is a test alert of project shop: nothing is wrong.",
}


@router.get(
    "/api/analytics/alerts",
    summary="List alerts",
    responses={**success("A page of alerts.", _PAGE), **failures(404, *COMMON)},
)
async def get_alerts(
    use: Use,
    caller: Reader,
    times: Times,
    page: Paged,
    state: Annotated[AlertState | None, Query(description="Only alerts in this state.")] = None,
    severity: Annotated[Severity | None, Query(description="Only those of this severity.")] = None,
    rule: Annotated[str | None, Query(max_length=64, description="Only those of this rule.")] = None,
    metric: Annotated[str | None, Query(max_length=200, description="Only those on this metric.")] = None,
) -> Success[AlertPage]:
    """Alerts that were open at some time of the last 30 days, or of the time asked for, the newest first.

    Needs the scope `read`.
    """
    wanted = asked.Wanted(span=times.span(), state=state, severity=severity, rule=rule, metric=metric)
    count, found = await asked.alerts(use.store, caller.project, wanted, page.size, page.offset)
    page.check(count)
    following, previous = page.links(count)
    results = [record_of(alert) for alert in found]
    return Success(data=AlertPage(count=count, next=following, previous=previous, results=results))


@router.get(
    "/api/analytics/alerts/{id:path}",
    summary="One alert, its history, and the windows behind it",
    responses={**success("The alert.", _DETAIL), **failures(404, *COMMON)},
)
async def get_alert(use: Use, caller: Reader, id: AlertId) -> Success[AlertDetail]:
    """An alert as it is now, all that happened to it, and the numbers that it is made of.

    Needs the scope `read`.
    """
    history = await asked.records(use.store, caller.project, id)
    if not history:
        raise _unknown()
    newest = history[-1]
    numbers = await asked.windows(use.store, newest)
    return Success(
        data=AlertDetail.model_validate(
            {
                **record_of(newest).model_dump(),
                "history": [record_of(alert).model_dump() for alert in history],
                "window_numbers": [msgspec.to_builtins(each) for each in numbers],
            }
        )
    )


@router.post(
    "/api/analytics/alerts/test",
    summary="Raise a test alert",
    responses={**success("It is on its way.", _TEST), **failures(*COMMON)},
)
async def post_test(use: Use, caller: Writer) -> Success[TestAlert]:
    """Writes an alert that fires and is resolved at once, of the rule `test`, to the topic `alerts`.

    Whoever is told of alerts is told of this one: that shows that the way to them works. Needs the scope
    `write`.
    """
    alert = await raise_test_alert(use, caller)
    return Success(data=TestAlert(id=alert.id, message=alert.message))


@router.post(
    "/api/analytics/alerts/{id:path}/ack",
    summary="Acknowledge an alert",
    responses={**success("It is looked after.", _ACKNOWLEDGED), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(
        AcknowledgementRequest, {"comment": {"comment": _ACKNOWLEDGED["comment"]}}, required=False
    ),
)
async def post_acknowledgement(
    use: Use,
    caller: Writer,
    id: AlertId,
    body: Annotated[AcknowledgementRequest, Depends(json_body(AcknowledgementRequest, required=False))],
) -> Success[Acknowledged]:
    """Says that you look after an alert: it is neither told again nor escalated.

    A second acknowledgement takes the place of the first. The alert's own record of it follows within
    seconds. Needs the scope `write`.
    """
    newest = await _open(use, caller.project, id)
    held = use.items.of(Acknowledgement).get(id)
    now = use.clock()
    said = Acknowledgement(
        project=caller.project, at=epoch_ms(now), sequence=newest.sequence, comment=body.comment
    )
    replaces = held.version if held is not None else None
    item = await use.items.put(id, said, replaces=replaces, by=caller.author)
    return Success(
        data=Acknowledged(
            id=id,
            acknowledged_by=item.by,
            acknowledged_at=from_epoch_ms(item.body.at),
            comment=item.body.comment,
        )
    )


def record_of(alert: Alert) -> AlertRecord:
    """As it is answered."""
    return AlertRecord.model_validate(
        {
            **{name: getattr(alert, name) for name in AlertRecord.model_fields},
            "expected": alert.expected and msgspec.structs.asdict(alert.expected),
            "window": {
                "grain": alert.window.grain,
                "start": from_epoch_ms(alert.window.start),
                "end": from_epoch_ms(alert.window.end),
            },
            "acknowledged_by": alert.acknowledged_by or None,
            "reason": alert.reason or None,
            "opened_at": from_epoch_ms(alert.opened_at),
            "fired_at": _moment(alert.fired_at),
            "resolved_at": _moment(alert.resolved_at),
            "at": from_epoch_ms(alert.at),
        }
    )


async def _open(use: Services, project: str, id: str) -> Alert:
    """The newest record of an alert that is not over."""
    found = await asked.records(use.store, project, id, most=1)
    if not found:
        raise _unknown()
    if found[0].state == "resolved":
        raise ApiError(409, "ALERT_RESOLVED", "This alert is over; there is nothing to look after.")
    if len(id.encode()) > MAX_ID:
        reason = f"Its id has more than {MAX_ID} bytes, so it cannot be acknowledged; silence its rule."
        raise ApiError(409, "ID_TOO_LONG", reason)
    return found[0]


def _unknown() -> ApiError:
    return ApiError(404, "UNKNOWN_ALERT", "There is no such alert; GET /api/analytics/alerts lists them.")


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_epoch_ms(milliseconds)

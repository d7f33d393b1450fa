"""POST /api/analytics/alert-rules/{name}/backtest: when a rule would have fired."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Detail, Moment, Success
from loopin_api.errors import invalid
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.routers.alert_rules import AlertRulePatch, RuleName, patched
from loopin_api.routers.alerts import Window
from loopin_api.services import Reader, Use
from loopin_api.timespan import Timespan, between
from loopin_schemas.alert import Severity
from loopin_schemas.alert_rule import AlertRule
from loopin_schemas.alert_rules.pipeline import HEALTH
from loopin_sinks.alerts.backtest import TooMuchHistory, backtest, longest_time
from loopin_sinks.alerts.episodes import Episode
from loopin_sinks.metric_values.scope import Periods, from_epoch_ms
from loopin_streams.alerts.lifecycle import Rule

router = APIRouter(tags=["alerts"])


class BacktestRequest(BaseModel):
    """Over which time, and what is to be tried."""

    model_config = ConfigDict(extra="forbid")

    since: str | None = Field(
        None,
        alias="from",
        max_length=40,
        description="Start: ISO 8601, or relative such as `-7d`; by default 30 days before `to`, or the "
        "longest time that the rule is tried over, where that is shorter.",
    )
    to: str | None = Field(None, max_length=40, description="End, excluded, the same way; now by default.")
    changes: AlertRulePatch | None = Field(
        None, description="What would be changed of the rule: nothing is kept of it."
    )


class EpisodeAnswer(BaseModel):
    """One alert that there would have been."""

    fired_at: Moment = Field(description="When it would have fired, to the minute, event time in UTC.")
    resolved_at: Moment | None = Field(description="When it would have ended; null where it goes on.")
    severity: Severity = Field(description="The worst that it would have been.")
    dimensions: dict[str, str] = Field(description="What of it: value by dimension; empty for the whole.")
    value: float | None = Field(description="The value that it would have fired on, in the metric's unit.")
    peak: float | None = Field(
        description="The value furthest beyond the limit while it fired, in that unit."
    )
    threshold: float | None = Field(description="The limit that it would have passed first, in that unit.")
    window: Window = Field(description="The time that it would have fired on.")
    windows: list[str] = Field(
        description="The windows behind `value`, as alerts name them; those of the stream are stored."
    )


class Covered(BaseModel):
    """The part of the time that there is history of."""

    start: Moment = Field(description="Its start, ISO 8601 in UTC.")
    end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")


class BacktestAnswer(BaseModel):
    """When a rule would have fired."""

    rule: str = Field(description="The rule.")
    total: int = Field(description="Alerts that there would have been, count.")
    episodes: list[EpisodeAnswer] = Field(description="These alerts, in order.")
    period_start: Moment = Field(description="Start of the time asked for, ISO 8601 in UTC.")
    period_end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")
    covered: Covered | None = Field(
        description="The part of it that there is history of: windows that are stored; null for none."
    )


_EXAMPLE: Final[dict[str, Any]] = {
    "rule": "payment_failure_rate",
    "total": 1,
    "episodes": [
        {
            "fired_at": "2026-01-14T18:05:00.000Z",
            "resolved_at": "2026-01-14T18:31:00.000Z",
            "severity": "critical",
            "dimensions": {},
            "value": 0.121,
            "peak": 0.34,
            "threshold": 0.1,
            "window": {
                "grain": "minute",
                "start": "2026-01-14T17:50:00.000Z",
                "end": "2026-01-14T18:05:00.000Z",
            },
            "windows": ["payment_failure_rate///minute/1768413840000"],
        }
    ],
    "period_start": "2026-01-08T10:30:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "covered": {"start": "2026-01-08T10:30:00.000Z", "end": "2026-01-15T10:30:00.000Z"},
}
_REQUESTS: Final[dict[str, Any]] = {
    "week": {"from": "-7d"},
    "other limits": {
        "from": "2026-01-08",
        "to": "2026-01-14",
        "changes": {"condition": {"type": "threshold", "warning": 0.15, "critical": 0.3}},
    },
}


@router.post(
    "/api/analytics/alert-rules/{name}/backtest",
    summary="When a rule would have fired",
    responses={
        **success("The alerts that there would have been.", _EXAMPLE),
        **failures(404, *COMMON, *WITH_BODY),
    },
    openapi_extra=request_body(BacktestRequest, _REQUESTS),
)
async def post_backtest(
    use: Use,
    caller: Reader,
    name: RuleName,
    body: Annotated[BacktestRequest, Depends(json_body(BacktestRequest))],
) -> Success[BacktestAnswer]:
    """Tries a rule, or what would become of it, over past time; also one that is switched off.

    A rule is judged by the code that judges it live: those of the stream over the windows that are stored,
    the others over what the store computes, at up to 300 moments of the time.
    Needs the scope `read`.
    """
    held = use.alert_rules.find(caller.project, name)
    rule = held.rule if body.changes is None else patched(held.rule, caller.project, body.changes)
    use.alert_rules.check(rule, caller.project)
    if rule.metric in HEALTH:
        reason = f"{rule.metric} is judged as it is now; there is no history of it to try a rule on."
        raise invalid([Detail(field="metric", reason=reason)])
    span = _span(body, rule, use.clock(), use.projects.zone(caller.project))
    scope = scope_of(use, caller.project, span, {}, bots=False)
    tried = Periods((span.start, min(span.end, use.clock())))
    try:
        async with use.alert_rules.turn:
            of = Rule(rule, held.version)
            found = await backtest(use.store, scope, of, lambda: use.items.configuration, tried)
    except TooMuchHistory as error:
        raise invalid([Detail(field="from", reason=str(error))]) from None
    return Success(
        data=BacktestAnswer.model_validate(
            {
                "rule": name,
                "total": len(found.episodes),
                "episodes": [_episode(each) for each in found.episodes],
                "period_start": span.start,
                "period_end": span.end,
                "covered": found.covered and {"start": found.covered[0], "end": found.covered[1]},
            }
        )
    )


def _span(body: BacktestRequest, rule: AlertRule, now: datetime, zone: tzinfo) -> Timespan:
    """What was asked for; without a start, as much of it as the rule is tried over."""
    span = between(body.since, body.to, now, zone)
    longest = longest_time(rule)
    if body.since is not None or not longest:
        return span
    return replace(span, start=max(span.start, min(span.end, now) - longest))


def _episode(episode: Episode) -> dict[str, Any]:
    window = episode.window
    return {
        "fired_at": from_epoch_ms(episode.fired_at),
        "resolved_at": _moment(episode.resolved_at),
        **{name: getattr(episode, name) for name in ("severity", "dimensions", "value", "peak", "threshold")},
        "window": {
            "grain": window.grain,
            "start": from_epoch_ms(window.start),
            "end": from_epoch_ms(window.end),
        },
        "windows": episode.windows,
    }


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_epoch_ms(milliseconds)

"""POST /api/analytics/metrics/calculate."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Moment, Success
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.queries.recalculation import MAX_CHANGES, recalculated
from loopin_api.services import Use, Writer
from loopin_api.timespan import between
from loopin_schemas.metrics import Grain
from loopin_sinks.metric_history.recalculate import Change

router = APIRouter(tags=["metrics"])


class CalculateRequest(BaseModel):
    """What to compute anew."""

    model_config = ConfigDict(extra="forbid")

    names: Annotated[
        list[str] | None,
        Field(min_length=1, max_length=200, description="Names of metrics; without any, all of them."),
    ] = None
    start: str = Field(alias="from", description="Start, included: ISO 8601, or relative such as `-7d`.")
    end: str = Field(
        alias="to", description="End, excluded: ISO 8601, relative or `now`; a date alone includes that day."
    )


class Window(BaseModel):
    """A period."""

    grain: Grain = Field(description="Its length.")
    start: Moment = Field(description="Its start, ISO 8601 in UTC.")
    end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")


class ChangeAnswer(BaseModel):
    """A value that is another one now."""

    name: str = Field(description="The metric.")
    window: Window = Field(description="The period.")
    before: float | None = Field(description="What was kept, in the metric's unit; null for none.")
    after: float | None = Field(description="What is kept now, in the metric's unit; null for none.")


class SkippedAnswer(BaseModel):
    """A metric of which not all was computed, because events that it depends on are gone."""

    name: str = Field(description="The metric.")
    covered_from: Moment | None = Field(
        description="From when on it was computed, ISO 8601 in UTC; null for not at all."
    )


class Calculated(BaseModel):
    """What became of it."""

    calculated: int = Field(description="Number of values that were computed.")
    changed: int = Field(
        description="Number of those that are others now, or that are kept for the first time."
    )
    changes: list[ChangeAnswer] = Field(description=f"Which those are, at most {MAX_CHANGES}.")
    skipped: list[SkippedAnswer] = Field(description="What stays as it is kept.")


_EXAMPLE: Final = {
    "calculated": 32,
    "changed": 1,
    "changes": [
        {
            "name": "revenue",
            "window": {
                "grain": "day",
                "start": "2026-01-14T00:00:00.000Z",
                "end": "2026-01-15T00:00:00.000Z",
            },
            "before": 1200.0,
            "after": 1450.0,
        }
    ],
    "skipped": [{"name": "mau", "covered_from": "2025-12-15T00:00:00.000Z"}],
}


@router.post(
    "/api/analytics/metrics/calculate",
    summary="Compute kept values anew",
    responses={**success("What changed.", _EXAMPLE), **failures(404, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(
        CalculateRequest,
        {
            "one": {"names": ["revenue"], "from": "2026-01-01", "to": "2026-01-14"},
            "all": {"from": "-7d", "to": "now"},
        },
    ),
)
async def post_calculate(
    use: Use, caller: Writer, body: Annotated[CalculateRequest, Depends(json_body(CalculateRequest))]
) -> Success[Calculated]:
    """Computes metrics anew for all hours, days, weeks and months that lie within a time and are over.

    For what came later than the tasks calculate by themselves. What is asked for beyond the events that are
    kept is answered with 422, which names the time that they cover. Needs the scope `write`.
    """
    now = use.clock()
    span = between(body.start, body.end, now, use.projects.zone(caller.project))
    names = [each.name for each in use.metrics.all(caller.project)] if body.names is None else body.names
    chosen = [use.metrics.find(caller.project, name) for name in dict.fromkeys(names)]
    scope = scope_of(use, caller.project, span, {}, bots=False)
    found = await recalculated(use.store, scope, chosen, span, named=body.names is not None)
    return Success(
        data=Calculated(
            calculated=found.calculated,
            changed=len(found.changes),
            changes=[_change(each) for each in found.changes[:MAX_CHANGES]],
            skipped=[SkippedAnswer(name=each.name, covered_from=each.start) for each in found.skipped],
        )
    )


def _change(of: Change) -> ChangeAnswer:
    window = Window(grain=of.grain, start=of.start, end=of.end)
    return ChangeAnswer(name=of.metric, window=window, before=of.before, after=of.after)

"""POST /api/analytics/metrics/calculate."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Moment, Success
from loopin_api.errors import unavailable
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.queries.recalculation import MAX_CHANGES, Recalculation, ask, recalculation
from loopin_api.services import Reader, Use, Writer
from loopin_api.timespan import between
from loopin_schemas.metrics import Grain
from loopin_sinks.metric_history.changes import Change
from loopin_sinks.tasks.runs import OPEN, State

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

    id: str = Field(
        description="Of the run: ask `/api/analytics/metrics/calculations/{id}` while it goes on."
    )
    state: State = Field(
        description="done; failed; requested, running or cancelling while it goes on; cancelled or "
        "interrupted, where what it did before stays."
    )
    calculated: int = Field(description="Number of values that were computed, so far.")
    total: int = Field(description="Number of those that are to be computed; 0 while it has not begun.")
    changed: int = Field(
        description="Number of those that are others now, or that are kept for the first time, so far."
    )
    changes: list[ChangeAnswer] = Field(description=f"Which those are, at most {MAX_CHANGES}.")
    skipped: list[SkippedAnswer] = Field(
        description="What stays as it is kept; told to who asks for the computation only."
    )
    nothing: str | None = Field(
        description="Why there is nothing to compute, in one sentence; null where there is. Told to who asks "
        "for the computation only."
    )
    error: str | None = Field(description="What went wrong, in one sentence; null for nothing.")


_EXAMPLE: Final = {
    "id": "01a1f88184408fce7c098fb6472f91b6",
    "state": "done",
    "calculated": 32,
    "total": 32,
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
    "nothing": None,
    "error": None,
}
_GOES_ON: Final = {**_EXAMPLE, "state": "running", "calculated": 8, "changed": 0, "changes": []}


@router.post(
    "/api/analytics/metrics/calculate",
    summary="Compute kept values anew",
    responses={
        **success("What changed.", _EXAMPLE),
        202: success("It goes on.", _GOES_ON)[200] | {"model": Success[Calculated]},
        **failures(404, *COMMON, *WITH_BODY),
    },
    openapi_extra=request_body(
        CalculateRequest,
        {
            "one": {"names": ["revenue"], "from": "2026-01-01", "to": "2026-01-14"},
            "all": {"from": "-7d", "to": "now"},
        },
    ),
)
async def post_calculate(
    use: Use,
    caller: Writer,
    body: Annotated[CalculateRequest, Depends(json_body(CalculateRequest))],
    response: Response,
) -> Success[Calculated]:
    """Computes metrics anew for all hours, days, weeks and months that lie within a time and are over.

    For what came later than the tasks calculate by themselves. It is a run of the task `calculate_requested`,
    which the process that leads makes and `loopin tasks` shows and cancels; what does not end within 20
    seconds is answered with 202 and goes on. What is asked for beyond the events that are kept is answered
    with 422, which names the time that they cover; so is more than 20,000 values (periods times metrics),
    with the code `TOO_MUCH_TO_CALCULATE`. Needs the scope `write`.
    """
    now = use.clock()
    span = between(body.start, body.end, now, use.projects.zone(caller.project))
    names = [each.name for each in use.metrics.all(caller.project)] if body.names is None else body.names
    chosen = [use.metrics.find(caller.project, name) for name in dict.fromkeys(names)]
    scope = scope_of(use, caller.project, span, {}, bots=False)
    found = await ask(
        use.store, use.tasks, scope, chosen, span, named=body.names is not None, by=caller.author
    )
    if found.run.state == "failed":
        raise unavailable("NOT_CALCULATED", found.run.error)
    response.status_code = 202 if found.run.state in OPEN else 200
    return Success(data=_calculated(found))


@router.get(
    "/api/analytics/metrics/calculations/{id}",
    summary="What became of a computation",
    responses={**success("How far it is, and what changed.", _EXAMPLE), **failures(404, *COMMON)},
)
async def get_calculation(
    use: Use, caller: Reader, id: Annotated[str, Path(max_length=64, description="Its id.")]
) -> Success[Calculated]:
    """A computation of kept values that somebody of this project asked for. Needs the scope `read`."""
    return Success(data=_calculated(await recalculation(use.store, use.tasks, caller.project, id)))


def _calculated(found: Recalculation) -> Calculated:
    return Calculated(
        id=found.run.id,
        state=found.run.state,
        calculated=found.run.done,
        total=found.run.total,
        changed=found.changed,
        changes=[_change(each) for each in found.changes],
        skipped=[SkippedAnswer(name=each.name, covered_from=each.start) for each in found.skipped],
        nothing=found.nothing,
        error=found.run.error or None,
    )


def _change(of: Change) -> ChangeAnswer:
    window = Window(grain=of.grain, start=of.start, end=of.end)
    return ChangeAnswer(name=of.metric, window=window, before=of.before, after=of.after)

"""POST /api/analytics/insights/generate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Response

from loopin_api.envelope import Success
from loopin_api.errors import ApiError, unavailable
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries import recalculation
from loopin_api.routers.tasks import RUN, RunAnswer, answered_run
from loopin_api.services import Reader, Use, Writer
from loopin_schemas.codec import encode
from loopin_sinks.tasks.generate_insights import GENERATE_INSIGHTS, InsightArguments
from loopin_sinks.tasks.runs import OPEN

router = APIRouter(tags=["insights"])

_DONE: Final = {
    **RUN,
    "schedule": GENERATE_INSIGHTS.name,
    "task": GENERATE_INSIGHTS.name,
    "by": "user-1",
    "scheduled_for": None,
    "rows": 3,
    "done": 0,
    "total": 0,
}
_GOES_ON: Final = {**_DONE, "state": "running", "ended_at": None, "rows": 0}


@router.post(
    "/api/analytics/insights/generate",
    summary="Look for insights now",
    responses={
        **success("What came of it.", _DONE),
        202: success("It goes on.", _GOES_ON)[200] | {"model": Success[RunAnswer]},
        **failures(404, *COMMON),
    },
)
async def post_generate(use: Use, caller: Writer, response: Response) -> Success[RunAnswer]:
    """Looks for insights of the project at once, as the task `generate_insights` does every six hours.

    `rows` is how many are new, others than before, or withdrawn. It is a run of the task, which the process
    that leads makes; what does not end within 20 seconds is answered with 202 and goes on:
    `/api/analytics/insights/runs/{id}` says what becomes of it. Needs the scope `write`.
    """
    told = _arguments(caller.project)
    run = await use.tasks.ask(GENERATE_INSIGHTS.name, told, caller.author, use.clock())
    run = await use.tasks.ended(run, recalculation.WAIT_S)
    if run.state == "failed":
        raise unavailable("NOT_GENERATED", run.error)
    response.status_code = 202 if run.state in OPEN else 200
    return Success(data=answered_run(run))


@router.get(
    "/api/analytics/insights/runs/{id}",
    summary="What became of a search for insights",
    responses={**success("The run.", _DONE), **failures(404, *COMMON)},
)
async def get_generation(
    use: Use, caller: Reader, id: Annotated[str, Path(max_length=64, description="Its id.")]
) -> Success[RunAnswer]:
    """A search for insights that somebody of this project asked for. Needs the scope `read`."""
    run = await use.tasks.run(id)
    own = encode(_arguments(caller.project)).decode()
    if (run.task, run.arguments) != (GENERATE_INSIGHTS.name, own):
        raise ApiError(404, "UNKNOWN_RUN", "There is no search of this id; runs are kept for 90 days.")
    return Success(data=answered_run(run))


def _arguments(project: str) -> Mapping[str, Any]:
    arguments: Mapping[str, Any] = msgspec.to_builtins(InsightArguments(projects=(project,)))
    return arguments

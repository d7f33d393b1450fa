"""/api/analytics/tasks: what runs by the clock, when, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from loopin_api.body import json_body
from loopin_api.envelope import Moment, Success
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.services import Admin, Services, Use
from loopin_schemas.names import NAME
from loopin_sinks.tasks.runs import Run, State
from loopin_sinks.tasks.schedules import Schedule
from loopin_sinks.tasks.when import Crontab, Every
from loopin_streams.projects.project import zone_name

router = APIRouter(tags=["tasks"])

Name = Annotated[str, Path(max_length=64, description="The schedule's name.")]

_CRONTAB: Final = (
    "Minute, hour, day of the month, month, day of the week, e.g. `*/30 * * * *`: on the clocks of its "
    "project, where its arguments name one in `projects`, else of `LOOPIN_PROJECT_TIMEZONE`."
)
_EVERY: Final = "Instead of a crontab: seconds from one time to the next, counted from 1970."
_ARGUMENTS: Final = "What it tells its task, e.g. `names` of metrics."


class RunAnswer(BaseModel):
    """A run of a task."""

    id: str = Field(description="Its id.")
    schedule: str = Field(description="The schedule that it was due by, or that was asked for.")
    task: str = Field(description="What was done.")
    state: State = Field(
        description="requested, until it is begun; running; cancelling, until it is cancelled; done; failed; "
        "interrupted, where its process ended or another one took over: what was due is begun once more then."
    )
    by: str = Field(description="Who asked for it; `schedule` where it was due.")
    scheduled_for: Moment | None = Field(
        description="When it was due, ISO 8601 in UTC; null where somebody asked for it."
    )
    asked_at: Moment = Field(description="When it was asked for or found due, ISO 8601 in UTC.")
    started_at: Moment | None = Field(description="When it began; null while it waits.")
    ended_at: Moment | None = Field(description="When it ended; null before.")
    rows: int = Field(description="Number of rows that it wrote.")
    done: int = Field(description="How far it has come: projects or values, count; `total` says of how many.")
    total: int = Field(description="How many there are, count; 0 while that is not known.")
    told_at: Moment | None = Field(
        description="When its process last told anything of it, ISO 8601 in UTC: every 10 s while it goes on."
    )
    error: str | None = Field(description="What went wrong, in one sentence; null for nothing.")


class ScheduleAnswer(BaseModel):
    """When a task runs."""

    name: str = Field(description="Its name; its task's, where it is the one that the task comes with.")
    task: str = Field(description="What is done.")
    description: str = Field(description="What that is, for a person.")
    crontab: str | None = Field(
        description=f"When it is due. {_CRONTAB} Null where `every_s` says it; both are null where it runs "
        "only when somebody asks for it."
    )
    every_s: int | None = Field(
        description="Seconds from one time to the next; null where a crontab says it."
    )
    timezone: str = Field(description="Whose clocks a crontab goes by: a name of the tz database.")
    paused: bool = Field(description="Whether it waits until it is resumed.")
    own: bool = Field(description="Whether somebody added it.")
    arguments: dict[str, Any] = Field(description=_ARGUMENTS)
    error: str | None = Field(description="Why it cannot be used and does not run; null where it can.")
    next_run_at: Moment | None = Field(description="When it is due next, ISO 8601 in UTC; null for never.")
    last_run: RunAnswer | None = Field(description="Its newest run; null where none is kept.")


class _Fields(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    crontab: str | None = Field(None, max_length=200, description=_CRONTAB)
    every_s: int | None = Field(None, ge=60, le=31 * 86_400, description=_EVERY)
    arguments: dict[str, Any] = Field({}, description=_ARGUMENTS)

    @model_validator(mode="after")
    def _one_of_both(self) -> _Fields:
        if self.crontab is not None and self.every_s is not None:
            raise ValueError("give either crontab or every_s")
        return self

    def given(self) -> dict[str, Any]:
        """What was sent."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"name", "task"}}


class ChangedSchedule(_Fields):
    """What is to be changed of a schedule; with `crontab` and `every_s` null it is due as its task comes."""

    paused: bool = Field(False, description="Whether it waits until it is resumed.")


class AddedSchedule(ChangedSchedule):
    """A further schedule of a task."""

    name: str = Field(pattern=NAME, description="Its name: lower case, digits and underscores, 64 at most.")
    task: str = Field(max_length=64, description="What is to be done: a task's name.")


class RunRequest(BaseModel):
    """A run that is asked for."""

    model_config = ConfigDict(strict=True, extra="forbid")

    arguments: dict[str, Any] | None = Field(
        None, description="What to tell the task this time; without it, what the schedule tells it."
    )


RUN: Final = {
    "id": "5e6693998dcf4f258e3fffc296d15a44",
    "schedule": "calculate_metrics",
    "task": "calculate_metrics",
    "state": "done",
    "by": "schedule",
    "scheduled_for": "2026-01-15T10:05:00.000Z",
    "asked_at": "2026-01-15T10:05:00.412Z",
    "started_at": "2026-01-15T10:05:00.412Z",
    "ended_at": "2026-01-15T10:05:02.918Z",
    "rows": 61,
    "done": 2,
    "total": 2,
    "told_at": "2026-01-15T10:05:02.918Z",
    "error": None,
}
_REQUESTED: Final = {
    **RUN,
    "state": "requested",
    "by": "user-1",
    "scheduled_for": None,
    "started_at": None,
    "ended_at": None,
    "rows": 0,
    "done": 0,
    "total": 0,
    "told_at": "2026-01-15T10:05:00.412Z",
}
_CANCELLING: Final = {**RUN, "state": "cancelling", "ended_at": None, "rows": 0}
_SCHEDULE: Final = {
    "name": "calculate_metrics",
    "task": "calculate_metrics",
    "description": "Keeps the value of every metric for the hours, days, weeks and months that are over.",
    "crontab": "5 * * * *",
    "every_s": None,
    "timezone": "UTC",
    "paused": False,
    "own": False,
    "arguments": {},
    "error": None,
    "next_run_at": "2026-01-15T11:05:00.000Z",
    "last_run": RUN,
}
_PAUSED: Final = {**_SCHEDULE, "paused": True, "next_run_at": None}
_ADDED: Final = {
    **_SCHEDULE,
    "name": "revenue_often",
    "crontab": None,
    "every_s": 900,
    "own": True,
    "arguments": {"names": ["revenue"]},
    "next_run_at": "2026-01-15T10:45:00.000Z",
    "last_run": None,
}


@router.get(
    "/api/analytics/tasks",
    summary="What runs by the clock",
    responses={**success("The schedules.", [_SCHEDULE]), **failures(*COMMON)},
)
async def get_tasks(use: Use, caller: Admin) -> Success[list[ScheduleAnswer]]:
    """The schedules of all tasks, of the whole installation, with their next and last runs.

    Needs the scope `admin`.
    """
    last = await use.tasks.last_runs()
    return Success(data=[_schedule(use, each, last.get(each.name)) for each in use.tasks.all()])


@router.post(
    "/api/analytics/tasks",
    summary="Add a schedule of a task",
    status_code=201,
    responses={201: success("Added", _ADDED)[200], **failures(409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(
        AddedSchedule,
        {
            "often": {
                "name": "revenue_often",
                "task": "calculate_metrics",
                "every_s": 900,
                "arguments": {"names": ["revenue"]},
            }
        },
    ),
)
async def post_task(
    use: Use, caller: Admin, body: Annotated[AddedSchedule, Depends(json_body(AddedSchedule))]
) -> Success[ScheduleAnswer]:
    """Adds a further schedule of a task, under a name of its own. Needs the scope `admin`."""
    added = await use.tasks.add(body.name, body.task, body.given(), caller.author, use.clock())
    return Success(data=_schedule(use, added, None))


@router.patch(
    "/api/analytics/tasks/{name}",
    summary="Change, pause or resume a schedule",
    responses={**success("As it is now.", _PAUSED), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(
        ChangedSchedule, {"pause": {"paused": True}, "when": {"crontab": "*/30 6-22 * * *"}}
    ),
)
async def patch_task(
    use: Use,
    caller: Admin,
    name: Name,
    body: Annotated[ChangedSchedule, Depends(json_body(ChangedSchedule))],
) -> Success[ScheduleAnswer]:
    """Changes what is sent; what was missed before is not made up for. Needs the scope `admin`."""
    changed = await use.tasks.change(name, body.given(), caller.author, use.clock())
    return Success(data=_schedule(use, changed, (await use.tasks.last_runs()).get(name)))


@router.delete(
    "/api/analytics/tasks/{name}",
    summary="Take an added schedule away, or a change back",
    responses={**success("Taken away; this is what it was.", _ADDED), **failures(404, 409, *COMMON)},
)
async def delete_task(use: Use, caller: Admin, name: Name) -> Success[ScheduleAnswer]:
    """Takes away a schedule that was added, or whose task is not in this release any more.

    One that a task comes with is again as it comes. Needs the scope `admin`.
    """
    found = _schedule(use, use.tasks.find(name), (await use.tasks.last_runs()).get(name))
    await use.tasks.remove(name)
    return Success(data=found)


@router.post(
    "/api/analytics/tasks/{name}/run",
    summary="Ask for a run",
    status_code=201,
    responses={201: success("Asked for", _REQUESTED)[200], **failures(404, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(
        RunRequest, {"as it is": {}, "of one metric": {"arguments": {"names": ["revenue"]}}}
    ),
)
async def post_run(
    use: Use, caller: Admin, name: Name, body: Annotated[RunRequest, Depends(json_body(RunRequest))]
) -> Success[RunAnswer]:
    """Asks for a run, also of a paused schedule, and returns at once.

    The process that leads begins it within seconds, or once a run of the same task has ended;
    `/api/analytics/task-runs/{id}` says what becomes of it. Needs the scope `admin`.
    """
    return Success(data=answered_run(await use.tasks.ask(name, body.arguments, caller.author, use.clock())))


@router.get(
    "/api/analytics/task-runs",
    summary="What became of runs",
    responses={**success("The runs, newest first.", [RUN]), **failures(404, *COMMON)},
)
async def get_runs(
    use: Use,
    caller: Admin,
    schedule: Annotated[str | None, Query(max_length=64, description="Only of this schedule.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Most runs.")] = 50,
) -> Success[list[RunAnswer]]:
    """The newest runs of tasks; they are kept for 90 days. Needs the scope `admin`."""
    found = await use.tasks.runs(schedule, limit)
    if schedule is not None and not found:
        # One that was taken away has runs all the same; where there are none, its name may be misspelt.
        use.tasks.find(schedule)
    return Success(data=[answered_run(run) for run in found])


@router.get(
    "/api/analytics/task-runs/{id}",
    summary="What became of a run",
    responses={**success("The run.", RUN), **failures(404, *COMMON)},
)
async def get_run(
    use: Use, caller: Admin, id: Annotated[str, Path(max_length=64, description="Its id.")]
) -> Success[RunAnswer]:
    """A run of a task. Needs the scope `admin`."""
    return Success(data=answered_run(await use.tasks.run(id)))


@router.post(
    "/api/analytics/task-runs/{id}/cancel",
    summary="Cancel a run",
    responses={**success("The run.", _CANCELLING), **failures(404, 409, *COMMON)},
)
async def post_cancel(
    use: Use, caller: Admin, id: Annotated[str, Path(max_length=64, description="Its id.")]
) -> Success[RunAnswer]:
    """Breaks a run off, or lets it not be begun; what it has done stays. Needs the scope `admin`."""
    return Success(data=answered_run(await use.tasks.cancel(id)))


def _schedule(use: Services, of: Schedule, last: Run | None) -> ScheduleAnswer:
    return ScheduleAnswer(
        name=of.name,
        task=of.task.name,
        description=of.task.description,
        crontab=of.when.text if isinstance(of.when, Crontab) else None,
        every_s=of.when.seconds if isinstance(of.when, Every) else None,
        timezone=zone_name(use.tasks.zone(of)),
        paused=of.paused,
        own=of.own,
        arguments=dict(of.told or {}),
        error=of.broken,
        next_run_at=use.tasks.next_run(of, use.clock()),
        last_run=None if last is None else answered_run(last),
    )


def answered_run(run: Run) -> RunAnswer:
    """As it is answered."""
    return RunAnswer(
        id=run.id,
        schedule=run.schedule,
        task=run.task,
        state=run.state,
        by=run.by,
        scheduled_for=run.scheduled_for,
        asked_at=run.asked_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        rows=run.rows,
        done=run.done,
        total=run.total,
        told_at=run.told_at,
        error=run.error or None,
    )

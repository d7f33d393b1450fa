"""The schedules of tasks: what they are, changing them, and asking for a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as replace_run
from datetime import datetime, timedelta, tzinfo
from time import monotonic
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from loopin_api.config_items import ConfigItems
from loopin_api.envelope import Detail
from loopin_api.errors import ApiError, invalid
from loopin_api.wording import of_msgspec
from loopin_schemas.codec import encode
from loopin_schemas.config import TaskSchedule
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.store import Store
from loopin_sinks.tasks.catalogue import TASKS
from loopin_sinks.tasks.runs import (
    OPEN,
    Run,
    find_run,
    last_runs,
    new_id,
    newest_runs,
    open_runs,
    store_run,
)
from loopin_sinks.tasks.schedules import MAX_ADDED, Schedule, arguments_of, schedules
from loopin_sinks.tasks.task import Task
from loopin_sinks.tasks.when import crontab, following
from loopin_streams.kafka.config_state import Item

_LONGEST_OPEN: Final = timedelta(days=1)
"""How long ago a run that waits may have been asked for, to stand for another one like it."""

_POLL_S: Final = 0.1

_WHEN: Final = frozenset({"crontab", "every_s"})


class Tasks:
    """Finds schedules by name and changes them.

    ``zone`` is that of crontabs that are of no project, ``zone_of`` a project's.
    """

    def __init__(
        self,
        items: ConfigItems,
        store: Store,
        zone: tzinfo,
        zone_of: Callable[[str], tzinfo],
        tasks: Sequence[Task] = TASKS,
    ) -> None:
        self._items = items
        self._store = store
        self._zone = zone
        self._zone_of = zone_of
        self._tasks = tasks

    def all(self) -> list[Schedule]:
        """Those that the tasks come with, then those that were added, by name."""
        return schedules(self._tasks, self._items.configuration)

    def find(self, name: str) -> Schedule:
        """The schedule of exactly this name.

        Raises:
            ApiError: 404, there is none.
        """
        found = next((each for each in self.all() if each.name == name), None)
        if found is None:
            raise ApiError(
                404,
                "UNKNOWN_SCHEDULE",
                "There is no schedule of this name; see `loopin tasks list` (GET /api/analytics/tasks).",
            )
        return found

    def next_run(self, schedule: Schedule, now: datetime) -> datetime | None:
        """When it is due next, in UTC; None where it is paused or cannot be used."""
        if schedule.when is None or schedule.paused or schedule.broken is not None:
            return None
        return following(schedule.when, now, self.zone(schedule))

    def zone(self, schedule: Schedule) -> tzinfo:
        """Whose clocks its crontab goes by."""
        return self._zone if schedule.project is None else self._zone_of(schedule.project)

    async def last_runs(self) -> Mapping[str, Run]:
        """The newest run of each schedule. Raises StoreError."""
        return await last_runs(self._store)

    async def runs(self, schedule: str | None, limit: int) -> list[Run]:
        """The newest runs, of one schedule or of all. Raises StoreError."""
        return await newest_runs(self._store, schedule, limit)

    async def run(self, id: str) -> Run:
        """The run of this id.

        Raises:
            ApiError: 404, there is none.
            StoreError: the store did not answer.
        """
        found = await find_run(self._store, id)
        if found is None:
            raise ApiError(404, "UNKNOWN_RUN", "There is no run of this id; runs are kept for 90 days.")
        return found

    async def ask(self, name: str, arguments: Mapping[str, Any] | None, by: str, now: datetime) -> Run:
        """Ask for a run, which the process that leads begins within a second or two.

        One that waits already, with the same arguments, is answered in its place.

        Raises:
            ApiError: 404, there is no such schedule; 422, its task takes no such arguments.
            StoreError: it was not asked for.
        """
        schedule = self.find(name)
        told = (schedule.told or {}) if arguments is None else arguments
        _check_arguments(told, schedule.task)
        text = encode(told).decode()
        for waiting in await self.open_runs(now):
            if (waiting.schedule, waiting.arguments, waiting.state) == (name, text, "requested"):
                return waiting
        run = Run(new_id(now), name, schedule.task.name, by, asked_at=now, arguments=text, told_at=now)
        await store_run(self._store, run)
        return run

    async def ended(self, run: Run, within_s: float) -> Run:
        """The run once it has ended, or as it is after so many seconds. Raises StoreError."""
        deadline = monotonic() + within_s
        while run.state in OPEN and monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
            run = await self.run(run.id)
        return run

    async def open_runs(self, now: datetime) -> list[Run]:
        """Those that have not ended, in the order of asking. Raises StoreError."""
        return await open_runs(self._store, now - _LONGEST_OPEN)

    async def cancel(self, id: str) -> Run:
        """Ask for a run to be broken off, or not to be begun; within a second or two it is.

        Raises:
            ApiError: 404, there is none; 409, it has ended.
            StoreError: it was not asked for.
        """
        found = await self.run(id)
        if found.state == "cancelling":
            return found
        if found.state not in OPEN:
            raise ApiError(409, "RUN_HAS_ENDED", f"This run is {found.state}: there is nothing to cancel.")
        cancelling = replace_run(found, state="cancelling")
        await store_run(self._store, cancelling)
        return cancelling

    async def add(self, name: str, task: str, fields: Mapping[str, Any], by: str, now: datetime) -> Schedule:
        """Add a schedule of a task, and return once it is known here.

        Raises:
            ApiError: 409, its name is taken, or there are too many; 422, it is none; 503, the broker does not
                answer.
        """
        taken = ApiError(409, "NAME_TAKEN", "A schedule of this name exists; choose another name.")
        if name in self._configured() or any(name == each.name for each in self.all()):
            raise taken
        if len(self._configured()) >= MAX_ADDED:
            raise ApiError(409, "TOO_MANY_SCHEDULES", f"There may be {MAX_ADDED} schedules; delete one.")
        body = self._body(TaskSchedule(task=task, since=epoch_ms(now)), fields, now)
        await self._items.put(name, body, replaces=None, by=by, taken=taken)
        return self.find(name)

    async def change(self, name: str, fields: Mapping[str, Any], by: str, now: datetime) -> Schedule:
        """Change when a schedule is due, whether it is paused, or what it tells its task.

        Raises:
            ApiError: 404, there is none; 409, it has just been changed; 422 and 503 as ``add``.
        """
        schedule, item = self.find(name), self._configured().get(name)
        body = TaskSchedule(task=schedule.task.name) if item is None else item.body
        replaces = None if item is None else item.version
        await self._items.put(name, self._body(body, fields, now), replaces=replaces, by=by)
        return self.find(name)

    async def remove(self, name: str) -> None:
        """Take an added schedule away; one that a task comes with is again as it comes.

        Raises:
            ApiError: 404, there is none; 409, nothing was changed of it, or it has just been; 503 as ``add``.
        """
        schedule, item = self.find(name), self._configured().get(name)
        if item is None:
            raise ApiError(
                409,
                "SCHEDULE_OF_A_TASK",
                f"The schedule {schedule.name} is as its task comes, and stays; pause it instead.",
            )
        await self._items.remove(item)

    def _configured(self) -> Mapping[str, Item[TaskSchedule]]:
        return self._items.of(TaskSchedule)

    def _body(self, body: TaskSchedule, fields: Mapping[str, Any], now: datetime) -> TaskSchedule:
        """With the fields that were sent; what was missed before a change of them is not made up for."""
        task = next((each for each in self._tasks if each.name == body.task), None)
        if task is None:
            names = ", ".join(each.name for each in self._tasks)
            raise invalid([Detail(field="task", reason=f"There is no such task; use one of {names}.")])
        _check_arguments(fields.get("arguments", body.arguments), task)
        changed: dict[str, Any] = dict(fields)
        if changed.get("crontab") is not None:
            changed["crontab"] = _crontab(changed["crontab"])
        if fields.keys() & _WHEN:
            # One in place of the other; without either, as the task comes.
            changed = {"crontab": None, "every_s": None, **changed}
        resumed = body.paused and fields.get("paused") is False
        if resumed or fields.keys() & _WHEN:
            changed["since"] = epoch_ms(now)
        return replace(body, **changed)


def _crontab(text: str) -> str:
    try:
        return crontab(text).text
    except ValueError as error:
        raise invalid([Detail(field="crontab", reason=str(error))]) from None


def _check_arguments(told: Mapping[str, Any], task: Task) -> None:
    try:
        arguments_of(told, task)
    except msgspec.ValidationError as error:
        takes = ", ".join(task.arguments.__struct_fields__) or "none"
        reason = f"{of_msgspec(str(error)).removesuffix('.')}; the task takes: {takes}."
        raise invalid([Detail(field="arguments", reason=reason)]) from None

"""Makes the runs that are due or asked for, where this process is the one that does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from time import monotonic
from typing import Final, NamedTuple, Protocol
from uuid import uuid4

import msgspec
import structlog

from loopin_schemas.codec import encode
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks.catalogue import TASKS
from loopin_sinks.tasks.runs import Run, State, last_due, requested_runs, running_runs, store_run
from loopin_sinks.tasks.schedules import Schedule, arguments_of, schedules
from loopin_sinks.tasks.task import Context, Remover, Task
from loopin_sinks.tasks.when import following, latest
from loopin_streams.kafka.config_state import Configuration

log = structlog.get_logger(__name__)

POLL_S: Final = 1.0
"""Pause between two looks for what is due or asked for."""

SETTLE_S: Final = 3.0
"""How long a process leads before it takes over: the one before breaks off its runs within ``POLL_S``."""

TRIES: Final = 2
"""How often a run that is broken off is begun; one that ends the process must not do so for ever."""

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Followed(Protocol):
    """What is configured: see ``loopin_streams.kafka.config_log.ConfigLog``."""

    @property
    def configuration(self) -> Configuration: ...
    def unready(self) -> str | None: ...


class _Running(NamedTuple):
    run: Run
    work: asyncio.Task[None]


def utc_now() -> datetime:
    """The time now, to the millisecond, as the store keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class TaskRunner:
    """Runs tasks by their schedules and by request, one run of a task at a time.

    What was due while nobody led is made up for once, however often it was. ``ended`` counts runs by schedule
    and state, ``succeeded`` has when each schedule's last good run ended, ``failing`` holds one sentence
    while the store refuses to tell or to keep what runs there are.
    """

    def __init__(
        self,
        store: Store,
        config: Followed,
        *,
        scope: Callable[[str, datetime], Scope],
        zone: tzinfo,
        leads: Callable[[], bool],
        tasks: Sequence[Task] = TASKS,
        writer: Remover | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """``zone`` is that of crontabs; ``leads`` says whether this process is the one of several.

        Without ``writer`` tasks change nothing that is configured.
        """
        self.ended: Counter[tuple[str, State]] = Counter()
        self.succeeded: dict[str, datetime] = {}
        self.failing: str | None = None
        self._store = store
        self._config = config
        self._scope = scope
        self._zone = zone
        self._leads = leads
        self._tasks = tasks
        self._writer = writer
        self._clock = clock
        self._led_since: float | None = None
        self._last: dict[str, datetime] | None = None
        self._running: dict[str, _Running] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look each second until ``stop`` is set, and break off then what is running."""
        try:
            while not stop.is_set():
                try:
                    await self.look()
                    self.failing = None
                except StoreError as error:
                    self.failing = str(error)
                    log.warning("tasks_not_looked_at", reason=str(error))
                await _pause(stop, POLL_S)
        finally:
            await self._break_off()

    async def look(self) -> None:
        """Begin what is due or asked for.

        Raises:
            StoreError: nothing was begun, or not all.
        """
        if not self._leads():
            self._led_since = self._last = None
            await self._break_off()
            return
        if self._config.unready() is not None:
            return
        if self._last is None and not await self._take_over():
            return
        known = schedules(self._tasks, self._config.configuration)
        await self._begin_requested({schedule.name: schedule for schedule in known})
        for schedule in known:
            await self._begin_due(schedule)

    async def settled(self) -> None:
        """Wait until no run is under way."""
        while under_way := [each.work for each in self._running.values() if not each.work.done()]:
            await asyncio.wait(under_way)

    async def _take_over(self) -> bool:
        if self._led_since is None:
            self._led_since = monotonic()
        if monotonic() - self._led_since < SETTLE_S:
            return False
        now = self._clock()
        left = [
            replace(run, state="interrupted", ended_at=now, error="The process that made it ended before it.")
            for run in await running_runs(self._store)
        ]
        await store_run(self._store, *left)
        self._last = await last_due(self._store, TRIES)
        return True

    async def _begin_requested(self, known: Mapping[str, Schedule]) -> None:
        for run in await requested_runs(self._store):
            schedule = known.get(run.schedule)
            if schedule is None or schedule.broken is not None:
                reason = schedule.broken if schedule else "There is no schedule of this name any more."
                await self._end(replace(run, state="failed", ended_at=self._clock(), error=str(reason)))
            elif self._is_free(schedule.task):
                await self._begin(run, schedule)

    async def _begin_due(self, schedule: Schedule) -> None:
        assert self._last is not None
        if schedule.paused or schedule.broken is not None or not self._is_free(schedule.task):
            return
        now = self._clock()
        after = max(self._last.get(schedule.name, NEVER), from_epoch_ms(schedule.since))
        if following(schedule.when, after, self._zone) > now:
            return
        run = Run(
            id=uuid4().hex,
            schedule=schedule.name,
            task=schedule.task.name,
            by="schedule",
            asked_at=now,
            scheduled_for=latest(schedule.when, now, self._zone),
            arguments=encode(schedule.told or {}).decode(),
        )
        await self._begin(run, schedule)

    def _is_free(self, task: Task) -> bool:
        running = self._running.get(task.name)
        return running is None or running.work.done()

    async def _begin(self, run: Run, schedule: Schedule) -> None:
        begun = replace(run, state="running", started_at=self._clock())
        await store_run(self._store, begun)
        if begun.scheduled_for is not None and self._last is not None:
            self._last[begun.schedule] = begun.scheduled_for
        work = asyncio.create_task(self._make(begun, schedule.task))
        self._running[schedule.task.name] = _Running(begun, work)

    async def _make(self, run: Run, task: Task) -> None:
        rows, error = await self._outcome(run, task)
        done = replace(
            run, state="failed" if error else "done", ended_at=self._clock(), rows=rows, error=error
        )
        # Until that is kept the run is not over: whoever leads next would take it for one broken off.
        while True:
            try:
                await self._end(done)
                return
            except StoreError as refused:
                log.warning("task_end_not_kept", task=run.schedule, reason=str(refused))
                await asyncio.sleep(POLL_S)

    async def _outcome(self, run: Run, task: Task) -> tuple[int, str]:
        """How many rows it wrote, and what went wrong in one sentence."""
        deadline = asyncio.timeout(task.timeout_s)
        try:
            told = msgspec.json.decode(run.arguments)
            context = Context(
                self._store,
                self._config.configuration,
                self._scope,
                self._clock,
                arguments_of(told, task),
                self._writer,
            )
            async with deadline:
                return await task.run(context), ""
        except StoreError as error:
            return 0, str(error)
        except Exception as error:  # whatever a task raises is its own affair, and no other's
            if deadline.expired():
                limit = timedelta(seconds=task.timeout_s)
                return 0, f"It took longer than it may ({limit}), and was broken off."
            log.exception("task_failed", task=run.schedule, run=run.id)
            return 0, f"It failed ({type(error).__name__}): see the log of the process that runs tasks."

    async def _end(self, run: Run) -> None:
        await store_run(self._store, run)
        self.ended[run.schedule, run.state] += 1
        if run.state == "done" and run.ended_at is not None:
            self.succeeded[run.schedule] = run.ended_at
        log.info("task_ended", task=run.schedule, run=run.id, state=run.state, rows=run.rows, error=run.error)

    async def _break_off(self) -> None:
        running, self._running = self._running, {}
        for each in running.values():
            each.work.cancel()
        for each in running.values():
            await asyncio.wait([each.work])
            if each.work.cancelled():
                # Whoever leads next says so where the store refuses to hear it now.
                with suppress(StoreError):
                    reason = "It was broken off, because the process ended or another one took over."
                    now = self._clock()
                    await self._end(replace(each.run, state="interrupted", ended_at=now, error=reason))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()

"""Makes the runs that are due or asked for, where this process is the one that does."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from time import monotonic
from typing import Final, Protocol

import msgspec
import structlog

from loopin_schemas.codec import encode
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms
from loopin_sinks.opinions.judged import Judge
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks.catalogue import TASKS
from loopin_sinks.tasks.runs import Run, State, last_due, new_id, open_runs, store_run
from loopin_sinks.tasks.schedules import Schedule, arguments_of, schedules
from loopin_sinks.tasks.task import Context, Remover, Task, Teller
from loopin_sinks.tasks.when import following, latest
from loopin_streams.kafka.config_state import Configuration

log = structlog.get_logger(__name__)

POLL_S: Final = 1.0
"""Pause between two looks for what is due or asked for."""

SETTLE_S: Final = 3.0
"""How long a process leads before it takes over: the one before breaks off its runs within ``POLL_S``."""

TRIES: Final = 2
"""How often a run that is broken off is begun; one that ends the process must not do so for ever."""

TELL_EVERY: Final = timedelta(seconds=10)
"""How often a run that goes on is said to go on."""

MARGIN: Final = timedelta(hours=1)
"""How long ago a run may have been asked for by the clock of whoever asked, and be new here."""

CANCELLED: Final = "It was cancelled."
BROKEN_OFF: Final = "It was broken off, because the process ended or another one took over."

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Followed(Protocol):
    """What is configured: see ``loopin_streams.kafka.config_log.ConfigLog``."""

    @property
    def configuration(self) -> Configuration: ...
    def unready(self) -> str | None: ...


class _Running:
    """A run under way, and how far it has come."""

    def __init__(self, run: Run, told_at: datetime) -> None:
        self.run = run
        self.told_at = told_at
        self.work: asyncio.Task[None] | None = None

    def progress(self, done: int, total: int) -> None:
        self.run = replace(self.run, done=done, total=total)

    @property
    def goes_on(self) -> bool:
        return self.work is not None and not self.work.done()


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
        teller: Teller | None = None,
        language_model: Judge | None = None,
        judges_texts: bool = True,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """``zone`` is that of crontabs that are of no project; ``leads`` says whether this process is the one
        of several.

        Without ``writer`` tasks change nothing that is configured, without ``teller`` no insight is told of,
        without ``language_model`` no text is sent to one, without ``judges_texts`` none is judged.
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
        self._teller = teller
        self._language_model = language_model
        self._judges_texts = judges_texts
        self._clock = clock
        self._led_since: float | None = None
        self._last: dict[str, datetime] | None = None
        self._running: dict[str, _Running] = {}
        self._unsure: dict[str, tuple[Run, Schedule]] = {}
        self._over: deque[str] = deque(maxlen=1_000)
        self._oldest_open = NEVER

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
        await self._look_at_open({schedule.name: schedule for schedule in known})
        await self._tell_progress()
        for schedule in known:
            await self._begin_due(schedule)

    async def settled(self) -> None:
        """Wait until no run is under way."""
        while under_way := [each.work for each in self._running.values() if each.work and each.goes_on]:
            await asyncio.wait(under_way)

    async def _take_over(self) -> bool:
        if self._led_since is None:
            self._led_since = monotonic()
        if monotonic() - self._led_since < SETTLE_S:
            return False
        self._unsure.clear()
        self._oldest_open = NEVER
        for run in await open_runs(self._store, NEVER):
            if run.state != "requested":
                await self._end(self._left(run))
        self._last = await last_due(self._store, TRIES)
        return True

    def _left(self, run: Run) -> Run:
        """How a run ends that no process makes any more."""
        if run.state == "cancelling":
            return replace(run, state="cancelled", ended_at=self._clock(), error=CANCELLED)
        reason = "The process that made it ended before it."
        return replace(run, state="interrupted", ended_at=self._clock(), error=reason)

    async def _look_at_open(self, known: Mapping[str, Schedule]) -> None:
        """Begin what is asked for, break off what is to be cancelled, and end what nobody makes."""
        now = self._clock()
        found = await open_runs(self._store, min(self._oldest_open, now - MARGIN))
        unsure = dict(self._unsure)
        for run in found:
            mine = self._running.get(run.task)
            if mine is not None and mine.run.id == run.id:
                if run.state == "cancelling" and mine.goes_on:
                    await self._break_one_off(mine, "cancelled", CANCELLED)
            elif run.state == "requested":
                await self._begin_requested(run, known.get(run.schedule))
            elif run.id in unsure and run.state == "running" and self._is_free(unsure[run.id][1].task):
                # The store had taken it, and its answer was lost.
                self._start(*unsure[run.id])
            elif run.id not in self._over:
                await self._end(self._left(run))
        self._unsure = {id: one for id, one in self._unsure.items() if id not in unsure}
        self._oldest_open = min((run.asked_at for run in found), default=now)

    async def _begin_requested(self, run: Run, schedule: Schedule | None) -> None:
        if schedule is None or schedule.broken is not None:
            reason = schedule.broken if schedule else "There is no schedule of this name any more."
            await self._end(replace(run, state="failed", ended_at=self._clock(), error=str(reason)))
        elif self._is_free(schedule.task):
            await self._begin(run, schedule)

    async def _tell_progress(self) -> None:
        """That a run goes on, and how far it has come."""
        now = self._clock()
        for each in self._running.values():
            if each.goes_on and now - each.told_at >= TELL_EVERY:
                each.told_at = now
                await store_run(self._store, replace(each.run, told_at=now))

    async def _begin_due(self, schedule: Schedule) -> None:
        assert self._last is not None
        paused = schedule.paused or schedule.broken is not None
        if schedule.when is None or paused or not self._is_free(schedule.task):
            return
        now = self._clock()
        after = max(self._last.get(schedule.name, NEVER), from_epoch_ms(schedule.since))
        zone = self._zone if schedule.project is None else self._scope(schedule.project, now).zone
        if following(schedule.when, after, zone) > now:
            return
        run = Run(
            id=new_id(now),
            schedule=schedule.name,
            task=schedule.task.name,
            by="schedule",
            asked_at=now,
            scheduled_for=latest(schedule.when, now, zone),
            arguments=encode(schedule.told or {}).decode(),
        )
        await self._begin(run, schedule)

    def _is_free(self, task: Task) -> bool:
        running = self._running.get(task.name)
        return running is None or not running.goes_on

    async def _begin(self, run: Run, schedule: Schedule) -> None:
        begun = replace(run, state="running", started_at=self._clock())
        # Where the store's answer is lost it may have taken it: the next look knows.
        self._unsure[begun.id] = (begun, schedule)
        await store_run(self._store, begun)
        del self._unsure[begun.id]
        self._start(begun, schedule)

    def _start(self, begun: Run, schedule: Schedule) -> None:
        if begun.scheduled_for is not None and self._last is not None:
            self._last[begun.schedule] = begun.scheduled_for
        running = self._running[schedule.task.name] = _Running(begun, self._clock())
        running.work = asyncio.create_task(self._make(running, schedule.task))

    async def _make(self, running: _Running, task: Task) -> None:
        rows, error = await self._outcome(running, task)
        done = replace(
            running.run, state="failed" if error else "done", ended_at=self._clock(), rows=rows, error=error
        )
        # Until that is kept the run is not over: whoever leads next would take it for one broken off.
        while True:
            try:
                await self._end(done)
                return
            except StoreError as refused:
                log.warning("task_end_not_kept", task=done.schedule, reason=str(refused))
                await asyncio.sleep(POLL_S)

    async def _outcome(self, running: _Running, task: Task) -> tuple[int, str]:
        """How many rows it wrote, and what went wrong in one sentence."""
        run = running.run
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
                self._teller,
                run.id,
                self._language_model,
                self._judges_texts,
                running.progress,
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
        self._over.append(run.id)
        self.ended[run.schedule, run.state] += 1
        if run.state == "done" and run.ended_at is not None:
            self.succeeded[run.schedule] = run.ended_at
        log.info("task_ended", task=run.schedule, run=run.id, state=run.state, rows=run.rows, error=run.error)

    async def _break_off(self) -> None:
        running, self._running = self._running, {}
        for each in running.values():
            if each.work is not None:
                each.work.cancel()
        for each in running.values():
            # Whoever leads next says so where the store refuses to hear it now.
            with suppress(StoreError):
                await self._break_one_off(each, "interrupted", BROKEN_OFF)

    async def _break_one_off(self, each: _Running, state: State, reason: str) -> None:
        if each.work is None:
            return
        each.work.cancel()
        await asyncio.wait([each.work])
        if each.work.cancelled():
            await self._end(replace(each.run, state=state, ended_at=self._clock(), error=reason))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()

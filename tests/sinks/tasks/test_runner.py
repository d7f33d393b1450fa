"""What the runner makes of schedules and requests: on a real store, by a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from loopin_schemas.codec import encode
from loopin_schemas.config import ConfigRecord, TaskSchedule, config_key
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks import runner as running
from loopin_sinks.tasks.runner import TaskRunner
from loopin_sinks.tasks.runs import Run, find_run, last_due, last_runs, newest_runs, open_runs, store_run
from loopin_sinks.tasks.schedules import schedules
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import Every, crontab
from loopin_streams.kafka.config_state import Configuration
from loopin_text.opinion.endpoint import Endpoint, EndpointOptions
from tests.migrated import migrated_store
from tests.streams.kafka.configured import Record

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = (datetime.now(UTC) - timedelta(days=9)).replace(hour=10, minute=30, second=0, microsecond=0)
"""Some days ago: runs of long ago are not kept."""

HOUR = timedelta(hours=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("tasks"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """No runs; and nobody waits for whoever led before."""
    monkeypatch.setattr(running, "SETTLE_S", 0.0)
    monkeypatch.setattr(running, "POLL_S", 0.01)
    await opened.command("TRUNCATE TABLE task_runs")
    return opened


class Count(Arguments, frozen=True, forbid_unknown_fields=True):
    rows: int = 7
    projects: tuple[str, ...] = ()


class Installation:
    """A runner of the tasks ``hourly`` and ``daily``, which do as ``work`` says."""

    def __init__(self, store: Store) -> None:
        self.now = START
        self.leads = True
        self.unready: str | None = None
        self.zones: dict[str, tzinfo] = {}
        self.configuration = Configuration()
        self.begun: list[str] = []
        self.work: Callable[[Context], Awaitable[int]] = self._at_once
        self.store = store
        self.runner = self.new_runner()

    def new_runner(self, **given: Any) -> TaskRunner:
        return TaskRunner(
            self.store,
            _Followed(self),
            scope=lambda project, now: Scope(project=project, zone=self.zones.get(project, UTC), now=now),
            zone=UTC,
            leads=lambda: self.leads,
            clock=lambda: self.now,
            tasks=[self._task("hourly", Every(3600)), self._task("daily", crontab("0 3 * * *"))],
            **given,
        )

    def _task(self, name: str, when: Any) -> Task:
        async def run(context: Context) -> int:
            self.begun.append(name)
            return await self.work(context)

        return Task(name=name, when=when, description=name, run=run, arguments=Count, timeout_s=60)

    async def _at_once(self, context: Context) -> int:
        rows: int = context.arguments.rows
        return rows

    def configure(self, name: str, **body: Any) -> None:
        value = TaskSchedule(**body)
        record = ConfigRecord(kind="schedule", id=name, version="1", by="me", body=msgspec.Raw(encode(value)))
        key = config_key("schedule", name)
        assert self.configuration.apply(Record(key, encode(record), self.configuration.changes)) is None

    async def look(self, at: datetime | None = None) -> list[str]:
        """What is begun by one look, whose runs come to their end."""
        self.now = at or self.now
        before = len(self.begun)
        await self.runner.look()
        await self.runner.settled()
        return self.begun[before:]

    async def runs(self, schedule: str = "hourly") -> list[Run]:
        return await newest_runs(self.store, schedule, 100)


class _Followed:
    def __init__(self, of: Installation) -> None:
        self._of = of

    @property
    def configuration(self) -> Configuration:
        return self._of.configuration

    def unready(self) -> str | None:
        return self._of.unready


@pytest.fixture
def installation(store: Store) -> Installation:
    return Installation(store)


async def test_a_run_is_recorded(installation: Installation) -> None:
    assert await installation.look() == ["hourly", "daily"], "what never ran is due"
    [run] = await installation.runs()
    assert run == Run(
        id=run.id,
        schedule="hourly",
        task="hourly",
        by="schedule",
        asked_at=START,
        scheduled_for=START.replace(minute=0),
        started_at=START,
        ended_at=START,
        state="done",
        rows=7,
    )
    assert (await installation.runs("daily"))[0].scheduled_for == START.replace(hour=3, minute=0)
    assert installation.runner.ended == {("hourly", "done"): 1, ("daily", "done"): 1}
    assert installation.runner.succeeded == {"hourly": START, "daily": START}


async def test_each_time_it_is_due_it_runs_once(installation: Installation) -> None:
    await installation.look()
    assert await installation.look(START + timedelta(minutes=29)) == []
    assert await installation.look(START + timedelta(minutes=30)) == ["hourly"]
    assert await installation.look(START + timedelta(minutes=31)) == []
    assert await installation.look(START + timedelta(hours=16, minutes=30)) == ["hourly", "daily"]


async def test_what_was_missed_is_made_up_for_once(installation: Installation) -> None:
    await installation.look()
    installation.runner = installation.new_runner()
    assert await installation.look() == [], "the runs of the process before it count"
    installation.runner = installation.new_runner()
    assert await installation.look(START + 50 * HOUR) == ["hourly", "daily"]
    assert [run.scheduled_for for run in await installation.runs()] == [
        START + timedelta(hours=49, minutes=30),
        START.replace(minute=0),
    ]
    assert await installation.look() == []


async def test_it_has_what_the_process_gives(installation: Installation) -> None:
    given: list[Context] = []

    async def work(context: Context) -> int:
        given.append(context)
        return 0

    model = Endpoint(EndpointOptions("http://127.0.0.1:9", "some-model"))
    installation.work = work
    installation.runner = installation.new_runner(language_model=model, judges_texts=False)
    await installation.look()
    assert [(each.language_model, each.judges_texts) for each in given] == [(model, False)] * 2
    model.close()


async def test_one_that_raises_stops_no_other(installation: Installation) -> None:
    async def work(context: Context) -> int:
        if installation.begun[-1] == "hourly":
            raise ZeroDivisionError
        return 1

    installation.work = work
    await installation.look()
    [failed], [done] = await installation.runs(), await installation.runs("daily")
    assert (failed.state, failed.rows, failed.ended_at) == ("failed", 0, START)
    assert failed.error == "It failed (ZeroDivisionError): see the log of the process that runs tasks."
    assert done.state == "done"
    assert await installation.look() == [], "it waits for its next time"
    installation.work = installation._at_once
    assert await installation.look(START + HOUR) == ["hourly"]
    assert installation.runner.succeeded["hourly"] == START + HOUR


async def test_what_the_store_refuses_is_said_in_its_words(installation: Installation) -> None:
    async def work(context: Context) -> int:
        await context.store.query("SELECT nothing FROM nowhere")
        return 1

    installation.work = work
    await installation.look()
    [run] = await installation.runs()
    assert run.error == "The store lacks a table or column; run `loopin migrate`."


async def test_one_that_takes_too_long_is_broken_off(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    async def for_ever(context: Context) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return 1

    installation.work = for_ever
    task = installation._task("hourly", Every(3600))
    installation.runner._tasks = [replace(task, timeout_s=0.01)]
    await installation.look()
    [run] = await installation.runs()
    assert (run.state, ended) == ("failed", [True])
    assert run.error == "It took longer than it may (0:00:00.010000), and was broken off."


class Held:
    """Work that waits until it is let go, and counts how many do so at once."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.at_once = self.most = 0

    async def __call__(self, context: Context) -> int:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.begun.set()
        try:
            await self.let_go.wait()
        finally:
            self.at_once -= 1
        return 1


async def test_runs_of_a_task_never_overlap(installation: Installation) -> None:
    """Not if it is due again meanwhile, nor by another schedule, nor because somebody asks for it."""
    installation.configure("daily", task="daily", paused=True)
    installation.configure("also", task="hourly", every_s=3600)
    held = installation.work = Held()
    await installation.runner.look()
    await held.begun.wait()
    asked = Run("a" * 32, "hourly", "hourly", "ann", START + timedelta(minutes=1))
    await store_run(installation.store, asked)
    for hours in range(1, 4):
        installation.now = START + hours * HOUR
        await installation.runner.look()
    assert (held.at_once, [run.state for run in await open_runs(installation.store, START)]) == (
        1,
        ["running", "requested"],
    )
    assert (await find_run(installation.store, asked.id)) == asked
    held.let_go.set()
    await installation.runner.settled()
    for _ in range(6):
        await installation.look()
    assert held.most == 1
    done = [*await installation.runs(), *await installation.runs("also")]
    assert [run.state for run in done] == ["done"] * 4
    times = sorted(run.scheduled_for for run in done if run.scheduled_for)
    assert times == [START.replace(minute=0), *[START.replace(hour=13, minute=0)] * 2]


async def test_who_asks_is_served(installation: Installation) -> None:
    await installation.look()
    later = START + timedelta(seconds=1)
    asked = Run("b" * 32, "daily", "daily", "ann", later, arguments='{"rows": 9}')
    await store_run(installation.store, asked)
    assert await installation.look(START + timedelta(minutes=1)) == ["daily"]
    run = await find_run(installation.store, asked.id)
    assert run is not None
    assert (run.state, run.by, run.rows, run.scheduled_for) == ("done", "ann", 9, None)
    assert run.started_at == START + timedelta(minutes=1)
    assert (await last_runs(installation.store))["daily"] == run
    assert (await last_due(installation.store, 2))["daily"] == START.replace(hour=3, minute=0)


async def test_who_asks_for_what_there_is_not_is_told(installation: Installation) -> None:
    asked = Run("c" * 32, "gone", "hourly", "ann", START)
    await store_run(installation.store, asked)
    await installation.look()
    run = await find_run(installation.store, asked.id)
    assert run is not None
    assert (run.state, run.error) == ("failed", "There is no schedule of this name any more.")


async def test_schedules_are_changed_paused_and_added_while_it_runs(installation: Installation) -> None:
    await installation.look()
    since = round(START.timestamp() * 1000)
    installation.configure("hourly", task="hourly", crontab="*/10 * * * *", since=since)
    installation.configure("daily", task="daily", paused=True)
    installation.configure("nine", task="hourly", every_s=1800, arguments={"rows": 9}, since=since)
    assert await installation.look(START + timedelta(minutes=9)) == [], "nothing since is missed"
    assert await installation.look(START + timedelta(minutes=10)) == ["hourly"]
    assert await installation.look(START + timedelta(minutes=30)) == ["hourly"]
    assert await installation.look(START + timedelta(minutes=30)) == ["hourly"], "of the other schedule"
    assert [(run.task, run.rows, run.arguments) for run in await installation.runs("nine")] == [
        ("hourly", 9, '{"rows":9}')
    ]
    installation.now = START + timedelta(days=3)
    assert "daily" not in await installation.look() + await installation.look()


async def test_a_schedule_of_one_project_goes_by_its_clocks(installation: Installation) -> None:
    """Midnight in India is 18:30 of the day before in UTC."""
    await installation.look()
    since = round(START.timestamp() * 1000)
    installation.zones["shop"] = ZoneInfo("Asia/Kolkata")
    installation.configure("hourly", task="hourly", paused=True)
    installation.configure("daily", task="daily", paused=True)
    for name, projects in (("of_one", ["shop"]), ("of_two", ["shop", "other"])):
        arguments = {"projects": projects}
        installation.configure(name, task="daily", crontab="0 0 * * *", arguments=arguments, since=since)
    in_india = START.replace(hour=18, minute=30)
    assert await installation.look(in_india - timedelta(seconds=1)) == []
    assert await installation.look(in_india) == ["daily"]
    assert [run.scheduled_for for run in await installation.runs("of_one")] == [in_india]
    assert await installation.look(in_india.replace(hour=23, minute=59)) == []
    assert await installation.look(in_india + timedelta(hours=5, minutes=30)) == ["daily"]
    assert len(await installation.runs("of_two")) == 1


@pytest.mark.parametrize(
    "body",
    [{"crontab": "61 * * * *"}, {"every_s": 60, "arguments": {"row": 1}}, {"arguments": {"rows": "x"}}],
)
async def test_a_schedule_that_cannot_be_used_runs_nothing_and_says_so(
    installation: Installation, body: Mapping[str, Any]
) -> None:
    await installation.look()
    installation.configure("broken", task="hourly", **body)
    assert await installation.look() == []
    asked = Run("d" * 32, "broken", "hourly", "ann", START)
    await store_run(installation.store, asked)
    assert await installation.look() == []
    run = await find_run(installation.store, asked.id)
    assert run is not None
    assert run.state == "failed"
    assert run.error.startswith("The schedule broken cannot be used (")


async def test_only_who_leads_runs_and_only_once_it_is_known_what_is_configured(
    installation: Installation,
) -> None:
    installation.leads = False
    assert await installation.look() == []
    installation.leads, installation.unready = True, "not read yet"
    assert await installation.look() == []
    installation.unready = None
    assert await installation.look() == ["hourly", "daily"]


async def test_who_leads_no_more_breaks_off_and_the_next_one_begins_anew(installation: Installation) -> None:
    held = installation.work = Held()
    installation.configure("daily", task="daily", paused=True)
    await installation.runner.look()
    await held.begun.wait()
    installation.leads = False
    await installation.runner.look()
    [run] = await installation.runs()
    assert (run.state, held.at_once) == ("interrupted", 0)
    assert run.error == "It was broken off, because the process ended or another one took over."
    installation.leads, installation.work = True, installation._at_once
    assert await installation.look() == ["hourly"]
    runs = {(run.state, run.scheduled_for) for run in await installation.runs()}
    assert runs == {(state, START.replace(minute=0)) for state in ("interrupted", "done")}


async def test_a_run_that_a_killed_process_left_is_marked_and_made_again_but_not_for_ever(
    installation: Installation,
) -> None:
    installation.configure("daily", task="daily", paused=True)
    due = START.replace(minute=0)
    for number in range(2):
        left = Run(
            f"left {number}", "hourly", "hourly", "schedule", START, due, state="running", started_at=START
        )
        await store_run(installation.store, left)
        installation.runner = installation.new_runner()
        begun = await installation.look(START + timedelta(seconds=number))
        found = await find_run(installation.store, left.id)
        assert found is not None
        assert (found.state, found.ended_at) == ("interrupted", installation.now)
        assert found.error == "The process that made it ended before it."
        # The second time it is left, the first one's repetition has to be undone for the test's sake.
        assert begun == (["hourly"] if number == 0 else [])
        if number == 0:
            await installation.store.command("DELETE FROM task_runs WHERE id NOT LIKE 'left%'")


async def test_whoever_was_not_gone_after_all_tells_its_end(installation: Installation) -> None:
    left = Run("slow", "hourly", "hourly", "schedule", START, START.replace(minute=0), state="running")
    await store_run(installation.store, left)
    await installation.look()
    await store_run(
        installation.store, Run("slow", "hourly", "hourly", "schedule", START, state="done", rows=3)
    )
    found = await find_run(installation.store, "slow")
    assert found is not None
    assert (found.state, found.rows) == ("done", 3)


async def test_an_end_that_the_store_does_not_take_is_told_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.configure("daily", task="daily", paused=True)
    refusals = iter([True, True, False])

    async def sometimes(store: Store, *runs: Run) -> None:
        if any(run.state == "done" for run in runs) and next(refusals):
            raise StoreError("store_unreachable", "ClickHouse does not answer.")
        await store_run(store, *runs)

    monkeypatch.setattr(running, "store_run", sometimes)
    assert await installation.look() == ["hourly"]
    [run] = await installation.runs()
    assert run.state == "done"


async def test_its_loop_goes_on_while_the_store_is_away_and_ends_when_told(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def away(store: Store, since: datetime) -> list[Run]:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise StoreError("store_unreachable", "ClickHouse does not answer.")
        return []

    monkeypatch.setattr(running, "open_runs", away)
    held, stop = Held(), asyncio.Event()
    installation.work = held
    loop = asyncio.create_task(installation.runner.run(stop))
    async with asyncio.timeout(60):
        await held.begun.wait()
        assert looks == 4, "two that were refused, to take over, and to see what is asked for"
        stop.set()
        await loop
    assert {run.state for run in await newest_runs(installation.store, None, 10)} == {"interrupted"}


class Lossy:
    """The store takes a run's beginning, and its answer is lost."""

    def __init__(self, losses: int) -> None:
        self._left = losses

    async def __call__(self, store: Store, *runs: Run) -> None:
        await store_run(store, *runs)
        if self._left and any(run.state == "running" for run in runs):
            self._left -= 1
            raise StoreError("store_unreachable", "ClickHouse does not answer.")


async def test_a_run_whose_beginning_is_stored_though_nobody_heard_is_made(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, whether it was due or asked for."""
    installation.configure("daily", task="daily", paused=True)
    monkeypatch.setattr(running, "store_run", Lossy(1))
    with pytest.raises(StoreError):
        await installation.look()
    assert await installation.look() == ["hourly"]
    assert [run.state for run in await installation.runs()] == ["done"]
    asked = Run("f" * 32, "daily", "daily", "ann", START)
    await store_run(installation.store, asked)
    monkeypatch.setattr(running, "store_run", Lossy(1))
    with pytest.raises(StoreError):
        await installation.look()
    assert await installation.look() == ["daily"]
    assert [(run.state, run.by) for run in await installation.runs("daily")] == [("done", "ann")]
    assert await open_runs(installation.store, running.NEVER) == []


async def test_a_run_that_nobody_makes_is_ended_by_the_next_look(installation: Installation) -> None:
    """As of a process that wrote it though another one led already."""
    await installation.look()
    for number, state in enumerate(("running", "cancelling")):
        left = Run(f"left {number}", "hourly", "hourly", "ann", START, state=state)  # type: ignore[arg-type]  # both are states
        await store_run(installation.store, left)
    assert await installation.look() == []
    ended = [await find_run(installation.store, f"left {number}") for number in range(2)]
    assert [run.state for run in ended if run] == ["interrupted", "cancelled"]


async def test_runs_are_cancelled_while_they_wait_and_while_they_go_on(installation: Installation) -> None:
    installation.configure("daily", task="daily", paused=True)
    held = installation.work = Held()
    await installation.runner.look()
    await held.begun.wait()
    [run] = await installation.runs()
    waiting = Run("e" * 32, "hourly", "hourly", "ann", START)
    await store_run(installation.store, waiting)
    for each in (run, waiting):
        await store_run(installation.store, replace(each, state="cancelling"))
    assert await installation.look() == []
    assert held.at_once == 0
    for each in (run, waiting):
        found = await find_run(installation.store, each.id)
        assert found is not None
        assert (found.state, found.error, found.ended_at) == ("cancelled", "It was cancelled.", START)
    installation.work = installation._at_once
    assert await installation.look(START + timedelta(minutes=29)) == [], "it was due, and was cancelled"
    installation.runner = installation.new_runner()
    assert await installation.look() == [], "nor does another process make it"
    assert await installation.look(START + timedelta(minutes=30)) == ["hourly"]


async def test_how_far_a_run_has_come_is_told_while_it_goes_on(installation: Installation) -> None:
    installation.configure("daily", task="daily", paused=True)
    held = Held()

    async def work(context: Context) -> int:
        context.progress(3, 9)
        return await held(context)

    installation.work = work
    await installation.runner.look()
    await held.begun.wait()
    later = START + running.TELL_EVERY
    installation.now = later
    await installation.runner.look()
    [run] = await installation.runs()
    assert (run.state, run.done, run.total, run.told_at) == ("running", 3, 9, later)
    held.let_go.set()
    await installation.runner.settled()
    [run] = await installation.runs()
    assert (run.state, run.done, run.total) == ("done", 3, 9)


async def test_what_was_asked_for_long_ago_is_seen_too(installation: Installation) -> None:
    """By who takes over, and while it waits; else only runs of late are looked at."""
    installation.configure("daily", task="daily", paused=True)
    await store_run(installation.store, Run("g" * 32, "hourly", "hourly", "ann", START - timedelta(days=3)))
    held = installation.work = Held()
    await installation.runner.look()
    await held.begun.wait()
    for hours in range(1, 4):
        installation.now = START + hours * HOUR
        await installation.runner.look()
    held.let_go.set()
    await installation.runner.settled()
    for _ in range(3):
        await installation.look()
    assert {run.state for run in await installation.runs()} == {"done"}
    assert {run.by for run in await installation.runs()} == {"ann", "schedule"}


async def test_a_schedule_of_a_task_that_is_gone_runs_nothing_and_says_so(installation: Installation) -> None:
    await installation.look()
    installation.configure("old", task="removed", every_s=60)
    installation.configure("removed", task="removed", crontab="* * * * *")
    assert await installation.look(START + timedelta(minutes=5)) == []
    tasks = installation.runner._tasks
    found = {each.name: each for each in schedules(tasks, installation.configuration)}
    assert found["old"].broken == (
        "This release has no task removed: take its schedule away with `loopin tasks remove old`, or upgrade."
    )
    assert (found["old"].own, found["removed"].own) == (True, False)


async def test_a_task_without_a_time_runs_when_it_is_asked_for(installation: Installation) -> None:
    installation.configure("daily", task="daily", paused=True)
    installation.runner._tasks = [replace(task, when=None) for task in installation.runner._tasks]
    assert await installation.look() == []
    await store_run(installation.store, Run("h" * 32, "hourly", "hourly", "ann", START))
    assert await installation.look() == ["hourly"]

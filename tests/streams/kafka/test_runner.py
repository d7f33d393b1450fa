"""Exactly once through crashes, zombies and rebalances: real processes and signals, a plain reading after."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

from loopin_streams.kafka.batch import Batch, Record
from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.partition import Limits, OpenPartition
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.runner import Runner
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.streams.conftest import Run, Scenario
from tests.streams.exactly_once import assert_exactly_once, event, mixed_events
from tests.streams.installation import Installation, wait_until

EVENTS = 2000


@dataclass(frozen=True)
class Killed:
    """A worker is killed with -9 at the ``passing``-th passing of ``point``; a fresh one does the rest."""

    point: str
    passing: int

    def __call__(self, installation: Installation) -> None:
        installation.publish(mixed_events(EVENTS))
        assert installation.start(point=self.point, passing=self.passing).wait() == -signal.SIGKILL
        assert installation.absorbed() < EVENTS, "the worker was done before it was killed"
        installation.start()
        installation.wait_absorbed(EVENTS)
        assert_exactly_once(installation.read_all())


@dataclass(frozen=True)
class Stopped:
    """A worker stands still there, another does all its work and more comes, then the first one wakes."""

    point: str
    passing: int

    def __call__(self, installation: Installation) -> None:
        installation.publish(mixed_events(EVENTS))
        zombie = installation.start(point=self.point, passing=self.passing, signal_name="SIGSTOP")
        wait_until(lambda: zombie.stopped, "the worker stands still")
        installation.start()
        installation.wait_absorbed(EVENTS)
        installation.publish(mixed_events(200))
        zombie.send(signal.SIGCONT)
        installation.wait_absorbed(EVENTS + 200)
        assert_exactly_once(installation.read_all())
        # What it hears first decides: that it was fenced (it ends), or that it left the group (it rejoins).
        if zombie.ended:
            assert zombie.code == 70
            assert "another worker has taken over" in zombie.said(), zombie.said()


KILLED = (
    Killed("fenced", 1),
    Killed("restored", 2),
    Killed("begun", 1),
    Killed("begun", 4),
    Killed("sent:events.enriched", 3),
    Killed("sent:seen", 3),
    Killed("sent:enrich.state", 3),
    Killed("sent:events.dlq", 2),
    Killed("before_commit", 3),
    Killed("after_commit", 1),
    Killed("after_commit", 5),
)
STOPPED = (
    Stopped("fenced", 1),
    Stopped("restored", 1),
    Stopped("begun", 3),
    Stopped("sent:events.enriched", 3),
    Stopped("before_commit", 3),
    Stopped("after_commit", 3),
)


@pytest.mark.parametrize("scenario", KILLED, ids=lambda at: f"{at.point}-{at.passing}")
def test_a_kill_at_any_point_loses_and_doubles_nothing(side_by_side: Run, scenario: Killed) -> None:
    side_by_side(scenario)


@pytest.mark.parametrize("scenario", STOPPED, ids=lambda at: f"{at.point}-{at.passing}")
def test_a_worker_that_wakes_after_its_partitions_have_gone_changes_nothing(
    side_by_side: Run, scenario: Stopped
) -> None:
    side_by_side(scenario)


@contextmanager
def flow(installation: Installation) -> Iterator[Callable[[], int]]:
    """Events that go on being published inside the context; says how many so far."""
    published = 0
    enough = threading.Event()

    def publish() -> None:
        nonlocal published
        while not enough.wait(0.02):
            installation.publish(mixed_events(50))
            published += 50

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield lambda: published
    finally:
        enough.set()
        thread.join()


def workers_join_and_leave_while_events_flow(installation: Installation) -> None:
    first = installation.start()
    with flow(installation) as published:
        installation.wait_absorbed(1)
        second = installation.start()
        wait_until(lambda: second.opened() >= 1, "the second worker has a partition")
        assert first.terminate() == 0
        wait_until(lambda: second.opened() >= 2, "the second worker has both partitions")
        third = installation.start()
        wait_until(lambda: third.opened() >= 1, "the third worker has a partition")
        second.send(signal.SIGKILL)
        wait_until(lambda: third.opened() >= 2, "the third worker has both partitions")
    installation.wait_absorbed(published())
    assert third.terminate() == 0
    assert_exactly_once(installation.read_all())


def client_duplicates_are_dropped_across_a_restart(installation: Installation) -> None:
    bodies = [(f"u{at % 7}", event(f"u{at % 7}")) for at in range(200)]
    installation.publish(bodies)
    first = installation.start()
    installation.wait_absorbed(200)
    assert first.terminate() == 0
    installation.publish([*bodies, *mixed_events(10)])
    installation.start()
    installation.wait_absorbed(410)
    found = installation.read_all()
    assert sum(markers[-1]["counts"].get("dropped", {}).get("duplicate", 0) for markers in found.state) == 200
    assert_exactly_once(found)


def a_dead_letter_does_not_make_its_repaired_event_a_duplicate(installation: Installation) -> None:
    identity = "01a2b3c4-0000-7000-8000-00000000000a"
    installation.publish([("null", event("null", uuid=identity)), ("null", event("u1", uuid=identity))])
    installation.start()
    installation.wait_absorbed(2)
    found = installation.read_all()
    assert [letter["reason"] for letters in found.dlq for letter in letters] == ["distinct_id_forbidden"]
    assert [e["uuid"] for events in found.enriched for e in events] == [identity]


@pytest.mark.parametrize(
    "scenario",
    [
        workers_join_and_leave_while_events_flow,
        client_duplicates_are_dropped_across_a_restart,
        a_dead_letter_does_not_make_its_repaired_event_a_duplicate,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_it_holds_that(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)


@dataclass
class Tally:
    """An absorber that only counts; ``at_opening`` is what it was restored from."""

    at_opening: int

    def absorb(self, records: Sequence[Record]) -> Output:
        output = Output()
        output.counts.read = len(records)
        output.add("seen", None, b"\0" * 8 * len(records))
        return output


class TallyJob:
    """A job whose state is how many records its history has."""

    name = "tally"
    input = "events.raw"
    state_topic = "enrich.state"
    history = ("seen",)

    def open(self, partition: int, topic_id: str, history: Mapping[str, Sequence[Record]]) -> Tally:
        return Tally(len(history["seen"]))


@dataclass
class Held:
    """A runner in this process that owns partition 0."""

    runner: Runner
    failures: list[BaseException]

    async def open(self) -> OpenPartition:
        self.runner.assign([0])
        return await self.found()

    async def found(self) -> OpenPartition:
        async with asyncio.timeout(10):
            while (target := self.runner.partition(0)) is None:
                assert not self.failures
                await asyncio.sleep(0.01)
        return target

    async def absorb(self, start: int, end: int) -> None:
        """Commit a range without records."""
        target = await self.found()
        target.submit(Batch(self.runner.topic, 0, start, end, ()))
        deadline = time.monotonic() + 10
        while target.durable < end and not self.failures:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


Hold = Callable[[], Held]


@pytest.fixture
async def hold(collected: None, installation: Installation) -> AsyncIterator[Hold]:
    installation.publish(mixed_events(100))
    topic_id = TopicAdmin(installation.settings).describe()["events.raw"].id
    made: list[Held] = []

    def make() -> Held:
        failures: list[BaseException] = []
        runner = Runner(
            installation.settings, TallyJob(), topic_id, on_fatal=failures.append, limits=Limits(linger_s=0)
        )
        made.append(Held(runner, failures))
        return made[-1]

    yield make
    for held in made:
        await held.runner.stop()


async def test_state_that_comes_back_untouched_is_kept(hold: Hold) -> None:
    held = hold()
    first = (await held.open()).absorber
    await held.absorb(0, 5)
    await held.runner.revoke([0])
    assert held.runner.opened == frozenset()
    again = await held.open()
    assert again.absorber is first
    assert (again.fetched, again.marker.position) == (5, 5)


async def test_state_that_another_worker_moved_on_is_restored_anew(hold: Hold) -> None:
    held, other = hold(), hold()
    first = (await held.open()).absorber
    await held.absorb(0, 5)
    await held.runner.revoke([0])
    await other.open()
    await other.absorb(5, 9)
    await other.runner.revoke([0])
    again = await held.open()
    assert again.absorber is not first
    assert again.fetched == 9


async def test_an_owner_that_was_not_told_is_fenced_by_the_next(hold: Hold) -> None:
    held, other = hold(), hold()
    await held.open()
    await held.absorb(0, 5)
    await other.open()
    await held.absorb(5, 9)
    assert [type(failure) for failure in held.failures] == [Fenced]
    await other.absorb(5, 7)
    assert other.runner.durable(0) == 7


# aiokafka does not close a connection that is cancelled while it is made.
@pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection:ResourceWarning")
async def test_a_partition_revoked_while_it_opens_stays_closed(hold: Hold) -> None:
    held = hold()
    for pause in (0, 0.002, 0.005, 0.01, 0.02, 0.05):
        held.runner.assign([0])
        await asyncio.sleep(pause)
        await held.runner.revoke([0])
        assert held.runner.opened == frozenset()
    assert (await held.open()).fetched == 0
    assert held.failures == []
    gc.collect()


async def test_an_opening_that_swallows_its_cancellation_stays_closed(
    hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = asyncio.Event()

    class Swallowing(Reader):
        """Ends as aiokafka's consumer sometimes does: a cancellation that arrives then is lost."""

        async def __aexit__(self, *error: object) -> None:
            await super().__aexit__(*error)
            closing.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    held = hold()
    monkeypatch.setattr("loopin_streams.kafka.runner.Reader", Swallowing)
    held.runner.assign([0])
    await closing.wait()
    await held.runner.revoke([0])
    assert held.runner.opened == frozenset()
    assert held.failures == []
    monkeypatch.undo()
    await held.open()
    await held.absorb(0, 5)
    assert held.runner.durable(0) == 5


async def test_assigning_twice_opens_once(hold: Hold) -> None:
    held = hold()
    held.runner.assign([0])
    first = await held.open()
    held.runner.assign([0])
    assert await held.found() is first
    assert held.runner.counts().read == 0


async def test_a_worker_is_ready_once_all_it_was_assigned_is_open(hold: Hold) -> None:
    held = hold()
    assert held.runner.unready() == "no partitions are assigned yet"
    held.runner.assign([])
    assert held.runner.unready() is None, "with more workers than partitions, one waits to step in"
    held.runner.assign([0])
    assert held.runner.unready() == "partitions are being opened: 0"
    await held.open()
    assert held.runner.unready() is None
    await held.runner.revoke([0])
    assert held.runner.unready() == "no partitions are assigned yet"
    assert held.failures == []

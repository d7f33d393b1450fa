"""Exactly once through crashes, zombies and rebalances: real processes and signals, a plain reading after."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from loopin_streams.jobs import EXIT_FAILED
from loopin_streams.kafka.batch import Batch
from loopin_streams.kafka.errors import Fenced, RefusedToOpen
from loopin_streams.kafka.partition import Limits, OpenPartition
from loopin_streams.kafka.reader import Reader
from tests.streams.conftest import Run, Scenario
from tests.streams.enrich.drafts import RawRecord
from tests.streams.exactly_once import assert_exactly_once, event, mixed_events
from tests.streams.installation import Installation, wait_until
from tests.streams.kafka.crashed import leave_open
from tests.streams.kafka.tally import Held, Hold, until

EVENTS = 2000


MERGING = ("sent:metrics", "sent:merge.state")
"""Points that the merge passes, which adds up what the enrichment has done already."""


@dataclass(frozen=True)
class Killed:
    """A worker is killed with -9 at the ``passing``-th passing of ``point``; a fresh one does the rest."""

    point: str
    passing: int

    def __call__(self, installation: Installation) -> None:
        installation.publish(mixed_events(EVENTS))
        assert installation.start(point=self.point, passing=self.passing).wait() == -signal.SIGKILL
        if self.point not in MERGING:
            assert installation.absorbed() < EVENTS, "the worker was done before it was killed"
        installation.start()
        installation.wait_absorbed(EVENTS)
        assert_exactly_once(installation.settled())


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
        assert_exactly_once(installation.settled())
        # What it hears first decides: that it was fenced (it ends), or that it left the group (it rejoins).
        if zombie.ended:
            assert zombie.code == 70
            assert "another worker has taken over" in zombie.said(), zombie.said()


KILLED = (
    Killed("fenced", 1),
    Killed("restored", 2),
    Killed("consumed", 2),
    Killed("begun", 1),
    Killed("begun", 4),
    Killed("sent:events.enriched", 3),
    Killed("sent:seen", 3),
    Killed("sent:profiles", 2),
    Killed("sent:windows", 2),
    Killed("sent:enrich.state", 3),
    Killed("sent:events.dlq", 2),
    Killed("sent:metrics", 1),
    Killed("sent:merge.state", 2),
    Killed("before_commit", 3),
    Killed("after_commit", 1),
    Killed("after_commit", 5),
)
STOPPED = (
    Stopped("fenced", 1),
    Stopped("restored", 1),
    Stopped("begun", 3),
    Stopped("sent:events.enriched", 3),
    Stopped("sent:windows", 1),
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
        # On a machine that stalls for longer than the session it was fenced, and has ended by itself.
        assert first.terminate() in (0, EXIT_FAILED)
        wait_until(lambda: second.opened() >= 2, "the second worker has both partitions")
        third = installation.start()
        wait_until(lambda: third.opened() >= 1, "the third worker has a partition")
        second.send(signal.SIGKILL)
        wait_until(lambda: third.opened() >= 2, "the third worker has both partitions")
    installation.wait_absorbed(published())
    assert third.terminate() == 0, third.said()
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
    found = installation.settled()
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


def state_on_disk_is_as_exact_and_a_dead_workers_is_removed(installation: Installation) -> None:
    folder = installation.folder / "state"
    kept_on_disk = {"state_store": "disk", "data_dir": installation.folder}
    installation.settings = installation.settings.model_copy(update=kept_on_disk)

    def owners() -> set[str]:
        return {kept.name.rpartition("-")[2] for kept in folder.iterdir()}

    installation.publish(mixed_events(EVENTS))
    killed = installation.start(point="before_commit", passing=6)
    assert killed.wait() == -signal.SIGKILL
    assert owners() == {str(killed.pid)}
    second = installation.start()
    installation.wait_absorbed(EVENTS)
    assert_exactly_once(installation.settled())
    assert owners() == {str(second.pid)}
    assert second.terminate() == 0
    assert owners() == set()
    # What it kept is gone, and comes back from the topics.
    installation.publish(mixed_events(300))
    installation.start()
    installation.wait_absorbed(EVENTS + 300)
    assert_exactly_once(installation.settled())


@pytest.mark.parametrize(
    "scenario",
    [
        workers_join_and_leave_while_events_flow,
        client_duplicates_are_dropped_across_a_restart,
        a_dead_letter_does_not_make_its_repaired_event_a_duplicate,
        state_on_disk_is_as_exact_and_a_dead_workers_is_removed,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_it_holds_that(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)


async def test_state_that_comes_back_untouched_is_kept(hold: Hold) -> None:
    held = hold()
    first = (await held.open()).absorber
    await held.absorb(0, 5)
    await held.runner.revoke([0])
    assert held.runner.opened == frozenset()
    again = await held.open()
    assert again.absorber is first
    assert (again.fetched, again.marker.position) == (5, 5)
    assert [tally.closed for tally in held.job.made] == [False]


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_partition_that_fails_just_as_it_is_given_up_opens_again(
    hold: Hold, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    held = hold()
    found = await held.open()
    failing = asyncio.Event()

    async def commit(_: object) -> None:
        failing.set()
        # The end comes before the revocation, in the same turn of the loop, or after it.
        for _ in range(turns):
            await asyncio.sleep(0)
        raise KafkaConnectionError("the broker is away")

    monkeypatch.setattr(found._outbox, "commit", commit)
    found.submit(Batch(held.runner.topic, 0, 0, 5, ()))
    await failing.wait()
    await held.runner.revoke([0])
    assert held.runner.opened == frozenset()
    assert (await held.open()) is not found
    await held.absorb(0, 5)


async def failing_commit(held: Held, monkeypatch: pytest.MonkeyPatch, error: Exception) -> OpenPartition:
    """Partition 0, whose next commit fails."""
    found = await held.open()

    async def commit(_: object) -> None:
        raise error

    monkeypatch.setattr(found._outbox, "commit", commit)
    found.submit(Batch(held.runner.topic, 0, 0, 5, ()))
    return found


def _reopened(held: Held, failed: OpenPartition) -> bool:
    return held.runner.partition(0) not in (failed, None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TopicAuthorizationFailedError("not yours"), "broker_refused"),
        (MessageSizeTooLargeError("too large"), "broker_refused"),
        (RefusedToOpen("state_version", "written by a newer version"), "state_version"),
    ],
)
async def test_what_no_retry_mends_leaves_the_partition_closed_and_says_so(
    hold: Hold, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    held = hold()
    await failing_commit(held, monkeypatch, error)
    await until(lambda: held.failures)
    [refusal] = held.failures
    assert isinstance(refusal, RefusedToOpen)
    assert refusal.code == code
    assert held.runner.opened == frozenset()
    assert held.runner.unready() == f"Partition 0 is refused: {refusal}"
    assert (held.runner.opening(), held.runner.refused()) == (None, held.runner.unready())
    # Whoever gets it once more, after the mend, tries again.
    held.failures.clear()
    await held.runner.revoke([0])
    monkeypatch.undo()
    await held.open()
    await held.absorb(0, 5)


async def test_what_a_crashed_broker_left_open_is_aborted_at_the_opening(
    hold: Hold, trusting: None, installation: Installation
) -> None:
    held = hold()
    settings = installation.settings
    own = [(settings.topic(name), 0) for name in ("enrich.state", "seen", "events.enriched")]
    await leave_open(settings.kafka_bootstrap, f"{settings.topic_prefix}tally-0", own)
    await held.open()
    await held.absorb(0, 5)
    assert installation.read("events.enriched")[0] == []
    assert b"left open" not in {message.value() for message in installation.read("enrich.state")[0]}


async def test_waits_grow_while_nothing_is_committed(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    held = hold()
    monkeypatch.setattr("loopin_streams.kafka.runner.RETRY_S", waits := (0.011, 0.022, 0.033))
    slept: list[float] = []

    async def sleep(seconds: float, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        if seconds in waits:
            slept.append(seconds)
        await pause(seconds)

    for _ in range(3):
        found = await failing_commit(held, monkeypatch, KafkaConnectionError("away"))
        monkeypatch.setattr("loopin_streams.kafka.runner.asyncio.sleep", sleep)
        await until(partial(_reopened, held, found))
    assert slept == [0.011, 0.022, 0.033]
    monkeypatch.undo()
    await held.absorb(0, 5)
    assert held.failures == []


async def test_a_partition_that_was_added_while_it_works_ends_it(hold: Hold) -> None:
    held = hold()
    await held.open()
    held.runner.assign([0, 1, 2])
    [failure] = held.failures
    assert isinstance(failure, RefusedToOpen)
    assert failure.code == "partitions_changed"
    assert "loopin state rebuild tally" in str(failure)
    assert held.runner.opened == {0}


async def test_whoever_has_nothing_waiting_is_served_however_much_waits_elsewhere(
    hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold()
    held.runner.assign([0, 1])
    await until(lambda: held.runner.opened == {0, 1})
    committing = asyncio.Event()

    async def never(_: object) -> None:
        committing.set()
        await asyncio.Event().wait()

    hot = held.runner.partitions[0]
    monkeypatch.setattr(hot._outbox, "commit", never)
    value = bytes(Limits().max_bytes_in_all // 16)
    records = tuple(RawRecord(value, offset) for offset in range(3))
    assert held.runner.ready(0)
    hot.submit(Batch(held.runner.topic, 0, 0, 3, records))
    assert not hot.full
    assert held.runner.ready(0)
    monkeypatch.setattr(held.runner, "_limits", Limits(max_bytes_in_all=len(value)))
    assert [held.runner.ready(partition) for partition in (0, 1)] == [False, True]
    await committing.wait()


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
    assert [tally.closed for tally in held.job.made] == [True, False]


async def test_state_that_another_worker_changed_without_input_is_restored_anew(hold: Hold) -> None:
    held, other = hold(), hold()
    first = (await held.open()).absorber
    await held.absorb(0, 5)
    await held.runner.revoke([0])
    opened = await other.open()
    before = opened.marker
    other.job.made[-1].idling = b"published"
    await until(lambda: opened.marker is not before)
    await other.runner.revoke([0])
    again = await held.open()
    assert again.absorber is not first
    assert held.job.made[-1].state == {b"at": b"5", b"idle": b"published"}


async def test_a_new_state_is_restored_from_history_and_state_topic(hold: Hold) -> None:
    held, other = hold(), hold()
    await held.open()
    await held.absorb(0, 5)
    await held.absorb(5, 9)
    await other.open()
    [tally] = other.job.made
    assert tally.at_opening == 2
    assert tally.state == {b"at": b"9"}
    assert tally.marker is not None
    assert tally.marker.position == 9


async def test_state_of_partitions_that_others_have_now_is_let_go_of(hold: Hold) -> None:
    held = hold()
    await held.open()
    await held.runner.revoke([0])
    held.runner.assign([])
    assert [tally.closed for tally in held.job.made] == [True]
    await held.open()
    assert [tally.closed for tally in held.job.made] == [True, False]


async def test_state_that_is_ahead_of_its_marker_is_not_kept(
    hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold()
    target = await held.open()
    committing = asyncio.Event()

    async def never(_: object) -> None:
        committing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(target._outbox, "commit", never)
    target.submit(Batch(held.runner.topic, 0, 0, 5, ()))
    await committing.wait()
    await held.runner.revoke([0])
    assert [tally.closed for tally in held.job.made] == [True]
    monkeypatch.undo()
    assert (await held.open()).fetched == 0


async def test_whoever_stops_keeps_nothing(hold: Hold) -> None:
    held = hold()
    await held.open()
    await held.absorb(0, 5)
    await held.runner.stop()
    assert [tally.closed for tally in held.job.made] == [True]


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
            if len(self._partitions) == 1:
                return  # The one that only looks at another partition's marker.
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
    assert held.runner.unready() == held.runner.opening() == "partitions are being opened: 0"
    await held.open()
    assert held.runner.unready() is None
    await held.runner.revoke([0])
    assert held.runner.unready() == "no partitions are assigned yet"
    assert held.failures == []

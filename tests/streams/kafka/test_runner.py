"""Exactly once through crashes, zombies and rebalances: real processes, real signals, a plain reading after.

The crashes of all points run side by side, because each consists of waiting for the group's session timeout.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.streams.conftest import Install
from tests.streams.exactly_once import assert_exactly_once, event, mixed_events
from tests.streams.installation import Installation, Worker, wait_until

EVENTS = 2000

Point = tuple[str, int]

KILLED: list[Point] = [
    ("fenced", 1),
    ("restored", 2),
    ("begun", 1),
    ("begun", 4),
    ("sent:events.enriched", 3),
    ("sent:seen", 3),
    ("sent:enrich.state", 3),
    ("sent:events.dlq", 2),
    ("before_commit", 3),
    ("after_commit", 1),
    ("after_commit", 5),
]

STOPPED: list[Point] = [
    ("fenced", 1),
    ("restored", 1),
    ("begun", 3),
    ("sent:events.enriched", 3),
    ("before_commit", 3),
    ("after_commit", 3),
]


def _name(point: Point) -> str:
    return f"{point[0]}-{point[1]}"


@pytest.fixture(scope="module")
def killed(install: Install) -> dict[Point, Installation]:
    """By point: a worker was killed there with -9, and a fresh one has done the rest."""
    installations = {point: install() for point in KILLED}
    workers = []
    for (point, passing), installation in installations.items():
        installation.publish(mixed_events(EVENTS))
        workers.append(installation.start(point=point, passing=passing))
    for worker, installation in zip(workers, installations.values(), strict=True):
        assert worker.wait() == -signal.SIGKILL
        assert installation.absorbed() < EVENTS, "the worker was done before it was killed"
        installation.start()
    for installation in installations.values():
        installation.wait_absorbed(EVENTS)
    return installations


@pytest.mark.parametrize("point", KILLED, ids=_name)
def test_a_kill_at_any_point_loses_and_doubles_nothing(
    killed: dict[Point, Installation], point: Point
) -> None:
    assert_exactly_once(killed[point].read_all())


@pytest.fixture(scope="module")
def woken(install: Install) -> dict[Point, tuple[Installation, Worker]]:
    """By point: a worker stood still there, another did all its work, then the first one woke."""
    started = {}
    for point, passing in STOPPED:
        installation = install()
        installation.publish(mixed_events(EVENTS))
        zombie = installation.start(point=point, passing=passing, signal_name="SIGSTOP")
        started[point, passing] = (installation, zombie)
    found = {}
    for at, (installation, zombie) in started.items():
        wait_until(lambda zombie=zombie: zombie.stopped, f"the worker stands still at {at}")
        found[at] = (installation, zombie)
        installation.start()
    for installation, zombie in found.values():
        installation.wait_absorbed(EVENTS)
        installation.publish(mixed_events(200))
        zombie.send(signal.SIGCONT)
    for installation, _ in found.values():
        installation.wait_absorbed(EVENTS + 200)
    return found


@pytest.mark.parametrize("point", STOPPED, ids=_name)
def test_a_worker_that_wakes_after_its_partitions_have_gone_changes_nothing(
    woken: dict[Point, tuple[Installation, Worker]], point: Point
) -> None:
    installation, zombie = woken[point]
    assert_exactly_once(installation.read_all())
    # Which it hears first decides: that it was fenced (it ends), or that it left the group (it joins again).
    if zombie.ended:
        assert zombie.code == 70
        assert "another worker has taken over" in zombie.said()


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


def test_workers_that_join_and_leave_while_events_flow(installation: Installation) -> None:
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


def test_client_duplicates_are_dropped_across_a_restart(installation: Installation) -> None:
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


def test_a_dead_letter_does_not_make_its_repaired_event_a_duplicate(installation: Installation) -> None:
    identity = "01a2b3c4-0000-7000-8000-00000000000a"
    installation.publish([("null", event("null", uuid=identity)), ("null", event("u1", uuid=identity))])
    installation.start()
    installation.wait_absorbed(2)
    found = installation.read_all()
    assert [letter["reason"] for letters in found.dlq for letter in letters] == ["distinct_id_forbidden"]
    assert [e["uuid"] for events in found.enriched for e in events] == [identity]

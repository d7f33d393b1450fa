"""Direct, by way of the spool, and back: nothing lost, and each user's events in order."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import UUID

import pytest

from loopin_producers.delivery import Delivery
from loopin_producers.errors import ClientClosed, LoopinError, QueueFull
from loopin_producers.resender import Hooks
from loopin_producers.spool import Chunk, Spool, SpooledRecord
from loopin_producers.spool.segment import Segment

from .scripted_transport import ScriptedTransport


class Seen:
    """What the hooks were told."""

    def __init__(self) -> None:
        self.delivered: list[int] = []
        self.failed: list[int] = []
        self.dropped: list[tuple[int, str]] = []
        self.recovered: list[int] = []

    def hooks(self) -> Hooks:
        def delivered(record: SpooledRecord, _partition: int, _offset: int) -> None:
            self.delivered.append(record.captured_ns)

        def failed(record: SpooledRecord, _: LoopinError) -> None:
            self.failed.append(record.captured_ns)

        def dropped(count: int, why: LoopinError) -> None:
            self.dropped.append((count, why.code))

        return Hooks(delivered, failed, dropped, self.recovered.append)


def record(number: int, size: int = 100) -> SpooledRecord:
    return SpooledRecord(str(UUID(int=number)), number, b"shop:user", b"x" * size)


def numbers(transport: ScriptedTransport) -> list[int]:
    return [one.captured_ns for one in transport.arrived]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.005)


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def delivery(transport: ScriptedTransport, spool: Spool, seen: Seen) -> Iterator[Delivery]:
    made = Delivery(transport, spool, seen.hooks(), durable=False, max_waiting=100_000)
    yield made
    transport.auto = True
    transport.acknowledge()
    made.close(30)


def send(delivery: Delivery, *captured: int) -> None:
    for number in captured:
        delivery.send(record(number))


def test_direct_as_long_as_all_goes_well(
    delivery: Delivery, transport: ScriptedTransport, spool: Spool, seen: Seen
) -> None:
    send(delivery, *range(100))
    assert numbers(transport) == seen.delivered == list(range(100))
    assert delivery.flush(0) == spool.waiting == 0


def test_full_queue_goes_to_disk_and_follows_in_order(
    delivery: Delivery, transport: ScriptedTransport, spool: Spool
) -> None:
    transport.auto, transport.room = False, 5
    send(delivery, *range(300))
    until(lambda: spool.waiting == 295)
    assert delivery.undelivered == 300
    transport.auto = True
    transport.acknowledge()
    assert delivery.flush(60) == 0
    send(delivery, 300)
    assert numbers(transport) == list(range(301))


def test_newer_events_wait_behind_those_that_failed(
    delivery: Delivery, transport: ScriptedTransport, spool: Spool
) -> None:
    transport.auto = False
    send(delivery, *range(20))
    transport.fail(7)
    until(lambda: spool.waiting == 20)  # the rest is taken back: it would overtake
    transport.auto = True
    transport.acknowledge()
    send(delivery, *range(20, 30))
    assert delivery.flush(60) == 0
    assert numbers(transport) == list(range(30))


def test_what_arrived_although_it_failed_is_sent_again_under_its_uuid(
    delivery: Delivery, transport: ScriptedTransport
) -> None:
    transport.auto = False
    send(delivery, 1)
    transport.fail(1, arrived=True)
    transport.auto = True
    transport.acknowledge()
    send(delivery, 2)
    assert delivery.flush(60) == 0
    assert numbers(transport) == [1, 1, 2]


def test_nobody_reachable_moves_memory_to_disk_at_once(
    delivery: Delivery, transport: ScriptedTransport, spool: Spool
) -> None:
    transport.auto = False
    send(delivery, *range(10))
    delivery.down()
    assert delivery.is_down
    until(lambda: spool.waiting == 10)
    transport.auto = True
    transport.acknowledge()
    assert delivery.flush(60) == 0
    assert numbers(transport) == list(range(10))
    assert not delivery.is_down


def test_failure_while_sending_from_the_spool_is_tried_again(
    delivery: Delivery, transport: ScriptedTransport, seen: Seen
) -> None:
    transport.auto = False
    delivery.down()
    send(delivery, *range(30))
    until(lambda: transport.counts[0] == 30)
    transport.acknowledge(10)
    transport.fail(15)
    until(lambda: transport.counts[0] in (0, 20))  # the other five are taken back, and all 20 sent again
    transport.auto = True
    transport.acknowledge()
    assert delivery.flush(60) == 0
    assert numbers(transport) == seen.delivered == list(range(30))


def test_event_that_is_refused_for_ever_stops_nobody(
    delivery: Delivery, transport: ScriptedTransport, seen: Seen
) -> None:
    transport.refused = {record(3).uuid, record(13).uuid}
    send(delivery, *range(10))
    delivery.down()
    send(delivery, *range(10, 20))
    assert delivery.flush(60) == 0
    assert numbers(transport) == [number for number in range(20) if number not in (3, 13)]
    assert seen.failed == [3, 13]


def test_missing_topic_is_waited_for(
    delivery: Delivery, transport: ScriptedTransport, spool: Spool, seen: Seen
) -> None:
    transport.unknown_topic = True
    send(delivery, *range(10))
    until(lambda: spool.waiting == 10)
    transport.unknown_topic = False
    assert delivery.flush(60) == 0
    assert numbers(transport) == list(range(10))
    assert seen.failed == []


def test_heir_delivers_first_what_the_dead_left(tmp_path: Path, seen: Seen) -> None:
    nowhere = ScriptedTransport(auto=False)
    dead = Delivery(nowhere, Spool(tmp_path / "spool"), seen.hooks(), durable=False, max_waiting=100)
    send(dead, *range(10))
    assert dead.close(0) == 10
    with pytest.raises(ClientClosed):
        send(dead, 10)
    transport = ScriptedTransport()
    heir = Delivery(transport, Spool(tmp_path / "spool"), seen.hooks(), durable=False, max_waiting=100)
    send(heir, *range(10, 15))
    assert heir.close(60) == 0
    assert numbers(transport) == list(range(15))
    assert list((tmp_path / "spool").glob("*/*")) == []


def test_durable_writes_before_it_returns(tmp_path: Path, seen: Seen) -> None:
    transport = ScriptedTransport(auto=False)
    spool = Spool(tmp_path / "spool")
    delivery = Delivery(transport, spool, seen.hooks(), durable=True, max_waiting=100)
    for number in range(5):
        delivery.send(record(number))
        assert spool.waiting == number + 1
    until(lambda: transport.counts[0] == 5)
    transport.auto = True
    transport.acknowledge()
    assert delivery.flush(60) == 0
    assert spool.waiting == 0
    send(delivery, 5, 6)
    assert delivery.close(60) == 0
    assert numbers(transport) == list(range(7))


def test_what_exceeds_the_bound_is_counted_and_told_when_all_is_well_again(
    tmp_path: Path, transport: ScriptedTransport, seen: Seen
) -> None:
    spool = Spool(tmp_path / "spool", 1 << 20)
    delivery = Delivery(transport, spool, seen.hooks(), durable=False, max_waiting=100_000)
    transport.auto = False
    delivery.down()
    for number in range(150):
        delivery.send(record(number, 10_000))
    until(lambda: spool.waiting + sum(count for count, _ in seen.dropped) == 150)
    lost = sum(count for count, _ in seen.dropped)
    assert 0 < lost < 150
    assert {code for _, code in seen.dropped} == {"spool_full"}
    transport.auto = True
    transport.acknowledge()
    assert delivery.flush(60) == 0
    assert numbers(transport) == list(range(150 - lost))
    until(lambda: seen.recovered == [lost])
    delivery.close(10)


def test_failed_events_without_room_on_disk_are_kept_in_memory_and_go_first(
    tmp_path: Path, transport: ScriptedTransport, seen: Seen
) -> None:
    spool = Spool(tmp_path / "spool", 1 << 20)
    transport.auto, transport.room = False, 60
    delivery = Delivery(transport, spool, seen.hooks(), durable=False, max_waiting=100_000)
    for number in range(160):
        delivery.send(record(number, 16_000))
    until(lambda: not delivery._waiting)
    transport.fail(1)
    until(lambda: spool._gap is not None and transport.counts[0] > 0)
    transport.auto = True
    transport.acknowledge()
    assert delivery.flush(60) == 0
    arrived = numbers(transport)
    assert arrived == list(range(len(arrived)))
    assert 60 < len(arrived) < 160
    assert sum(count for count, _ in seen.dropped) == 160 - len(arrived)
    delivery.close(10)


@pytest.mark.parametrize("count", [800, 900, 2000])
def test_close_keeps_the_oldest_that_fit_and_counts_the_rest(tmp_path: Path, seen: Seen, count: int) -> None:
    """All are in memory when nobody can be reached; the disk has room for about 900."""
    nowhere = ScriptedTransport(auto=False)
    spool = Spool(tmp_path / "spool", 1 << 20)
    delivery = Delivery(nowhere, spool, seen.hooks(), durable=False, max_waiting=100_000)
    for number in range(count):
        delivery.send(record(number, 1000))
    delivery.down()
    unsent = delivery.close(0)
    transport = ScriptedTransport()
    heir = Delivery(
        transport, Spool(tmp_path / "spool", 1 << 20), seen.hooks(), durable=False, max_waiting=100
    )
    assert heir.close(60) == 0
    kept = numbers(transport)
    assert kept == list(range(len(kept)))
    assert len(kept) >= min(count, 850)
    assert unsent == count
    assert sum(dropped for dropped, _ in seen.dropped) == count - len(kept)


def test_disk_that_fails_for_a_moment_costs_nothing(
    delivery: Delivery, transport: ScriptedTransport, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.auto = False
    send(delivery, *range(10))
    tried = threading.Event()
    put_back = spool.put_back

    def broken_once(records: Sequence[SpooledRecord]) -> int:
        monkeypatch.setattr(spool, "put_back", put_back)
        tried.set()
        raise OSError("Input/output error")

    monkeypatch.setattr(spool, "put_back", broken_once)
    delivery.down()
    assert tried.wait(60)
    until(lambda: spool.waiting == 10)
    transport.auto = True
    transport.acknowledge()
    assert delivery.flush(60) == 0
    assert numbers(transport) == list(range(10))


def test_what_was_sent_from_memory_before_the_end_is_not_counted_as_dropped(
    tmp_path: Path, transport: ScriptedTransport, seen: Seen
) -> None:
    spool = Spool(tmp_path / "spool", 1 << 20)
    transport.auto, transport.room = False, 10_000
    delivery = Delivery(transport, spool, seen.hooks(), durable=False, max_waiting=100_000)
    for number in range(5000):
        delivery.send(record(number, 1000))
    delivery.down()
    until(lambda: spool._gap is not None and transport.counts[0] > 0)
    on_disk = spool.waiting
    while len(delivery._failed) > 3000:
        transport.acknowledge()
    delivery.close(0)
    heir_transport = ScriptedTransport()
    heir = Delivery(
        heir_transport, Spool(tmp_path / "spool", 1 << 20), seen.hooks(), durable=False, max_waiting=100
    )
    assert heir.close(60) == 0
    arrived = {*numbers(transport), *numbers(heir_transport)}
    assert on_disk < len(arrived) < 5000
    assert sum(count for count, _ in seen.dropped) == 5000 - len(arrived)


def test_what_cannot_be_read_back_is_reported_once(
    tmp_path: Path, transport: ScriptedTransport, seen: Seen
) -> None:
    dead = Spool(tmp_path / "spool")
    dead.append([record(number) for number in range(10)])
    dead.close()
    (path,) = (tmp_path / "spool").glob("*/*.events")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"x" * 100, b"x" * 99 + b"?", 1))
    path.with_name(f"{99:020d}.events").write_bytes(b"destroyed")
    heir = Delivery(transport, Spool(tmp_path / "spool"), seen.hooks(), durable=False, max_waiting=100)
    send(heir, 10)
    assert heir.flush(60) == 0
    assert numbers(transport) == list(range(1, 11))
    assert seen.dropped == [(1, "spool_unreadable")] * 2
    heir.close(60)


def test_without_a_spool_the_caller_is_told(transport: ScriptedTransport, seen: Seen) -> None:
    transport.auto, transport.room = False, 3
    delivery = Delivery(transport, None, seen.hooks(), durable=False, max_waiting=100)
    send(delivery, 1, 2, 3)
    with pytest.raises(QueueFull):
        send(delivery, 4)
    transport.fail(1)
    assert delivery.close(0) == 2
    assert seen.failed == [1, 2, 3]


def test_many_threads_while_the_system_comes_and_goes(
    delivery: Delivery, transport: ScriptedTransport, seen: Seen
) -> None:
    """Each thread is a user: its events arrive once, in order."""
    transport.room = 50

    def user(first: int) -> None:
        for number in range(first, first + 500):
            delivery.send(record(number))
            if number % 50 == 0:
                time.sleep(0.001)

    users = [threading.Thread(target=user, args=(thread * 10_000,)) for thread in range(4)]
    for thread in users:
        thread.start()
    for turn in range(20):
        transport.auto = turn % 2 == 0
        if turn % 5 == 4:
            transport.fail(3)
        elif transport.auto:
            transport.acknowledge()
        time.sleep(0.005)
    transport.auto = True
    transport.acknowledge()
    for thread in users:
        thread.join()
    assert delivery.flush(60) == 0
    for first in range(0, 40_000, 10_000):
        mine = [number for number in numbers(transport) if first <= number < first + 10_000]
        assert mine == list(range(first, first + 500))
    assert (seen.dropped, seen.failed) == ([], [])


def left_by_another(folder: Path, count: int, size: int = 9000) -> None:
    dead = Spool(folder, 1 << 20)
    assert dead.append([record(number, size) for number in range(count)]) == 0
    dead.close()
    assert len(list(folder.glob("*/*.events"))) > 3


def test_file_that_cannot_be_opened_for_a_moment_stops_nothing(
    tmp_path: Path, transport: ScriptedTransport, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_another(tmp_path / "spool", 60)
    whole, calls = Segment.open, iter(range(1_000_000))

    def third_fails(path: Path) -> Segment | None:
        if next(calls) == 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return whole(path)

    monkeypatch.setattr(Segment, "open", third_fails)
    heir = Delivery(transport, Spool(tmp_path / "spool"), seen.hooks(), durable=False, max_waiting=100)
    send(heir, 60)
    assert heir.flush(60) == 0
    assert numbers(transport) == list(range(61))
    heir.close(10)


def test_disk_that_takes_no_note_of_what_is_delivered_stops_nothing(
    tmp_path: Path, transport: ScriptedTransport, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_another(tmp_path / "spool", 60)
    spool = Spool(tmp_path / "spool")
    monkeypatch.setattr(os, "pwrite", failing(errno.EIO))
    heir = Delivery(transport, spool, seen.hooks(), durable=False, max_waiting=100)
    until(lambda: heir._idle)
    assert numbers(transport) == list(range(60))
    heir.close(10)
    assert list((tmp_path / "spool").glob("*/*.events")) == []


def test_step_that_breaks_off_is_done_again(
    delivery: Delivery, transport: ScriptedTransport, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, broken = spool.done, threading.Event()

    def breaks_once(chunk: Chunk) -> None:
        if not broken.is_set():
            broken.set()
            raise RuntimeError("broken")
        done(chunk)

    monkeypatch.setattr(spool, "done", breaks_once)
    delivery.down()
    send(delivery, *range(20))
    assert broken.wait(60)
    assert delivery.flush(60) == 0
    assert sorted(set(numbers(transport))) == list(range(20))
    assert not delivery._draining


def failing(error: int, name: str = "") -> Callable[..., int]:
    """``os.open`` of paths with ``name``, or ``os.pwrite``, that fails."""
    whole = os.open

    def fails(path: object, *rest: object, **named: object) -> int:
        if name in str(path):
            raise OSError(error, os.strerror(error))
        return whole(path, *rest, **named)  # type: ignore[arg-type]  # any of its many forms

    return fails


def test_too_many_open_files_cost_no_event_while_memory_has_room(
    delivery: Delivery,
    transport: ScriptedTransport,
    spool: Spool,
    seen: Seen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing(errno.EMFILE, ".bound"))
        tried = threading.Event()
        bound = spool._bound

        def noted() -> AbstractContextManager[None]:
            tried.set()
            return bound()

        patch.setattr(spool, "_bound", noted)
        transport.room = 0
        send(delivery, *range(100))
        assert tried.wait(60)
        transport.room = 1_000
    assert delivery.flush(60) == 0
    assert numbers(transport) == list(range(100))
    assert seen.dropped == []


@pytest.mark.parametrize("durable", [False, True])
def test_loss_says_that_the_disk_is_the_reason(
    tmp_path: Path, transport: ScriptedTransport, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    dropped: list[tuple[int, str]] = []
    hooks = Hooks(
        lambda *_: None,
        lambda *_: None,
        lambda count, error: dropped.append((count, error.reason)),
        lambda _: None,
    )
    transport.room = 0
    delivery = Delivery(transport, Spool(tmp_path / "spool"), hooks, durable=durable, max_waiting=10)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing(errno.EMFILE, ".bound"))
        send(delivery, *range(30))
    assert sum(count for count, _ in dropped) == (30 if durable else 20)
    assert all("Too many open files" in reason for _, reason in dropped)
    transport.room = 100
    assert delivery.flush(60) == 0
    assert numbers(transport) == ([] if durable else list(range(10)))
    delivery.close(10)


def test_refusal_while_nothing_waits_is_forgotten_with_the_next_event(
    delivery: Delivery, transport: ScriptedTransport, spool: Spool
) -> None:
    """Until then events go by way of the disk: nobody is known to be there."""
    send(delivery, 1)
    delivery.down()
    until(lambda: delivery._idle)
    assert not delivery.is_down
    transport.auto = False
    send(delivery, 2)
    assert delivery.is_down
    until(lambda: spool.waiting == 1)
    transport.auto = True
    transport.acknowledge()
    assert delivery.flush(60) == 0
    assert not delivery.is_down
    assert delivery._direct
    send(delivery, 3)
    assert numbers(transport) == [1, 2, 3]


def test_flush_in_the_thread_that_settles_returns_at_once(
    delivery: Delivery, transport: ScriptedTransport
) -> None:
    transport.auto = False
    send(delivery, 1)
    transport.settles_in = threading.current_thread()
    begin = time.monotonic()
    assert delivery.flush(20) == 1
    assert time.monotonic() - begin < 10


def test_loss_is_told_of_outside_the_lock(
    tmp_path: Path, transport: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread captures while ``on_drop`` runs."""
    told = threading.Event()

    def dropped(count: int, _: LoopinError) -> None:
        other = threading.Thread(target=send, args=(delivery, 2))
        other.start()
        other.join(30)
        assert not other.is_alive()
        assert count == 1
        told.set()

    hooks = Hooks(lambda *_: None, lambda *_: None, dropped, lambda _: None)
    delivery = Delivery(transport, Spool(tmp_path / "spool"), hooks, durable=True, max_waiting=100)

    def no_room(_: Spool, most: int) -> int:
        delivery._waiting.clear()
        return most

    monkeypatch.setattr(delivery, "_write", no_room)
    delivery._waiting.append(record(0))
    send(delivery, 1)
    assert told.is_set()
    monkeypatch.undo()
    delivery.close(10)

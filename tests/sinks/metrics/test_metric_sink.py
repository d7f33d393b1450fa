"""The sink of windows on a real broker and the real engine: the newest revision of each window is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.sinks.asking import until
from tests.sinks.faulty_store import FaultyStore
from tests.sinks.metrics.topic import DAY_MS, TODAY_MS, Metrics, caught_up, running


async def test_the_newest_revision_of_each_window_is_stored(metrics: Metrics) -> None:
    async with running(metrics.sink()) as task:
        for count in (1, 2, 3):
            metrics.publish("IN", count)
            metrics.publish("DE", 10 * count, partition=1)
            await metrics.wait_stored()
        metrics.publish("IN", 4, closed=True)
        await metrics.wait_stored()
        assert not task.done()
    assert await metrics.stored() == [("DE", TODAY_MS, 30, False), ("IN", TODAY_MS, 4, True)]


async def test_windows_of_several_months_are_stored_together(metrics: Metrics) -> None:
    for months in range(4):
        metrics.publish(start=TODAY_MS - 31 * months * DAY_MS)
    async with running(metrics.sink()):
        await metrics.wait_stored()


async def test_an_older_revision_never_replaces_a_newer_one(metrics: Metrics) -> None:
    metrics.publish(count=9, revision=9)
    newest = dict(metrics.newest)
    metrics.publish(count=5, revision=5)
    sink = metrics.sink()
    async with running(sink):
        await caught_up(sink, {0: 4})
        metrics.publish(count=7, revision=7)
        await caught_up(sink, {0: 6})
    metrics.newest = newest
    await metrics.wait_stored()


async def test_a_sink_goes_on_where_the_one_before_it_has_stored(metrics: Metrics) -> None:
    metrics.publish("IN", 1)
    async with running(metrics.sink()):
        await metrics.wait_stored()
    # Behind each record there is its transaction's mark, which may have come already.
    assert metrics.committed() in ([1, -1001], [2, -1001])
    metrics.publish("IN", 2)
    metrics.publish("DE", 3, partition=1)
    again = metrics.sink()
    async with running(again):
        await metrics.wait_stored()
        assert again.read_records == 2


async def test_a_topic_that_was_created_again_is_read_from_its_start(metrics: Metrics) -> None:
    for number in range(3):
        metrics.publish(f"c{number}", partition=0)
    # The earlier topic of that name had one window.
    await metrics.commit(1, '{"topic_id":"11111111-1111-4111-8111-111111111111"}')
    sink = metrics.sink()
    async with running(sink):
        await caught_up(sink, {0: 6})
    await metrics.wait_stored()
    assert sink.read_records == 3
    metrics.publish("IN", 1)
    again = metrics.sink()
    async with running(again):
        await caught_up(again, {0: 8})
    assert again.read_records == 1, "the new topic's own offset counts"


async def test_an_offset_without_a_note_counts(metrics: Metrics) -> None:
    for number in range(2):
        metrics.publish(f"c{number}", partition=0)
    await metrics.commit(2, "")
    sink = metrics.sink()
    async with running(sink):
        await caught_up(sink, {0: 4})
    assert sink.read_records == 1


async def test_what_was_read_is_stored_before_a_sink_stops(metrics: Metrics) -> None:
    metrics.publish("IN", 1)
    sink = metrics.sink(metric_interval_s=60)
    async with running(sink):
        await until(lambda: sink.read_records == 1, "it is read")
        assert await metrics.stored() == []
    await metrics.wait_stored()
    assert metrics.committed() in ([1, -1001], [2, -1001])


async def test_a_sink_that_is_killed_after_its_insert_loses_nothing_and_counts_nothing_twice(
    metrics: Metrics,
) -> None:
    metrics.publish("IN", 5)
    inserted = asyncio.Event()

    class Killed(FaultyStore):
        async def insert(self, table: str, rows: Any, *, token: str) -> None:
            await super().insert(table, rows, token=token)
            inserted.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(metrics.sink(Killed(metrics.store)).run(asyncio.Event()))
    await inserted.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert metrics.committed() == [-1001, -1001]
    metrics.publish("DE", 6)
    async with running(metrics.sink()):
        await metrics.wait_stored()
    assert metrics.committed()[0] in (3, 4)


async def test_while_the_store_is_away_windows_wait_and_none_is_lost(metrics: Metrics) -> None:
    store = FaultyStore(metrics.store, failing=True)
    sink = metrics.sink(store)
    async with running(sink):
        metrics.publish("IN", 1)
        await until(lambda: sink.failing == "ClickHouse does not answer.", "it says so")
        metrics.publish("IN", 2)
        metrics.publish("DE", 3, partition=1)
        await until(lambda: sink.read_records == 3, "it goes on reading")
        assert metrics.committed() == [-1001, -1001]
        assert sink.stored_rows == 0
        store.failing = False
        await metrics.wait_stored()
        await until(lambda: sink.failing is None, "it says no more")
        assert sink.stored_rows == 2, "of each window the newest"
    assert metrics.committed() in ([3, 1], [3, 2], [4, 1], [4, 2])


async def test_a_sink_that_is_stopped_while_the_store_is_away_leaves_it_to_the_next(metrics: Metrics) -> None:
    store = FaultyStore(metrics.store, failing=True)
    sink = metrics.sink(store)
    metrics.publish("IN", 1)
    async with running(sink):
        await until(lambda: sink.failing, "it fails")
    assert metrics.committed() == [-1001, -1001]
    async with running(metrics.sink()):
        await metrics.wait_stored()


async def test_no_more_waits_than_a_limit(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.latest_sink.MAX_WAITING", 3)
    store = FaultyStore(metrics.store, failing=True)
    sink = metrics.sink(store)
    async with running(sink):
        for number in range(3):
            metrics.publish(f"c{number}")
            await until(lambda read=number + 1: sink.read_records == read, "it is read")  # type: ignore[misc]
        for number in range(3, 6):
            metrics.publish(f"c{number}")
        for _ in range(3):
            sink.failing = None
            await until(lambda: sink.failing, "it tries again")
        assert sink.read_records == 3
        store.failing = False
        await metrics.wait_stored()


async def test_inserts_are_no_more_frequent_than_the_interval(metrics: Metrics) -> None:
    at: list[float] = []

    class Watched(FaultyStore):
        async def insert(self, table: str, rows: Any, *, token: str) -> None:
            at.append(asyncio.get_running_loop().time())
            await super().insert(table, rows, token=token)

    sink = metrics.sink(Watched(metrics.store), metric_interval_s=0.5)
    async with running(sink):
        for count in range(1, 8):
            metrics.publish("IN", count)
            metrics.publish("DE", count)
            await until(lambda read=2 * count: sink.read_records == read, "it is read")  # type: ignore[misc]
        await metrics.wait_stored()
        gaps = [after - before for before, after in zip(at, at[1:], strict=False)]
    assert all(gap >= 0.5 for gap in gaps)


async def test_what_was_aborted_is_not_stored_and_what_cannot_be_read_is_left_out(metrics: Metrics) -> None:
    metrics.send(b'{"project":"demo"', commit=False)
    for body in (None, b"", b"{}", b"\xff", b"[" * 100_000):
        metrics.send(body)
    metrics.publish("IN", 1)
    sink = metrics.sink()
    async with running(sink):
        await metrics.wait_stored()
        # It counts what it has stored once the store says so, which a reader may see before.
        await until(lambda: sink.stored_rows == 1, "it has counted the row")
        assert sink.unreadable == 5


async def test_two_sinks_share_the_work_and_one_takes_over(metrics: Metrics) -> None:
    first, second = metrics.sink(), metrics.sink()
    both: Callable[[], Any] = lambda: first._assigned and second._assigned  # noqa: E731 (polled)
    async with running(first):
        metrics.publish("IN", 1)
        await metrics.wait_stored()
        async with running(second):
            await until(both, "each has a partition")
            metrics.publish("IN", 2)
            metrics.publish("DE", 2, partition=1)
            await metrics.wait_stored()
        metrics.publish("IN", 3)
        metrics.publish("DE", 3, partition=1)
        await metrics.wait_stored()
        assert (await first.positions()).keys() == {0, 1}


async def test_positions_pass_the_marks_of_transactions(metrics: Metrics) -> None:
    sink = metrics.sink()
    metrics.publish("IN", 1)
    metrics.send(b"{}", partition=1, commit=False)
    async with running(sink):
        await caught_up(sink, {0: 2, 1: 2})
    assert await metrics.stored() == [("IN", TODAY_MS, 1, False)]


async def test_a_window_of_a_newer_release_is_not_passed_over(metrics: Metrics) -> None:
    metrics.publish("IN", 1)
    metrics.send(b'{"version": 2, "project": ["of", "another", "shape"]}')
    metrics.publish("IN", 2, partition=0)
    del metrics.newest["IN", TODAY_MS]
    metrics.publish("IN", 1, revision=1)
    metrics.publish("DE", 3, partition=1)
    sink = metrics.sink()
    async with running(sink):
        await metrics.wait_stored()
        said = sink.refused() or ""
        assert said.startswith(f"Partition 0 of {metrics.settings.topic('metrics')} is refused: ")
        assert "run that version here too" in said
        # The other goes on, and nobody takes what waits for done.
        metrics.publish("DE", 4, partition=1)
        await metrics.wait_stored()
        assert (await sink.positions())[0] == 2
        assert sink.unreadable == 0
        await sink.on_partitions_revoked([])
        assert sink.refused() is None
    assert metrics.committed()[0] <= 2

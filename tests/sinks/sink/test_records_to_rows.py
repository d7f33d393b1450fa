"""Every committed record of the topic becomes one row, and the sink says how far it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.sinks.asking import until
from tests.sinks.enriched import Enriched, running, stored_all
from tests.sinks.faulty_store import FaultyStore


async def test_every_record_is_one_row_and_the_lag_falls_to_zero(enriched: Enriched) -> None:
    enriched.publish(300)
    enriched.publish(50, abort=True)
    enriched.publish(21)
    sink = enriched.sink()
    async with running(sink):
        await stored_all(enriched, sink)
        assert await enriched.waiting(sink) == 0
        assert set(await sink.positions()) == {0, 1}
        enriched.publish(10)
        await until(lambda: sink.writer.stored_rows == 331, "the later rows")
        assert await enriched.waiting(sink) == 0
        assert sink.writer.newest_received_ms is not None
        assert 5 <= (sink.writer.latency.percentile(50) or 0) < 60_000
    await enriched.assert_stored_once()


async def test_the_lag_counts_what_is_not_stored(enriched: Enriched) -> None:
    store = FaultyStore(enriched.store, failing=True)
    enriched.publish(30)
    sink = enriched.sink(store)
    async with running(sink):
        await until(lambda: sink.writer.failing, "the store fails")
        # Each partition holds 15 records and the transaction's marker.
        assert await enriched.waiting(sink) >= 30
        store.failing = False
        await stored_all(enriched, sink)
        assert await enriched.waiting(sink) == 0


async def test_an_insert_holds_one_month_and_few_rows(enriched: Enriched) -> None:
    store = FaultyStore(enriched.store)
    enriched.publish(240, days_apart=0.6)
    sink = enriched.sink(store, batch_size=50)
    async with running(sink):
        await stored_all(enriched, sink)
    assert {len(call.months) for call in store.inserts} == {1}
    assert len({month for call in store.inserts for month in call.months}) >= 3
    assert max(len(call.offsets) for call in store.inserts) <= 50
    assert len({call.token for call in store.inserts}) == len(store.inserts)
    await enriched.assert_stored_once()


async def test_an_insert_is_bounded_by_bytes_too(enriched: Enriched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.sink.MAX_WAITING_BYTES", 10_000)
    store = FaultyStore(enriched.store)
    sink = enriched.sink(store, insert_interval_s=60.0)
    async with running(sink):
        enriched.publish(30)
        await until(lambda: sink.read_records == 30, "all is read")
        # Less than the limit waits for the interval.
        assert store.inserts == []
        enriched.publish(30)
        await until(lambda: sink.writer.stored_rows == 60, "more is stored at once", 30)
    await enriched.assert_stored_once()


async def test_a_restart_reads_nothing_twice(enriched: Enriched) -> None:
    enriched.publish(40)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.publish(40)
    store = FaultyStore(enriched.store)
    second = enriched.sink(store)
    async with running(second):
        await stored_all(enriched, second)
    assert second.writer.stored_rows == 40
    assert sum(len(call.offsets) for call in store.inserts) == 40
    await enriched.assert_stored_once()


async def test_a_sink_waits_for_its_first_events(enriched: Enriched) -> None:
    sink = enriched.sink()
    async with running(sink):
        await until(lambda: sink.unready() is None, "it has partitions")
        assert (await enriched.waiting(sink), sink.writer.stored_rows, sink.writer.failing) == (0, 0, None)
        assert sink.writer.newest_received_ms is None
        enriched.publish(5)
        await stored_all(enriched, sink)


async def test_what_was_read_before_the_stop_is_stored(enriched: Enriched) -> None:
    sink = enriched.sink(insert_interval_s=60.0)
    async with running(sink):
        await until(lambda: sink.unready() is None, "it has partitions")
        enriched.publish(30)
        await until(lambda: sink._waiting() == 30, "the rows wait")
        assert sink.writer.stored_rows == 0
    assert sink.writer.stored_rows == 30
    await enriched.assert_stored_once()


async def test_times_and_fields_arrive_as_they_were(enriched: Enriched) -> None:
    enriched.publish(1)
    sink = enriched.sink()
    async with running(sink):
        await stored_all(enriched, sink)
    [row] = await enriched.store.query("SELECT * FROM events")
    assert (row["project"], row["event"], row["distinct_id"]) == ("demo", "click", "u0")
    assert json.loads(row["properties"]) == {"at": 0}
    assert abs(row["timestamp"] - datetime.now(UTC)).total_seconds() < 60
    assert (row["received_at"] - row["sent_at"]).total_seconds() == pytest.approx(0.005)

"""Going on without lost records: what is left is stored once, and only where somebody said so."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace

import pytest

from loopin_sinks.accept_loss import Accepted, SinksRun, accept_loss
from loopin_sinks.progress import Progress
from tests.sinks.asking import DEADLINE_S, until
from tests.sinks.enriched import Enriched, delete_records, kill, running, stored_all
from tests.sinks.faulty_store import FaultyStore, stand_still_at


async def accepted(enriched: Enriched) -> list[Accepted]:
    return await accept_loss(enriched.settings, enriched.store, enriched.topic_id, 2)


async def stored(enriched: Enriched, number: int) -> None:
    """Publish some, and see that a sink stores all the records that there are."""
    enriched.publish(number)
    sink = enriched.sink()
    async with running(sink):
        await until(
            lambda: not sink.refusals and sink.writer.stored_rows >= number, "the new ones are stored"
        )
        deadline = time.monotonic() + DEADLINE_S
        while await enriched.waiting(sink):
            assert time.monotonic() < deadline, "those before them are stored, too"
            await asyncio.sleep(0.02)


async def rows(enriched: Enriched) -> int:
    return int((await enriched.store.query("SELECT count() AS c FROM events"))[0]["c"])


async def first_stored(enriched: Enriched, number: int = 20) -> None:
    enriched.publish(number)
    sink = enriched.sink()
    async with running(sink):
        await stored_all(enriched, sink)


async def test_where_nothing_is_lost_nothing_is_changed(enriched: Enriched) -> None:
    await first_stored(enriched)
    before = await enriched.notes()
    assert await accepted(enriched) == []
    assert await enriched.notes() == before
    enriched.forget_group()
    assert await accepted(enriched) == []
    assert await enriched.notes() == {}


@pytest.mark.parametrize("forgotten", [False, True])
async def test_the_sinks_go_on_where_the_log_starts_now(enriched: Enriched, forgotten: bool) -> None:
    await first_stored(enriched)
    enriched.publish(30)
    delete_records(enriched, 0)
    if forgotten:
        enriched.forget_group()
    [one] = await accepted(enriched)
    # 10 records and 15, each with its transaction's marker.
    assert (one.partition, one.position) == (0, 27)
    assert "records" in one.reason
    assert "lost" in one.reason
    await stored(enriched, 10)
    assert await rows(enriched) == 20 + 15 + 10
    assert await accepted(enriched) == []


async def test_a_range_that_lost_its_head_is_completed(enriched: Enriched) -> None:
    enriched.publish(120, days_apart=1.0)
    store = FaultyStore(enriched.store)
    stand_still_at(store, 2, "after")
    await kill(enriched.sink(store), store, 2)
    cut = store.inserts[-1].partition
    delete_records(enriched, cut, up_to=30)
    assert [one.partition for one in await accepted(enriched)] == [cut]
    await stored(enriched, 10)
    # Each record that is left is one row, and so are those that were stored before they were lost.
    [doubled] = await enriched.store.query(
        "SELECT count() - uniqExact(_partition, _offset) AS c, countIf(_partition = {cut:UInt32} AND "
        "_offset >= 30) AS left FROM events",
        {"cut": cut},
    )
    assert doubled == {"c": 0, "left": 30 + 5}


async def test_what_took_the_place_of_records_at_the_logs_lost_end_is_stored(enriched: Enriched) -> None:
    await first_stored(enriched)
    # As if records 11 to 14 had been stored before the broker lost them: now 11 is the end of the log.
    await enriched.store.command(
        "ALTER TABLE events UPDATE _offset = _offset + 6 WHERE _offset >= 5 SETTINGS mutations_sync = 2"
    )
    for partition in range(2):
        await enriched.commit(partition, 15, Progress(enriched.topic_id).text())
    enriched.published = 0
    assert [one.position for one in await accepted(enriched)] == [11, 11]
    await stored(enriched, 10)
    assert await rows(enriched) == 20 + 10, "the lost ones keep their rows"
    [row] = await enriched.store.query(
        "SELECT uniqExact(uuid) AS all, countIf(_topic_id = {topic:UUID} AND _offset >= 11) AS fresh "
        "FROM events",
        {"topic": enriched.topic_id},
    )
    assert row == {"all": 30, "fresh": 10}


async def test_another_topic_of_the_same_name_is_stored_from_its_start(enriched: Enriched) -> None:
    enriched.publish(20)
    for partition in range(2):
        await enriched.commit(partition, 7, Progress(str(uuid.uuid4())).text())
    assert [one.position for one in await accepted(enriched)] == [0, 0]
    sink = enriched.sink()
    async with running(sink):
        await stored_all(enriched, sink)
    await enriched.assert_stored_once()


async def test_not_while_a_sink_is_at_work(enriched: Enriched) -> None:
    await first_stored(enriched)
    sink = enriched.sink()
    async with running(sink):
        await until(lambda: sink.unready() is None, "it is at work")
        other = replace(enriched, topic_id=str(uuid.uuid4()))
        before = await enriched.notes()
        with pytest.raises(SinksRun, match="stop all sinks first"):
            await accepted(other)
        assert await enriched.notes() == before

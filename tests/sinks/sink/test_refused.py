"""A partition whose offset does not fit the log is left alone, and named; the others are worked on."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import TopicPartition

from loopin_sinks.catch_up import catch_up
from loopin_sinks.sink import Sink
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.projects.project import Projects
from tests.sinks.asking import DEADLINE_S, until
from tests.sinks.enriched import Enriched, delete_records, running, stored_all


async def stored(enriched: Enriched) -> dict[int, int]:
    """Rows by partition."""
    rows = await enriched.store.query("SELECT _partition AS p, count() AS c FROM events GROUP BY p")
    return {int(row["p"]): int(row["c"]) for row in rows}


async def wait_stored(enriched: Enriched, wanted: dict[int, int]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (found := await stored(enriched)) != wanted:
        assert time.monotonic() < deadline, f"{found} is stored, not {wanted}"
        await asyncio.sleep(0.02)


async def with_lost_records(enriched: Enriched, *partitions: int) -> Sink:
    """A sink on an installation that lost 15 records of each of these partitions before they were stored."""
    enriched.publish(20)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.publish(30)
    delete_records(enriched, *partitions)
    return enriched.sink()


async def test_a_refused_partition_does_not_hold_up_the_others(enriched: Enriched) -> None:
    sink = await with_lost_records(enriched, 0)
    async with running(sink):
        await wait_stored(enriched, {0: 10, 1: 25})
        enriched.publish(10)
        await wait_stored(enriched, {0: 10, 1: 30})
        said = sink.unready() or ""
        assert said.startswith("Partition 0 is refused: ")
        assert (sink.opening(), sink.refused()) == (None, said)
        assert "run `loopin sink accept-loss`" in said
        assert sink.leads, "somebody must do what only one does"
        # Another assignment is another chance.
        await sink.on_partitions_revoked([])
        assert sink.unready() == "no partitions are assigned yet"
        await sink.on_partitions_assigned([TopicPartition(enriched.settings.topic("events.enriched"), 1)])
        await until(lambda: sink.unready() is None, "nothing it was assigned is refused")


async def test_a_sink_that_is_refused_all_it_was_assigned_stays_and_says_so(enriched: Enriched) -> None:
    sink = await with_lost_records(enriched, 0, 1)
    # It ends without an error, too.
    async with running(sink):
        await until(lambda: len(sink.refusals) == 2, "both are refused")
        assert (sink.unready() or "").count("accept-loss") == 2
        enriched.publish(10)
        assert await stored(enriched) == {0: 10, 1: 10}
        assert await enriched.waiting(sink) > 0, "lag tells of it, too"


async def test_records_that_are_lost_while_it_runs_stop_their_partition_only(enriched: Enriched) -> None:
    sink = enriched.sink(insert_interval_s=60.0)
    async with running(sink):
        enriched.publish(20)
        await until(lambda: sink.read_records == 20, "all is read")
        delete_records(enriched, 0)
        # As if it had not come further when they were removed.
        sink._consumer.seek(TopicPartition(enriched.settings.topic("events.enriched"), 0), 0)
        await until(lambda: "Partition 0 is refused: " in (sink.unready() or ""), "it says so")
        await wait_stored(enriched, {0: 10, 1: 10})
        enriched.publish(10)
        await until(lambda: sink.read_records == 25, "the other goes on")
    assert await stored(enriched) == {0: 10, 1: 15}


async def test_who_waits_until_all_is_stored_is_told_that_it_will_not_be(enriched: Enriched) -> None:
    await with_lost_records(enriched, 0)
    enriched.publish(10)
    with pytest.raises(RefusedToOpen, match="records were lost") as refusal:
        async with asyncio.timeout(DEADLINE_S):
            await catch_up(enriched.settings, enriched.store, Projects(), enriched.topic_id, 2)
    assert refusal.value.code == "log_starts_after_marker"

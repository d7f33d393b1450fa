"""Offsets that were deleted or set back, and a topic that is another one or has lost records."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_sinks.progress import Progress
from loopin_sinks.sink import Sink
from loopin_streams.kafka.progress import committed_offsets
from loopin_streams.projects.project import Projects
from tests.sinks.asking import until
from tests.sinks.enriched import Enriched, delete_records, kill, running, stored_all
from tests.sinks.faulty_store import FaultyStore, stand_still_at


async def refused(sink: Sink) -> dict[int, str]:
    """Why it leaves both partitions alone."""
    async with running(sink):
        await until(lambda: len(sink.refusals) == 2, "it refuses both partitions")
        return {at.partition: why.code for at, why in sink.refusals.items()}


async def test_another_topic_of_the_same_name_is_refused(enriched: Enriched) -> None:
    enriched.publish(10)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    other = Sink(enriched.settings, enriched.store, Projects(), str(uuid.uuid4()))
    assert await refused(other) == {0: "topic_recreated", 1: "topic_recreated"}


async def test_a_consumer_group_set_back_doubles_nothing(enriched: Enriched) -> None:
    enriched.publish(60, days_apart=1)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    topic = enriched.settings.topic("events.enriched")
    admin = AdminClient({"bootstrap.servers": enriched.settings.kafka_bootstrap})
    back = [TopicPartition(topic, partition, 0) for partition in range(2)]
    group = f"{enriched.settings.topic_prefix}clickhouse"
    asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, back)])
    asked[group].result(10)
    enriched.publish(20)
    second = enriched.sink()
    async with running(second):
        await stored_all(enriched, second)
    await enriched.assert_stored_once()
    assert second.writer.stored_rows == 20


async def test_a_deleted_consumer_group_doubles_nothing(enriched: Enriched) -> None:
    enriched.publish(40)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.forget_group()
    enriched.publish(10)
    second = enriched.sink()
    async with running(second):
        await stored_all(enriched, second)
    await enriched.assert_stored_once()


@pytest.mark.parametrize("aborted", [0, 6])
async def test_records_deleted_after_they_were_stored_are_not_missed(
    enriched: Enriched, aborted: int
) -> None:
    enriched.publish(20)
    enriched.publish(aborted, abort=True)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    delete_records(enriched, 0, 1)
    second = enriched.sink()
    async with running(second):
        enriched.publish(10)
        await stored_all(enriched, second)
    assert second.writer.stored_rows == 10


async def test_a_quiet_partition_is_noted_up_to_its_end_although_another_is_busy(enriched: Enriched) -> None:
    enriched.publish(2)
    settings = enriched.settings
    group, topic = f"{settings.topic_prefix}clickhouse", settings.topic("events.enriched")
    # So rarely that partition 0 has records at each insert.
    sink = enriched.sink(insert_interval_s=0.5)
    async with running(sink):
        deadline = time.monotonic() + 180
        while (await committed_offsets(settings.kafka_bootstrap, group, topic)).get(1) != 2:
            assert time.monotonic() < deadline, "partition 1 holds a record and its transaction's marker"
            enriched.publish(1)
        await stored_all(enriched, sink)
    await enriched.assert_stored_once()


async def lose_records(enriched: Enriched) -> None:
    """20 records are stored, and 30 after them deleted unread."""
    enriched.publish(20)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.publish(30)
    delete_records(enriched, 0, 1)


async def test_records_lost_before_they_were_stored_are_not_passed_over(enriched: Enriched) -> None:
    await lose_records(enriched)
    assert await refused(enriched.sink()) == {0: "log_starts_after_marker", 1: "log_starts_after_marker"}


async def test_records_lost_while_the_group_was_forgotten_are_not_passed_over(enriched: Enriched) -> None:
    await lose_records(enriched)
    enriched.forget_group()
    enriched.publish(10)
    assert await refused(enriched.sink()) == {0: "log_starts_after_marker", 1: "log_starts_after_marker"}
    assert await enriched.store.query("SELECT count() AS c FROM events") == [{"c": 20}]


async def test_a_range_beyond_the_end_of_the_log_is_not_passed_over(enriched: Enriched) -> None:
    enriched.publish(20)
    # As if the broker had lost the records that another sink was about to insert.
    await enriched.commit(0, 0, Progress(enriched.topic_id, 50).text())
    sink = enriched.sink()
    async with running(sink):
        await until(lambda: sink.writer.stored_rows == 10 and sink.refusals, "partition 1 is stored")
        [(at, why)] = sink.refusals.items()
        assert (at.partition, why.code) == (0, "marker_beyond_log")


async def test_rows_beyond_the_end_of_the_log_are_not_taken_for_later_records(enriched: Enriched) -> None:
    enriched.publish(20)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.forget_group()
    await enriched.store.command(
        "ALTER TABLE events UPDATE _offset = 50 WHERE _offset = 9 SETTINGS mutations_sync = 2"
    )
    assert await refused(enriched.sink()) == {0: "marker_beyond_log", 1: "marker_beyond_log"}


async def test_a_forgotten_groups_backlog_is_seen_to_piece_by_piece(enriched: Enriched) -> None:
    for _ in range(4):
        enriched.publish(100, days_apart=0.5)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.forget_group()
    # As if an insert before the last had been cut off.
    await enriched.store.command(
        "ALTER TABLE events DELETE WHERE _offset % 3 = 0 SETTINGS mutations_sync = 2"
    )
    # Cut off in the middle, several times: whoever comes next completes one small range and goes on.
    for insert in range(1, 4):
        store = FaultyStore(enriched.store)
        stand_still_at(store, insert, "after" if insert == 2 else "before")
        cut = enriched.sink(store, batch_size=30)
        await kill(cut, store, insert)
        assert max(len(call.offsets) for call in store.inserts) <= 30
        assert cut.read_records < 400
        for start, note in (await enriched.notes()).values():
            assert note.end is None or note.end - start <= 60
            assert note.doubtful_to is not None
    last = enriched.sink(batch_size=30)
    async with running(last):
        await stored_all(enriched, last)
    await enriched.assert_stored_once()
    assert {note.doubtful_to for _, note in (await enriched.notes()).values()} == {None}


async def test_a_stop_is_prompt_while_a_forgotten_groups_backlog_is_seen_to(enriched: Enriched) -> None:
    for _ in range(4):
        enriched.publish(100)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.forget_group()
    sink = enriched.sink(batch_size=20, insert_interval_s=60.0)
    async with running(sink) as stop:
        await until(lambda: sink.read_records, "it has begun")
        stop.set()
    assert sink.read_records < 200

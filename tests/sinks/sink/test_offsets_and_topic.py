"""Offsets that were deleted or set back, and a topic that is another one or has lost records."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_sinks.sink import Sink
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.progress import committed_offsets
from tests.sinks.enriched import Enriched, delete_records, running, stored_all


async def test_another_topic_of_the_same_name_is_refused(enriched: Enriched) -> None:
    enriched.publish(10)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    other = Sink(enriched.settings, enriched.store, enriched.store_settings, str(uuid.uuid4()))
    with pytest.raises(RefusedToOpen, match="delete the consumer group") as refusal:
        async with asyncio.timeout(15):
            await other.run(asyncio.Event())
    assert refusal.value.code == "topic_recreated"


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
    admin = AdminClient({"bootstrap.servers": enriched.settings.kafka_bootstrap})
    group = f"{enriched.settings.topic_prefix}clickhouse"
    admin.delete_consumer_groups([group])[group].result(10)
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


async def test_records_lost_before_they_were_stored_are_not_passed_over(enriched: Enriched) -> None:
    enriched.publish(20)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.publish(30)
    delete_records(enriched, 0, 1)
    with pytest.raises(RefusedToOpen, match="delete the consumer group") as refusal:
        async with asyncio.timeout(15):
            await enriched.sink().run(asyncio.Event())
    assert refusal.value.code == "log_starts_after_marker"

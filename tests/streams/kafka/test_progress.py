"""Markers and offsets as plain clients have written them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from loopin_streams.kafka import progress
from loopin_streams.kafka.errors import BrokerUnreachable
from loopin_streams.kafka.progress import (
    committed_offsets,
    job_counts,
    least_watermark,
    log_ends,
    newest_marker,
)
from loopin_streams.kafka.reader import Reader
from tests.streams.installation import DEADLINE_S, Installation, wait_until
from tests.transactions import Out, Transactions

pytestmark = pytest.mark.usefixtures("collected")

PAUSE_S = 20.0
FENCED = KafkaError.FENCED_LEADER_EPOCH

Written = tuple[bytes, bytes | None]
"""Key and value."""


@pytest.fixture
def topic(installation: Installation) -> str:
    return installation.settings.topic("enrich.state")


@pytest.fixture
async def reader(installation: Installation, topic: str) -> AsyncIterator[Reader]:
    async with Reader(installation.settings.kafka_bootstrap, [(topic, 0), (topic, 1)]) as reader:
        yield reader


@pytest.fixture
def writer(installation: Installation) -> Transactions:
    settings = installation.settings
    return Transactions(settings.kafka_bootstrap, f"{settings.topic_prefix}writer")


def marker(position: int, **fields: object) -> Written:
    return b"m", json.dumps({"topic_id": "t", "position": position, **fields}).encode()


def write(
    writer: Transactions,
    topic: str,
    written: Iterable[Written],
    *,
    partition: int = 0,
    commit: bool | None = True,
) -> None:
    """One transaction; ``commit`` None leaves it open."""
    writer.begin(Out(topic, partition, key, value) for key, value in written)
    if commit is not None:
        writer.commit() if commit else writer.abort()


async def position(reader: Reader, topic: str, partition: int = 0) -> int | None:
    found = await newest_marker(reader, topic, partition)
    return None if found is None else found.position


# The newest marker.


async def test_a_partition_without_records_has_no_marker(reader: Reader, topic: str) -> None:
    assert await position(reader, topic) is None


async def test_other_records_are_no_markers(reader: Reader, topic: str, writer: Transactions) -> None:
    write(writer, topic, [(b"w:shop:minute:0", b"{}"), (b"mm", b"{}")])
    assert await position(reader, topic) is None


async def test_the_last_committed_marker_counts(reader: Reader, topic: str, writer: Transactions) -> None:
    write(writer, topic, [marker(3), (b"w:x", b"{}"), marker(5), (b"w:x", None)])
    assert await position(reader, topic) == 5
    write(writer, topic, [marker(7)], partition=1)
    assert (await position(reader, topic), await position(reader, topic, 1)) == (5, 7)
    write(writer, topic, [marker(8)], commit=False)
    assert await position(reader, topic) == 5
    write(writer, topic, [marker(9)], commit=None)
    assert await position(reader, topic) == 5
    writer.commit()
    assert await position(reader, topic) == 9


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
@pytest.mark.parametrize("records", [300, 6_000])
async def test_a_marker_is_found_before_a_long_tail(
    reader: Reader, topic: str, writer: Transactions, records: int, commit: bool
) -> None:
    write(writer, topic, [marker(4)])
    tail = [(b"w:%d" % at, b"x" * 100) for at in range(records)]
    write(writer, topic, tail if commit else [*tail, marker(6)], commit=commit)
    assert await position(reader, topic) == 4


async def test_a_long_log_without_a_marker_has_none(reader: Reader, topic: str, writer: Transactions) -> None:
    write(writer, topic, [(b"w:%d" % at, b"x") for at in range(6_000)])
    assert await position(reader, topic) is None


async def test_a_marker_that_was_removed_is_none(reader: Reader, topic: str, writer: Transactions) -> None:
    write(writer, topic, [marker(4)])
    write(writer, topic, [(b"m", None)])
    assert await position(reader, topic) is None
    write(writer, topic, [marker(1)])
    assert await position(reader, topic) == 1


# Over all partitions.


async def test_the_least_watermark_is_known_once_every_partition_has_one(
    reader: Reader, topic: str, writer: Transactions
) -> None:
    assert await least_watermark(reader, topic, 2) is None
    write(writer, topic, [marker(1, watermark=70)])
    assert await least_watermark(reader, topic, 2) is None
    write(writer, topic, [marker(1)], partition=1)
    assert await least_watermark(reader, topic, 2) is None
    write(writer, topic, [marker(2, watermark=80)], partition=1)
    assert await least_watermark(reader, topic, 2) == 70
    write(writer, topic, [marker(2, watermark=90)])
    assert await least_watermark(reader, topic, 2) == 80
    # One that is not committed changes nothing.
    write(writer, topic, [marker(3, watermark=100)], partition=1, commit=False)
    assert await least_watermark(reader, topic, 2) == 80
    assert await least_watermark(reader, topic, 1) == 90


async def test_a_watermark_of_zero_is_one(reader: Reader, topic: str, writer: Transactions) -> None:
    for partition in range(2):
        write(writer, topic, [marker(1, watermark=0)], partition=partition)
    assert await least_watermark(reader, topic, 2) == 0


async def test_counts_are_those_of_the_newest_markers(
    installation: Installation, topic: str, writer: Transactions
) -> None:
    bootstrap = installation.settings.kafka_bootstrap
    assert (await job_counts(bootstrap, topic, 2)).read == 0
    write(writer, topic, [marker(1, counts={"read": 1}), marker(2, counts={"read": 5, "late": {"day": 2}})])
    write(
        writer,
        topic,
        [marker(9, counts={"read": 7, "passed": 6, "late": {"day": 1, "hour": 1}})],
        partition=1,
    )
    counts = await job_counts(bootstrap, topic, 2)
    assert (counts.read, counts.passed, counts.late) == (12, 6, {"day": 3, "hour": 1})


# Offsets.


async def test_offsets_of_a_group_are_those_of_the_topic_asked_for(installation: Installation) -> None:
    settings = installation.settings
    group, raw, other = f"{settings.topic_prefix}g", settings.topic("events.raw"), settings.topic("alerts")
    assert await committed_offsets(settings.kafka_bootstrap, group, raw) == {}
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": group})
    try:
        consumer.commit(offsets=[TopicPartition(raw, 1, 41), TopicPartition(other, 0, 7)], asynchronous=False)
        assert await committed_offsets(settings.kafka_bootstrap, group, raw) == {1: 41}
        consumer.commit(offsets=[TopicPartition(raw, 0, 0), TopicPartition(raw, 1, 42)], asynchronous=False)
        assert await committed_offsets(settings.kafka_bootstrap, group, raw) == {0: 0, 1: 42}
    finally:
        consumer.close()
    assert await committed_offsets(settings.kafka_bootstrap, f"{group}2", raw) == {}


@pytest.mark.kafka
@pytest.mark.scenario
async def test_a_broker_that_has_just_started_knows_the_offsets_at_once(tmp_path: Path) -> None:
    # It has not loaded them then, and says so in a way that some clients take for an answer, or end of.
    broker = LocalKafka(tmp_path / "kafka", port=0)
    broker.start(DEADLINE_S)
    try:
        assert await committed_offsets(broker.bootstrap, "group", "topic") == {}
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic("topic", 2, 1)])["topic"].result(60)
        # The controller answers before the broker shows the topic.
        wait_until(lambda: "topic" in admin.list_topics(timeout=60).topics, "the topic is there")
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "group", "log_level": 0})
        consumer.commit(offsets=[TopicPartition("topic", 1, 41)], asynchronous=False)
        consumer.close()
        for _ in range(2):
            broker.stop()
            broker.start(DEADLINE_S)
            assert await committed_offsets(broker.bootstrap, "group", "topic") == {1: 41}
    finally:
        broker.stop()


@pytest.mark.kafka
@pytest.mark.scenario
def test_where_a_log_ends_is_told_after_the_broker_paused(tmp_path: Path) -> None:
    """Who asks a second time, by a client that knows the leader of before, is refused for ever."""
    broker = LocalKafka(tmp_path / "kafka", port=0)
    broker.start(DEADLINE_S)
    try:
        before = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        before.create_topics([NewTopic("topic", 2, 1)])["topic"].result(60)
        wait_until(lambda: _ends(broker.bootstrap) == {0: 0, 1: 0}, "it is told before")
        wait_until(lambda: _refusal(before) is None, "the client knows the leaders")
        # For longer than its session with the controller, again until the leaders are of another epoch.
        wait_until(lambda: _fenced_by_a_pause(broker, before), "the client knows leaders of before")
        wait_until(lambda: _ends(broker.bootstrap) == {0: 0, 1: 0}, "it is told again")
        assert _refusal(before) == FENCED
    finally:
        broker.stop()


def _fenced_by_a_pause(broker: LocalKafka, client: AdminClient) -> bool:
    pid = broker.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    time.sleep(PAUSE_S)
    os.kill(pid, signal.SIGCONT)
    # At first it may be away, or no leader yet.
    wait_until(lambda: _refusal(client) in (None, FENCED), "the broker answers")
    return bool(_refusal(client) == FENCED)


def _refusal(client: AdminClient) -> int | None:
    """With which code a client is refused that asks where the topic ends; None where it is told."""
    asked = {TopicPartition("topic", 1): OffsetSpec.latest()}
    try:
        client.list_offsets(asked, request_timeout=15)[TopicPartition("topic", 1)].result(30)
    except KafkaException as error:
        return int(error.args[0].code())
    return None


def _ends(bootstrap: str) -> dict[int, int] | None:
    try:
        return log_ends(bootstrap, "topic", 2)
    except KafkaException:
        return None


async def test_a_log_ends_after_its_last_record_whatever_becomes_of_it(
    reader: Reader, topic: str, writer: Transactions, installation: Installation
) -> None:
    def end_at(offset: int) -> None:
        # The note that ends a transaction may come after the client was told of it.
        ends = {0: 0, 1: offset}
        wait_until(lambda: log_ends(installation.settings.kafka_bootstrap, topic, 2) == ends, f"{ends}")

    end_at(0)
    write(writer, topic, [marker(1), marker(2)], partition=1)
    # Two records and the note that ends their transaction.
    end_at(3)
    write(writer, topic, [marker(3)], partition=1, commit=None)
    end_at(4)
    assert (await reader.log(topic, 1)).end == 3
    writer.abort()
    end_at(5)


async def test_a_broker_that_is_away_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TIMEOUT_S", 0.3)
    bootstrap = f"127.0.0.1:{free_port()}"
    with pytest.raises(BrokerUnreachable, match="check LOOPIN_KAFKA_BOOTSTRAP"):
        await committed_offsets(bootstrap, "group", "topic")
    with pytest.raises((KafkaException, TimeoutError)):
        log_ends(bootstrap, "topic", 2)

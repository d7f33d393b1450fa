"""The live feed of a real broker's topics, followed by several processes at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from loopin_api.instruments import Instruments
from loopin_api.live.feed import Feed
from loopin_api.live.follow import FeedFollower
from loopin_api.live.frame import Message
from loopin_api.live.subscription import Subscription
from loopin_schemas.topics import ALERTS, INSIGHTS, METRICS
from loopin_streams.kafka import waiting
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.api.live.records import ALL, DEADLINE_S, START, alert, insight, until, window
from tests.streams.conftest import Broker
from tests.streams.installation import wait_until
from tests.transactions import Out, Transactions

pytestmark = pytest.mark.usefixtures("collected")

TOPICS = [METRICS, ALERTS, INSIGHTS]


@pytest.fixture
def settings(kafka: Broker, topic_prefix: str) -> KafkaSettings:
    found = KafkaSettings.model_validate(
        {"kafka_bootstrap": kafka.bootstrap, "topic_prefix": topic_prefix, "partitions": 2}
    )
    TopicAdmin(found, TOPICS).apply()
    return found


@pytest.fixture
def writer(settings: KafkaSettings) -> Transactions:
    return Transactions(settings.kafka_bootstrap, f"{settings.topic_prefix}writer")


@asynccontextmanager
async def followed(settings: KafkaSettings) -> AsyncIterator[Feed]:
    """The feed of one process, once it has read what there is."""
    feed, stop = Feed(Instruments()), asyncio.Event()
    running = asyncio.create_task(FeedFollower(settings, feed).run(stop))
    try:
        await until(lambda: feed.ready)
        yield feed
    finally:
        stop.set()
        await running


async def told(client: Subscription, most: int) -> list[Message]:
    """The next messages, not more than ``most`` of them."""
    found: list[Message] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < most:
            messages = client.take()
            found += messages
            if not messages:
                await client.woken.wait()
    return found


def seen(messages: list[Message]) -> list[Any]:
    """What tells records apart."""
    records = [json.loads(message.data) for message in messages]
    return [one.get("id") or (one["dimension_value"], one["count"]) for one in records]


def metric(settings: KafkaSettings, partition: int, count: int, value: str = "") -> Out:
    record = window(0, count, value=value, start=START)
    return Out(settings.topic(METRICS.name), partition, record.key, record.value)


def alarm(settings: KafkaSettings, number: int) -> Out:
    return Out(settings.topic(ALERTS.name), 0, None, alert(number).value)


def finding(settings: KafkaSettings, number: int) -> Out:
    return Out(settings.topic(INSIGHTS.name), 0, None, insight(number).value)


async def write(writer: Transactions, *records: Out) -> None:
    await asyncio.to_thread(writer.write, records)


async def test_what_is_committed_is_told_by_every_process(
    settings: KafkaSettings, writer: Transactions
) -> None:
    await write(writer, metric(settings, 0, 1, "before"))
    async with followed(settings) as one, followed(settings) as other:
        clients = [feed.subscribe("shop", ALL, None) for feed in (one, other)]
        begun = clients[0].id
        await asyncio.to_thread(writer.begin, [metric(settings, 0, 99, "aborted"), alarm(settings, 99)])
        await asyncio.to_thread(writer.abort)
        windows = [metric(settings, 0, 1, "a"), metric(settings, 1, 1, "b")]
        await write(writer, *windows, alarm(settings, 1), finding(settings, 1))
        expected = ["alert-1", "insight-1", ("a", 1), ("b", 1)]
        for client in clients:
            assert sorted(map(str, seen(await told(client, 4)))) == sorted(map(str, expected))
        last_id = clients[0].id
        for client in clients:
            client.close()

        await write(writer, alarm(settings, 2), metric(settings, 0, 2, "a"), finding(settings, 2))
        await until(lambda: all(feed.place.alerts[0] == 6 for feed in (one, other)))
        await until(lambda: all(feed.place.insights[0] == 4 for feed in (one, other)))
        back = other.subscribe("shop", ALL, last_id)
        since = ["alert-2", "insight-2", ("a", 2)]
        assert seen(await told(back, 3)) == since
        assert back.take() == []

        # A process that starts now has the last minutes, too; they are no news.
        async with followed(settings) as third:
            assert third.subscribe("shop", ALL, None).take() == []
            assert seen(await told(third.subscribe("shop", ALL, last_id), 3)) == since
            from_the_start = seen(await told(third.subscribe("shop", ALL, begun), 6))
            assert sorted(map(str, from_the_start)) == sorted(
                map(str, ["alert-1", "alert-2", "insight-1", "insight-2", ("a", 2), ("b", 1)])
            )


async def test_topics_that_are_made_anew(settings: KafkaSettings, writer: Transactions) -> None:
    await write(writer, *(alarm(settings, number) for number in range(5)))
    async with followed(settings) as feed:
        client = feed.subscribe("shop", ALL, None)
        last_id = client.id
        admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
        name = settings.topic(ALERTS.name)
        await asyncio.to_thread(admin.delete_topics([name])[name].result, 60)
        await asyncio.to_thread(
            wait_until, lambda: name not in admin.list_topics(timeout=60).topics, "the topic is gone"
        )
        await asyncio.to_thread(TopicAdmin(settings, TOPICS).apply)
        new_writer = await asyncio.to_thread(
            Transactions, settings.kafka_bootstrap, f"{settings.topic_prefix}new"
        )
        await write(new_writer, alarm(settings, 7))
        (reset,) = await told(client, 1)
        assert (reset.kind, json.loads(reset.data)["reason"]) == ("reset", "started_anew")
        await until(lambda: feed.ready)
        await write(new_writer, alarm(settings, 8))
        found: list[Any] = []
        while "alert-8" not in found:
            found += seen(await told(client, 1))
        (reset,) = await told(feed.subscribe("shop", ALL, last_id), 1)
        assert json.loads(reset.data)["reason"] == "unknown_id"


async def test_it_goes_on_where_it_was_after_the_broker_was_away(
    settings: KafkaSettings, writer: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    away: list[bool] = [False]
    tries: list[object] = []
    follow = Reader.follow_all

    async def follow_or_fail(reader: Reader, starts: Mapping[tuple[str, int], int]) -> AsyncIterator[Any]:
        tries.append(starts)
        async for step in follow(reader, starts):
            if away[0]:
                raise KafkaConnectionError("away")
            yield step

    monkeypatch.setattr(Reader, "follow_all", follow_or_fail)
    monkeypatch.setattr(waiting, "RETRY_S", 0.05)
    async with followed(settings) as feed:
        client = feed.subscribe("shop", ALL, None)
        await write(writer, alarm(settings, 1))
        assert seen(await told(client, 1)) == ["alert-1"]
        with capture_logs() as logged:
            away[0] = True
            await write(writer, alarm(settings, 2), metric(settings, 1, 2))
            await until(lambda: len(tries) > 3)
        assert client.take() == []
        away[0] = False
        assert sorted(map(str, seen(await told(client, 2)))) == ["('', 2)", "alert-2"]
        assert client.take() == []
    assert [one["event"] for one in logged] == ["live_feed_not_followed"]

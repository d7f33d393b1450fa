"""Acknowledgement by a real broker, through the real client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
from confluent_kafka import Consumer, TopicPartition
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.delivery import Outgoing, deliver
from loopin_api.settings import ApiSettings
from loopin_deploy.kafka import LocalKafka
from loopin_producers import Loopin
from loopin_producers.channel import Done
from loopin_producers.errors import DeliveryFailed, QueueFull
from loopin_schemas import Event
from loopin_schemas.codec import decode
from loopin_sinks.store import Store
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin

if TYPE_CHECKING:
    from tests.api.conftest import Bearer

PARTITIONS = 2

RECORDS = [Outgoing(b"shop:user-1", b"{}"), Outgoing(b"shop:user-1", b"{}")]


async def test_tracked_events_of_all_projects_are_on_the_topic_once_answered(
    kafka: LocalKafka, topic_prefix: str, settings: ApiSettings, store: Store, bearer: Bearer
) -> None:
    where = KafkaSettings(kafka_bootstrap=kafka.bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS)
    await asyncio.to_thread(TopicAdmin(where).apply)
    answered = set()
    with Loopin(kafka.bootstrap, "api", topic_prefix=topic_prefix, disabled=False) as publisher:
        app = create_app(settings, store, publisher)
        for project in ("shop", "rival"):
            response = await _track(app, bearer("ingest", project=project))
            assert response.status_code == 200, response.text
            answered.add((project, response.json()["data"]["uuid"]))
    published = await asyncio.to_thread(_published, kafka.bootstrap, where.topic("events.raw"), 2)
    assert {(event.project, event.uuid) for event in published} == answered


async def test_without_a_broker_the_answer_is_503(
    settings: ApiSettings, store: Store, bearer: Bearer
) -> None:
    # Neither the record nor the request waits for its own timeout.
    settings.publish_timeout_s = 10_000
    publisher = Loopin("127.0.0.1:1", "api", disabled=False)
    response = await _track(create_app(settings, store, publisher), bearer("ingest"))
    assert publisher.broker_is_down
    await asyncio.to_thread(publisher.shutdown, 0)
    assert (response.status_code, response.json()["error_code"]) == (503, "NOT_ACKNOWLEDGED")


class Late:
    """Keeps the callbacks for later; has room for so many records."""

    def __init__(self, room: int = 10) -> None:
        self.room = room
        self.waiting: list[Done] = []
        self.asked = asyncio.Event()
        self.broker_is_down = False

    def publish_record(
        self, key: bytes | None, value: bytes, done: Done, *, topic: str | None = None
    ) -> None:
        self.asked.set()
        if len(self.waiting) == self.room:
            raise QueueFull("The queue is full.")
        self.waiting.append(done)


async def test_an_acknowledgement_after_the_answer_does_no_harm() -> None:
    publisher = Late()
    assert await deliver(publisher, RECORDS, 0.01) == [False, False]
    for done in publisher.waiting:
        done(None, 0, 0)
    await asyncio.sleep(0)


def test_an_acknowledgement_after_the_loop_has_closed_does_no_harm() -> None:
    publisher = Late()
    assert asyncio.run(deliver(publisher, RECORDS, 0.01)) == [False, False]
    for done in publisher.waiting:
        done(None, 0, 0)


async def test_each_record_is_answered_for_by_itself() -> None:
    publisher = Late()
    delivery = asyncio.create_task(deliver(publisher, RECORDS, 60))
    await publisher.asked.wait()
    # From other threads, as the client does, and in any order.
    await asyncio.to_thread(publisher.waiting[1], DeliveryFailed("Refused.", kafka_error="_TRANSPORT"), 0, 0)
    await asyncio.to_thread(publisher.waiting[0], None, 0, 0)
    assert await delivery == [True, False]


async def test_nobody_waits_once_it_has_become_hopeless() -> None:
    publisher = Late()
    gone = asyncio.Event()
    delivery = asyncio.create_task(deliver(publisher, RECORDS, 10_000, gone.is_set))
    await publisher.asked.wait()
    publisher.waiting[0](None, 0, 0)
    gone.set()
    assert await delivery == [True, False]


async def test_a_full_queue_ends_the_delivery_where_it_is() -> None:
    publisher = Late(room=1)
    delivery = asyncio.create_task(deliver(publisher, RECORDS, 60))
    await publisher.asked.wait()
    publisher.waiting[0](None, 0, 0)
    assert await delivery == [True, False]


async def _track(app: FastAPI, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        body = {"event_name": "click", "user_id": "user-1"}
        return await client.post("/api/analytics/events/track", json=body, headers=headers)


def _published(bootstrap: str, topic: str, count: int) -> list[Event]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused"})
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        return [decode(record.value(), Event) for record in consumer.consume(count, 120)]
    finally:
        consumer.close()

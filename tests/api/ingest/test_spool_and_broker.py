"""The API's spool over a real broker that goes and comes back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from loopin_deploy.roles.components import kafka_client, spool
from loopin_producers.reserve import Reserve
from loopin_sinks.store import Store
from loopin_streams.kafka.settings import KafkaSettings

pytestmark = pytest.mark.scenario

TOPIC = "loopin.events.raw"
KEY = {"Authorization": "Bearer lk_write"}
USERS = 10
START_S = 300.0
WAIT_S = 300.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalKafka]:
    made = LocalKafka(tmp_path / "kafka", port=free_port())
    made.start(START_S)
    admin = AdminClient({"bootstrap.servers": made.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result(60)
    yield made
    made.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def read(bootstrap: str, expected: int) -> dict[str, list[int]]:
    """By user, the first of each event on the topic, in order; up to ``expected`` different ones."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused"})
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(2)])
    seen: dict[str, tuple[str, int]] = {}
    deadline = time.monotonic() + WAIT_S
    while len(seen) < expected and time.monotonic() < deadline:
        for record in consumer.consume(1_000, 0.2):
            body = json.loads(record.value() or b"")
            seen.setdefault(body["uuid"], (body["distinct_id"], body["properties"]["n"]))
    consumer.close()
    found: dict[str, list[int]] = {}
    for user, number in seen.values():
        found.setdefault(user, []).append(number)
    return found


async def send(client: httpx.AsyncClient, first: int, count: int) -> set[str]:
    """Send numbered events, ten a request; the codes of their receipts."""
    codes: set[str] = set()
    for number in range(first, first + count, 10):
        events = [
            {"event": "click", "distinct_id": f"user-{n % USERS}", "properties": {"n": n}}
            for n in range(number, number + 10)
        ]
        answer = await client.post("/api/analytics/events/batch", json={"events": events}, headers=KEY)
        assert answer.status_code == 200, answer.text
        receipts = answer.json()["data"]["receipts"]
        assert {one["result"] for one in receipts} <= {"ok", "warning"}
        codes |= {one["code"] or "ok" for one in receipts}
    return codes


@contextmanager
def serving(
    settings: ApiSettings, kafka: KafkaSettings, store: Store
) -> Iterator[tuple[httpx.AsyncClient, Reserve]]:
    """The application over the broker, as the roles make it."""
    with kafka_client(kafka, settings.publish_timeout_s) as publisher, spool(kafka, settings) as reserve:
        assert reserve is not None
        transport = httpx.ASGITransport(create_app(settings, store, publisher, reserve=reserve))
        yield httpx.AsyncClient(transport=transport, base_url="http://api"), reserve


async def test_what_was_accepted_arrives_once_and_in_order(
    broker: LocalKafka, settings: ApiSettings, untouched_store: Store, tmp_path: Path
) -> None:
    settings = settings.model_copy(
        update={
            "ingest_spool_dir": tmp_path / "spool",
            "ingest_spool_bytes": 1 << 24,
            # Waited out once each time the broker goes.
            "publish_timeout_s": 5.0,
        }
    )
    kafka = KafkaSettings.model_validate({"kafka_bootstrap": broker.bootstrap})
    with serving(settings, kafka, untouched_store) as (client, reserve):
        assert await send(client, 0, 100) == {"ok"}
        broker.stop()
        assert await send(client, 100, 500) == {"spooled"}
        assert reserve.waiting == 500
        broker.start(START_S)
        until(lambda: reserve.empty)
        codes = await send(client, 600, 100)
        until(lambda: reserve.empty)
        assert codes <= {"ok", "spooled"}
        broker.stop()
        assert await send(client, 700, 100) == {"spooled"}
    broker.start(START_S)
    with serving(settings, kafka, untouched_store) as (client, reserve):
        # What the process before kept is the next one's to deliver.
        await send(client, 800, 50)
        until(lambda: reserve.empty)
        assert read(broker.bootstrap, 850) == {
            f"user-{user}": list(range(user, 850, USERS)) for user in range(USERS)
        }

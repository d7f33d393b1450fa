"""Events whose append times lie hours back: what a broker would show after downtime."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from tests.streams.installation import Installation
from tests.streams.rebuild.damage import admin

MINUTE = 60_000
HOUR = 60 * MINUTE


def now_ms() -> int:
    return int(time.time() * 1000)


def date_by_clients(installation: Installation) -> None:
    """From now on the raw topic takes the producer's time for the append time."""
    entry = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(
        ConfigResource.Type.TOPIC, installation.settings.topic("events.raw"), incremental_configs=[entry]
    )
    client = admin(installation)
    client.incremental_alter_configs([resource])[resource].result(20)


def publish_dated(installation: Installation, bodies: Iterable[tuple[int, str, bytes]]) -> None:
    """Publish (append time, user, body) in order."""
    producer = Producer(
        {
            "bootstrap.servers": installation.settings.kafka_bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
        }
    )
    for at, user, body in bodies:
        producer.produce(installation.settings.topic("events.raw"), body, key=f"demo:{user}", timestamp=at)
    assert producer.flush(20) == 0

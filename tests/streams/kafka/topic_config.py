"""Settings of topics."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from loopin_streams.kafka.settings import KafkaSettings
from tests.streams.installation import wait_until


def set_config(settings: KafkaSettings, topic: str, name: str, value: str) -> None:
    """Set one setting of a topic, and wait until the broker shows it."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, settings.topic(topic), incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    client.incremental_alter_configs([resource])[resource].result(60)
    asked = ConfigResource(ConfigResource.Type.TOPIC, settings.topic(topic))

    def shown() -> bool:
        return bool(client.describe_configs([asked])[asked].result(60)[name].value == value)

    wait_until(shown, f"{name} is {value}")

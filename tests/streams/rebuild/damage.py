"""What is done to an installation's topics behind the workers' back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.streams.installation import Installation, wait_until


def admin(installation: Installation) -> AdminClient:
    return AdminClient({"bootstrap.servers": installation.settings.kafka_bootstrap, "log_level": 0})


def delete(installation: Installation, *topics: str) -> None:
    """Delete topics."""
    client = admin(installation)
    for future in client.delete_topics([installation.settings.topic(topic) for topic in topics]).values():
        future.result(20)


def recreate(installation: Installation, *topics: str) -> None:
    """Delete topics, and create them again, empty."""
    delete(installation, *topics)
    topic_admin = TopicAdmin(installation.settings)
    wait_until(lambda: not topic_admin.describe().keys() & set(topics), "the topics are gone")
    topic_admin.apply()


def delete_records(installation: Installation, topic: str, before: Sequence[int]) -> None:
    """Let the log of each partition start at an offset, as its retention would."""
    name = installation.settings.topic(topic)
    partitions = [TopicPartition(name, number, offset) for number, offset in enumerate(before)]
    client = admin(installation)
    for future in client.delete_records(partitions).values():
        future.result(20)


def add_partitions(installation: Installation, topics: Iterable[str], number: int) -> None:
    """Give topics this many partitions, without a word to the settings."""
    wanted = [NewPartitions(installation.settings.topic(topic), number) for topic in topics]
    client = admin(installation)
    for future in client.create_partitions(wanted).values():
        future.result(20)


def write(
    installation: Installation, topic: str, partition: int, key: bytes | None, value: bytes | None
) -> None:
    """A record by somebody who is no worker."""
    producer = Producer({"bootstrap.servers": installation.settings.kafka_bootstrap})
    producer.produce(installation.settings.topic(topic), value, key=key, partition=partition)
    assert producer.flush(60) == 0

"""Topics of a test's own."""

from __future__ import annotations

import uuid

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from tests.streams.installation import wait_until


def new_topic(bootstrap: str, prefix: str, partitions: int) -> str:
    """Make a topic whose records carry their producer's time, and wait until its partitions have leaders."""
    name = f"{prefix}{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # However old a test says that its records are, they stay.
    topic = NewTopic(name, partitions, 1, config={"retention.ms": "-1"})
    admin.create_topics([topic])[name].result(60)
    every = [TopicPartition(name, number) for number in range(partitions)]

    def led() -> bool:
        try:
            for found in admin.list_offsets(dict.fromkeys(every, OffsetSpec.latest())).values():
                found.result(60)
        except KafkaException:
            return False
        return True

    wait_until(led, f"the partitions of {name} have leaders")
    return name

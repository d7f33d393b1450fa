"""How far a consumer group is behind its topic."""

from __future__ import annotations

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

TIMEOUT_S = 5.0


def group_lag(admin: AdminClient, group: str, topic: str, partitions: int) -> int | None:
    """Offsets of ``topic`` that ``group`` has not committed yet; None when the broker does not say.

    Blocks for up to 10 s. It counts transaction markers too, and for a stateful job the committed offset is
    a hint that may be a second old.
    """
    every = [TopicPartition(topic, partition) for partition in range(partitions)]
    try:
        asked = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_S
        )
        committed = {
            at.partition: at.offset
            for at in asked[group].result(TIMEOUT_S).topic_partitions
            if at.topic == topic
        }
        ends = admin.list_offsets(
            {at: OffsetSpec.latest() for at in every},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=TIMEOUT_S,
        )
        behind = (
            max(0, future.result(TIMEOUT_S).offset - max(0, committed.get(at.partition, 0)))
            for at, future in ends.items()
        )
        return int(sum(behind))
    except (KafkaException, TimeoutError):
        return None

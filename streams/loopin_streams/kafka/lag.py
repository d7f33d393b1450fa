"""How far a consumer group is behind its topic."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

TIMEOUT_S = 5.0


class Lag(NamedTuple):
    """Offsets committed, and offsets still to come, summed over the partitions."""

    committed: int
    behind: int


class Stall:
    """Tells a group that is behind and does not move from one that works its backlog off.

    Args:
        limit_s: seconds without a commit after which a group that is behind counts as stalled.
        clock: seconds that only grow.
    """

    def __init__(self, limit_s: float = 30.0, clock: Callable[[], float] = monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._committed: int | None = None
        self._moved_at = clock()

    def stalled(self, lag: Lag) -> bool:
        """Note what the group has done by now; whether it has stalled."""
        if lag.behind == 0 or lag.committed != self._committed:
            self._committed, self._moved_at = lag.committed, self._clock()
        return self._clock() - self._moved_at > self._limit_s


def group_lag(admin: AdminClient, group: str, topic: str, partitions: int) -> Lag | None:
    """How far ``group`` has come on ``topic``; None when the broker does not say.

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
        done = {at.partition: max(0, committed.get(at.partition, 0)) for at in every}
        behind = (max(0, future.result(TIMEOUT_S).offset - done[at.partition]) for at, future in ends.items())
        return Lag(sum(done.values()), int(sum(behind)))
    except (KafkaException, TimeoutError):
        return None

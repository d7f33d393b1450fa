"""How far the system has come, by a plain reading of its topics and its groups' committed offsets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

TIMEOUT_S = 5.0
READ_S = 60.0
POLL_S = 0.05
QUIET_LOG = {"log_level": 0}


class Follower:
    """Reads what is committed on a topic, from its start on, without a group."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self.topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # Records are sent at once; an empty answer tells where the end is.
                "fetch.wait.max.ms": 200,
                "reconnect.backoff.max.ms": 500,
                **QUIET_LOG,
            }
        )
        self._not_ended = set(range(partitions))
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])

    def new(self) -> Iterator[Message]:
        """Committed records since the last call; the first one goes to the end of each partition.

        Later calls may miss what the broker has just got.

        Raises:
            TimeoutError: the first one did not come to an end.
        """
        deadline = time.monotonic() + READ_S
        while True:
            found = self._consumer.consume(10_000, POLL_S)
            for message in found:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._not_ended.discard(message.partition())
            if not found and not self._not_ended:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.topic} has no readable end")

    def close(self) -> None:
        self._consumer.close()


def read_topic(bootstrap: str, topic: str, partitions: int) -> list[Message]:
    """Every committed record of a topic, each partition in the order of offsets."""
    follower = Follower(bootstrap, topic, partitions)
    try:
        found = list(follower.new())
    finally:
        follower.close()
    return sorted(found, key=lambda message: (message.partition() or 0, message.offset() or 0))


class _Ends:
    """Offsets after the last record of each partition of a topic, and how many records that are."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self.records = 0
        self._follower = Follower(bootstrap, topic, partitions)
        self._found = [0] * partitions

    def now(self) -> list[int]:
        for message in self._follower.new():
            self.records += 1
            self._found[message.partition()] = message.offset() + 1
        return list(self._found)

    def close(self) -> None:
        self._follower.close()


class _Group:
    """What a group has committed on a topic.

    Asked as a member would, but without joining: librdkafka's ListConsumerGroupOffsets ends the whole process
    where the broker goes away during the request (confluentinc/librdkafka#4605).
    """

    def __init__(self, bootstrap: str, group: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, **QUIET_LOG})
        self._partitions = [TopicPartition(topic, partition) for partition in range(partitions)]

    def committed(self) -> list[int]:
        """Committed offsets, 0 where there is none; all 0 while the broker is away."""
        try:
            return [max(0, at.offset) for at in self._consumer.committed(self._partitions, TIMEOUT_S)]
        except KafkaException:
            return [0] * len(self._partitions)

    def close(self) -> None:
        self._consumer.close()


class Progress:
    """Positions of workers and sinks, by partition."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int) -> None:
        self._sink = _Group(bootstrap, f"{prefix}clickhouse", f"{prefix}events.enriched", partitions)
        self._metric_sink = _Group(bootstrap, f"{prefix}clickhouse-metrics", f"{prefix}metrics", partitions)
        self._state = Follower(bootstrap, f"{prefix}enrich.state", partitions)
        self._enriched = _Ends(bootstrap, f"{prefix}events.enriched", partitions)
        self._metrics = _Ends(bootstrap, f"{prefix}metrics", partitions)
        self._absorbed = [0] * partitions
        self._links = _Ends(bootstrap, f"{prefix}identity.links", 1)
        self._identity = Follower(bootstrap, f"{prefix}identity.state", 1)
        self._decided = 0
        self._decisions = _Ends(bootstrap, f"{prefix}person.merges", 1)
        self._person_sink = _Group(bootstrap, f"{prefix}clickhouse-persons", f"{prefix}person.merges", 1)

    def absorbed(self) -> list[int]:
        """Offsets of ``events.raw`` up to which the workers have committed."""
        for message in self._state.new():
            if message.key() == b"m":
                self._absorbed[message.partition()] = as_object(message)["position"]
        return list(self._absorbed)

    def enriched_ends(self) -> list[int]:
        """Offsets after the last record of each partition of ``events.enriched``."""
        return self._enriched.now()

    @property
    def enriched(self) -> int:
        """How many events are enriched, as of the last look at the ends."""
        return self._enriched.records

    def metrics_ends(self) -> list[int]:
        """Offsets after the last record of each partition of ``metrics``."""
        return self._metrics.now()

    def stored(self) -> list[int]:
        """Offsets of ``events.enriched`` up to which the sink says that it has stored.

        A note of a range under way counts as its beginning.
        """
        return self._sink.committed()

    def metrics_stored(self) -> list[int]:
        """Offsets of ``metrics`` up to which the sink says that it has stored."""
        return self._metric_sink.committed()

    def requests(self) -> int:
        """How many requests to join persons there are."""
        self._links.now()
        return self._links.records

    def links_ends(self) -> list[int]:
        """Offset after the last request."""
        return self._links.now()

    def decided(self) -> list[int]:
        """Offset of ``identity.links`` up to which a worker has committed."""
        for message in self._identity.new():
            if message.key() == b"m":
                self._decided = as_object(message)["position"]
        return [self._decided]

    def decisions(self) -> int:
        """How many of them were granted or refused."""
        self._decisions.now()
        return self._decisions.records

    def persons_stored(self) -> bool:
        """Whether the sink says that it has stored all decisions."""
        return reached(self._person_sink.committed(), self._decisions.now())

    def close(self) -> None:
        for each in (
            *(self._state, self._enriched, self._metrics, self._sink, self._metric_sink),
            *(self._links, self._identity, self._decisions, self._person_sink),
        ):
            each.close()


def reached(positions: list[int], ends: list[int]) -> bool:
    """Whether every partition has come to its end."""
    return all(position >= end for position, end in zip(positions, ends, strict=True))


def as_object(message: Any) -> dict[str, Any]:
    """A record's JSON object."""
    found: dict[str, Any] = json.loads(message.value())
    return found

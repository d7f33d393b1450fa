"""Asking the broker, on a slow timer, where logs end and what comes next after a position."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable
from loopin_streams.kafka.progress import committed_offsets
from loopin_streams.kafka.topic_admin import UNREACHABLE

T = TypeVar("T")

At = tuple[str, int]
"""Full name of a topic, and a partition."""

TIMEOUT_S = 15.0

_POLL_S = 0.1

EARLIEST, LATEST = -2, -1
"""What Kafka's ListOffsets takes for a time to mean the first offset, and the one after the last record."""

PASSING = (
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)
"""Answers of a broker that has just started, or that a topic has just come to or gone from."""


class Dated(NamedTuple):
    """A record, and when it was appended (epoch ms)."""

    offset: int
    appended_ms: int
    value: bytes


class Logs:
    """Questions about committed records; those to librdkafka are asked in a thread of its own, one at a time.

    They are independent of the consumer that is watched, so they are answered also when that one hangs.
    Every method raises :class:`BrokerUnreachable` when no answer comes within about 15 s, and
    :class:`BrokerRefused` for another answer.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: Consumer | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lag")

    async def ends(self, partitions: Iterable[At]) -> dict[At, int]:
        """For each partition the offset after its last committed record, transaction markers included."""
        wanted = list(partitions)
        return await self._ask(lambda: self._offsets(wanted, LATEST))

    async def starts(self, partitions: Iterable[At]) -> dict[At, int]:
        """For each partition its first offset that is kept."""
        wanted = list(partitions)
        return await self._ask(lambda: self._offsets(wanted, EARLIEST))

    async def next_records(self, positions: Mapping[At, int]) -> dict[At, Dated | None]:
        """For each partition its first record from the position on; None where there is none."""
        return await self._ask(lambda: self._next_records(positions))

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """What a consumer group has committed, by partition."""
        return await committed_offsets(self._bootstrap, group, topic)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return await self._ask(lambda: self._count(topic))

    def close(self) -> None:
        """Let the connections go, once a question that is under way has its answer."""
        self._thread.submit(self._forget)
        self._thread.shutdown(wait=False)

    async def _ask(self, question: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._patiently, question)
        except TimeoutError as error:
            raise self._unreachable() from error
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() in UNREACHABLE:
                raise self._unreachable() from error
            raise BrokerRefused(f"The Kafka broker refused: {cause.str()}.") from error

    def _unreachable(self) -> BrokerUnreachable:
        return BrokerUnreachable(
            f"No Kafka broker answers at {self._bootstrap}: start it, or check LOOPIN_KAFKA_BOOTSTRAP."
        )

    def _offsets(self, wanted: list[At], where: int) -> dict[At, int]:
        """ListOffsets by its two special times.

        Not by the admin client's method: it waits for 3 s, again and again, until it knows the leaders.
        """
        if not wanted:
            return {}
        asked = [TopicPartition(*at, where) for at in wanted]
        found = self._own_consumer().offsets_for_times(asked, timeout=TIMEOUT_S)
        for at in found:
            if at.error is not None:
                raise KafkaException(at.error)
        return {(at.topic, at.partition): at.offset for at in found}

    def _count(self, topic: str) -> int:
        found = self._own_consumer().list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return len(found.partitions)

    def _next_records(self, positions: Mapping[At, int]) -> dict[At, Dated | None]:
        if not positions:
            return {}
        consumer = self._own_consumer()
        found: dict[At, Dated | None] = {}
        deadline = monotonic() + TIMEOUT_S
        consumer.assign([TopicPartition(*at, offset) for at, offset in positions.items()])
        try:
            while len(found) < len(positions):
                if monotonic() > deadline:
                    raise TimeoutError
                message = consumer.poll(_POLL_S)
                if message is None:
                    continue
                at = message.topic(), message.partition()
                if at not in found:
                    found[at] = _dated(message)
                    # What was answered must not be fetched on while others are waited for.
                    consumer.incremental_unassign([TopicPartition(*at)])
        finally:
            consumer.unassign()
        return found

    def _own_consumer(self) -> Consumer:
        self._consumer = self._consumer or self._new_consumer()
        return self._consumer

    def _new_consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                # Required by the library; nothing is committed and nobody joins.
                "group.id": "unused",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                # One record is wanted: the broker then sends the one batch that holds it.
                "fetch.message.max.bytes": 1024,
                "fetch.wait.max.ms": 50,
                "queued.min.messages": 1,
                "fetch.queue.backoff.ms": 5,
                "log_level": 0,
            }
        )

    def _patiently(self, question: Callable[[], T]) -> T:
        """Ask again while the answer is one that passes."""
        deadline = monotonic() + TIMEOUT_S
        while True:
            try:
                return question()
            except (KafkaException, TimeoutError) as error:
                # A client that knows an old leader of a partition never asks for the new one by itself.
                self._forget()
                passing = isinstance(error, KafkaException) and error.args[0].code() in PASSING
                if not passing or monotonic() > deadline:
                    raise
                sleep(_POLL_S)

    def _forget(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = None


def _dated(message: Message) -> Dated | None:
    """A record; None for the news that there is none."""
    error = message.error()
    if error is None:
        return Dated(message.offset(), message.timestamp()[1], message.value() or b"")
    if error.code() == KafkaError._PARTITION_EOF:
        return None
    raise KafkaException(error)

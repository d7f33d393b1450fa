"""Transactions of a plain client, which have ended in every partition once these functions return.

A client's commit returns before the notes that end the transaction are in the logs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import pytest
from confluent_kafka import IsolationLevel, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

TIMEOUT_S = 60.0

Open = dict[tuple[str, int], int]
"""The last offset that a transaction has written, by topic and partition."""


class Out(NamedTuple):
    """A record to write."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class Transactions:
    """One writer; a second with the same name shuts this one out."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name})
        self._producer.init_transactions(TIMEOUT_S)
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._open: Open = {}

    def begin(self, records: Iterable[Out]) -> None:
        """Write the records, and leave the transaction open."""
        written: Open = {}

        def delivered(error: KafkaError | None, message: Message) -> None:
            assert error is None
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            written[topic, partition] = max(offset, written.get((topic, partition), -1))

        self._producer.begin_transaction()
        for topic, partition, key, value in records:
            self._producer.produce(topic, value, key, partition, on_delivery=delivered)
            self._producer.poll(0)
        assert self._producer.flush(TIMEOUT_S) == 0
        self._open = written

    def commit(self) -> None:
        self._producer.commit_transaction(TIMEOUT_S)
        self._wait_for_the_end()

    def abort(self) -> None:
        self._producer.abort_transaction(TIMEOUT_S)
        self._wait_for_the_end()

    def write(self, records: Iterable[Out]) -> None:
        """One transaction, committed."""
        self.begin(records)
        self.commit()

    def _wait_for_the_end(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while any(self._readable_up_to(*at) < last + 2 for at, last in self._open.items()):
            if time.monotonic() > deadline:
                pytest.fail("a transaction does not end")
            time.sleep(0.005)

    def _readable_up_to(self, topic: str, partition: int) -> int:
        at = TopicPartition(topic, partition)
        asked = self._admin.list_offsets(
            {at: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED
        )
        return int(asked[at].result(TIMEOUT_S).offset)

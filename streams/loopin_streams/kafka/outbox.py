"""One transactional producer of one input partition: publish a batch's output and its marker, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    InvalidTxnState,
    KafkaError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.settings import KafkaSettings

MAX_BATCH_BYTES = 900_000
"""Below the broker's default limit of 1 MB a batch, before compression."""

NOTHING: list[Message] = [(b"-", b"")]
"""A record that is aborted."""

_FENCING = (ProducerFenced, InvalidProducerEpoch, InvalidTxnState, OutOfOrderSequenceNumber)

Probe = Callable[[str], None]
"""Called with the name of each point that is passed; tests stop the process there.

``sent:TOPIC`` is passed when the broker has acknowledged a batch.
"""


def no_probe(point: str) -> None:
    """The probe of production: does nothing."""


def transactional_id(settings: KafkaSettings, job: str, partition: int) -> str:
    """The id that belongs to whoever works for a job on an input partition."""
    return f"{settings.topic_prefix}{job}-{partition}"


class Outbox:
    """Transactions of one ``transactional.id``.

    Starting it fences every earlier producer of that id and aborts what it left open.
    """

    def __init__(
        self,
        bootstrap: str,
        transactional_id: str,
        *,
        transaction_timeout_ms: int = 15_000,
        probe: Probe = no_probe,
    ) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=transactional_id,
            transaction_timeout_ms=transaction_timeout_ms,
            request_timeout_ms=transaction_timeout_ms,
            compression_type="zstd",
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES * 2,
            linger_ms=0,
        )
        self.probe = probe

    async def start(self) -> None:
        """Connect and fence the former owner; returns once its open transaction is gone."""
        await self._producer.start()
        # An empty transaction waits for the producer id, which the coordinator hands out only when the
        # former owner's transaction has been aborted.
        await self._producer.begin_transaction()
        await self._producer.abort_transaction()

    async def stop(self) -> None:
        """Disconnect; an open transaction is left to the next owner, who aborts it."""
        try:
            await self._producer.stop()
        except KafkaError:
            # Fenced with a request under way: aiokafka raises that here, and leaves its connections open.
            await self._producer.client.close()

    async def commit(self, messages: Iterable[tuple[str, int, list[Message]]]) -> None:
        """Publish all (topic, partition, records) in one transaction.

        Everything is encoded before the transaction begins, because an open one blocks the readers.

        Raises:
            Fenced: another producer has taken the id over, or the broker gave up the transaction.
            KafkaError: the broker refused or did not answer; nothing was committed, or it is unknown.
        """
        encoded = [
            (topic, partition, batch)
            for topic, partition, records in messages
            for batch in self._batches(records)
        ]
        try:
            await self._producer.begin_transaction()
            self.probe("begun")
            await self._send(encoded)
            self.probe("before_commit")
            await self._producer.commit_transaction()
            self.probe("after_commit")
        except _FENCING as error:
            raise Fenced(
                f"another worker has taken over, or the broker gave up the transaction ({error})"
            ) from error

    async def abort_in(self, places: Iterable[tuple[str, int]]) -> None:
        """Abort what this id has open in the (topic, partition)s, also what the coordinator has forgotten.

        Raises:
            KafkaError: the broker refused or did not answer.
        """
        await self._producer.begin_transaction()
        # A partition hears of the end only if the transaction has written there.
        await self._send(
            [(topic, partition, batch) for topic, partition in places for batch in self._batches(NOTHING)]
        )
        await self._producer.abort_transaction()

    async def commit_in(self, places: Iterable[tuple[str, int]]) -> None:
        """Commit what this id has open in the (topic, partition)s, also what the coordinator has forgotten.

        Raises:
            KafkaError: the broker refused or did not answer.
        """
        await self._producer.begin_transaction()
        for topic, partition in places:
            # A partition hears of the end if it was announced; aiokafka announces those it sends to, and what
            # is sent here would count.
            self._producer._txn_manager.maybe_add_partition_to_txn(TopicPartition(topic, partition))
        await self._producer.commit_transaction()

    async def abort(self) -> None:
        """Give up an open transaction, where the broker can still be told."""
        try:
            await self._producer.abort_transaction()
        except (KafkaError, AssertionError):
            # Nothing open, or fenced: the broker aborts it at the next owner's start.
            return

    async def _send(self, encoded: list[tuple[str, int, object]]) -> None:
        waiting: list[asyncio.Future[object]] = []
        try:
            for topic, partition, batch in encoded:
                sent = await self._producer.send_batch(batch, topic, partition=partition)
                sent.add_done_callback(partial(self._acknowledged, topic))
                waiting.append(sent)
        except IllegalOperation:
            # What was sent before has been refused meanwhile, which ended the transaction; it says why.
            await asyncio.gather(*waiting)
            raise
        await asyncio.gather(*waiting)

    def _acknowledged(self, topic: str, sent: asyncio.Future[object]) -> None:
        if not sent.cancelled() and sent.exception() is None:
            self.probe(f"sent:{topic}")

    def _batches(self, records: list[Message]) -> Iterable[object]:
        batch = self._producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                batch.close()
                yield batch
                batch = self._producer.create_batch()
                # The first record is always taken; the broker refuses one that is too large.
                batch.append(key=key, value=value, timestamp=None)
        if batch.record_count():
            batch.close()
            yield batch

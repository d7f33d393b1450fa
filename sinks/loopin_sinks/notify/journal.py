"""The topic ``notifications``: the log of deliveries, and the memory of which need no repetition."""

from __future__ import annotations

import asyncio

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from loopin_schemas.alert import Alert
from loopin_schemas.codec import decode, encode
from loopin_schemas.notification import Notification
from loopin_schemas.topics import NOTIFICATIONS
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

RETRY_S = 1.0


class Journal:
    """Appends to the topic, and knows what is on it since :meth:`read`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._bootstrap = settings.kafka_bootstrap
        self._topic = settings.topic(NOTIFICATIONS.name)
        self._done: set[tuple[str, str, int]] = set()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap, enable_idempotence=True, acks="all"
        )

    async def start(self) -> None:
        """Connect.

        Raises:
            KafkaError: no broker answers.
        """
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise

    async def stop(self) -> None:
        """Disconnect."""
        await self._producer.stop()

    async def read(self) -> None:
        """Take in what others have written meanwhile.

        Raises:
            KafkaError: the broker does not answer.
        """
        self._done = {
            (one.channel, one.alert, one.sequence) for one in await read_journal(self._bootstrap, self._topic)
        }

    def knows(self, channel: str, alert: Alert) -> bool:
        """Whether a channel is done with the record."""
        return (channel, alert.id, alert.sequence) in self._done

    async def append(self, notification: Notification) -> None:
        """Write, however long the broker is away: what is not written down would be told again."""
        key = f"{notification.channel}:{notification.alert}".encode()
        said = ""
        while True:
            try:
                await self._producer.send_and_wait(self._topic, encode(notification), key, partition=0)
                break
            except KafkaError as error:
                reason = str(error) or type(error).__name__
                if reason != said:
                    log.warning("notification_not_noted", reason=reason)
                said = reason
            await asyncio.sleep(RETRY_S)
        self._done.add((notification.channel, notification.alert, notification.sequence))


async def read_journal(bootstrap: str, topic: str) -> list[Notification]:
    """Every notification on the topic, oldest first; what is of no release is left out.

    Raises:
        KafkaError: the broker does not answer.
    """
    found: list[Notification] = []
    async with Reader(bootstrap, [(topic, 0)]) as reader:
        async for block in reader.blocks(topic, 0):
            for record in block:
                try:
                    found.append(decode(record.value or b"", Notification))
                except (ValueError, RecursionError) as error:
                    log.error("record_unreadable", topic=topic, offset=record.offset, reason=str(error)[:200])
    return found

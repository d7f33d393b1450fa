"""From the topic ``alerts`` to the channels: at least once, and once as far as the journal goes.

A record's offset is committed when every channel is done with it; what a channel was told is written to the
journal first. So a notifier that takes over reads on from the oldest record that somebody still waits for,
and repeats to a channel only what it was told without its being written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic, time
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from loopin_schemas.alert import Alert
from loopin_schemas.codec import decode, version_of
from loopin_schemas.topics import ALERTS
from loopin_sinks.notify.channel import open_channel
from loopin_sinks.notify.channels_file import Channels
from loopin_sinks.notify.delivery import Delivery
from loopin_sinks.notify.journal import Journal
from loopin_sinks.notify.routing import channels_for
from loopin_sinks.notify.settings import NotifySettings
from loopin_sinks.notify.unsettled import Unsettled
from loopin_sinks.place import committed
from loopin_sinks.progress import Progress
from loopin_streams.kafka.batch import Record

log = structlog.get_logger(__name__)

GROUP: Final = "notify"
"""The consumer group, without the installation's prefix."""

FIRST_LOOK_MS: Final = 3_600_000
"""A notifier that has never been here tells of what happened up to so long ago, in ms."""

READABLE_VERSION: Final = 1
"""Newest format of an alert that this release reads."""

POLL_S: Final = 0.5
COMMIT_EVERY_S: Final = 1.0
RETRY_S: Final = 1.0

GRACE_S: Final = 5.0
"""For how long attempts that are under way are waited for at the end, in seconds."""


LOST: Final = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError, IllegalStateError)
"""What a commit raises for somebody who has lost the partition."""


class Notifier(ConsumerRebalanceListener):
    """Tells the channels of what is on the topic. Of several notifiers one works, the others stand by."""

    def __init__(self, settings: NotifySettings, channels: Channels, topic_id: str) -> None:
        """``topic_id`` is Kafka's id of the topic.

        Raises:
            NotifyError: ``channel_invalid`` or ``library_missing``.
        """
        tellers = {
            name: open_channel(name, channel, settings.notify_timeout_s)
            for name, channel in channels.channels.items()
        }
        self._settings = settings
        self._routes = channels.in_force
        self._topic_id = topic_id
        self._journal = Journal(settings)
        self._deliveries = {
            name: Delivery(
                name,
                teller,
                self._journal.append,
                retry_s=settings.notify_retry_s,
                most=settings.notify_waiting,
            )
            for name, teller in tellers.items()
        }
        self._at: TopicPartition | None = None
        self._unchecked = False
        self._joined = False
        self._unsettled = Unsettled(0)
        self._noted = 0
        self._refused: str | None = None
        self._consumer: AIOKafkaConsumer

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """The channels at work."""
        return tuple(self._deliveries.values())

    def opening(self) -> str | None:
        """One sentence until the group has said whether this notifier works or stands by."""
        return None if self._joined and not self._unchecked else "The topic alerts is not assigned yet."

    def refused(self) -> str | None:
        """One sentence where the topic waits for a newer release."""
        return self._refused

    async def positions(self) -> dict[int, int]:
        """The offset of the next alert to take, if this notifier works."""
        if self._at is None or self._unchecked:
            return {}
        with suppress(IllegalStateError):
            return {self._at.partition: int(await self._consumer.position(self._at))}
        return {}

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until ``stop`` is set; attempts under way then have ``GRACE_S`` to end."""
        await self._journal.start()
        telling = [asyncio.ensure_future(each.run(stop)) for each in self._deliveries.values()]
        try:
            await self._follow(stop, telling)
        finally:
            stop.set()
            _, late = await asyncio.wait(telling, timeout=GRACE_S)
            for task in late:
                task.cancel()
            ended = await asyncio.gather(*telling, return_exceptions=True)
            await self._leave()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Forget what waits: the next owner reads it again."""
        self._at, self._unchecked, self._unsettled = None, False, Unsettled(0)
        for delivery in self._deliveries.values():
            delivery.forget()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Reading goes on once it is known from where, and who was told already."""
        self._joined = True
        self._at = next(iter(assigned), None)
        self._unchecked = self._at is not None
        self._consumer.pause(*assigned)

    async def _follow(self, stop: asyncio.Event, telling: Sequence[asyncio.Future[None]]) -> None:
        self._consumer = self._new_consumer()
        await self._consumer.start()
        self._consumer.subscribe([self._settings.topic(ALERTS.name)], listener=self)
        committed_at = monotonic()
        while not stop.is_set() and not any(task.done() for task in telling):
            if self._unchecked:
                await self._go_on(stop)
            for at, records in (await self._consumer.getmany(timeout_ms=int(POLL_S * 1000))).items():
                await self._take(at, records)
            if monotonic() - committed_at >= COMMIT_EVERY_S:
                await self._commit()
                committed_at = monotonic()

    async def _leave(self) -> None:
        try:
            await self._commit()
        finally:
            await self._consumer.stop()
            await self._journal.stop()

    def _new_consumer(self) -> AIOKafkaConsumer:
        session_ms = int(self._settings.session_timeout_s * 1000)
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            group_id=self._settings.topic(GROUP),
            isolation_level="read_committed",
            enable_auto_commit=False,
            # What was removed before anybody was told of it is older than any message is worth.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=int(POLL_S * 1000),
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 4,
        )

    async def _go_on(self, stop: asyncio.Event) -> None:
        """Find out where to read on, and who was told already."""
        at = self._at
        try:
            await self._journal.read()
            if at is None or at != self._at:
                return
            place = await self._place(at)
            self._unsettled, self._noted = Unsettled(place), -1
            self._consumer.seek(at, place)
            self._consumer.resume(at)
            self._unchecked = False
        except IllegalStateError:
            # Given up meanwhile; looked at anew when it comes back.
            return
        except KafkaError as error:
            log.warning("alerts_not_followed", reason=str(error) or type(error).__name__)
            await _pause(stop)

    async def _place(self, at: TopicPartition) -> int:
        found = await committed(self._consumer, at)
        start = int((await self._consumer.beginning_offsets([at]))[at])
        end = int((await self._consumer.end_offsets([at]))[at])
        note = Progress.of(found.metadata) if found is not None else None
        if found is not None and note is not None and note.topic_id == self._topic_id and found.offset <= end:
            return max(start, int(found.offset))
        since_ms = int(time() * 1000) - FIRST_LOOK_MS
        first = (await self._consumer.offsets_for_times({at: since_ms}))[at]
        return end if first is None else int(first.offset)

    async def _take(self, at: TopicPartition, records: Sequence[Record]) -> None:
        unsettled = self._unsettled
        for record in records:
            if version_of(record.value or b"") > READABLE_VERSION:
                self._refuse(at, record)
                return
            await self._offer(record, unsettled)
            if unsettled is not self._unsettled:
                # Taken away meanwhile: what is left is the next owner's.
                return
            unsettled.position = record.offset + 1
        # Behind the last record there is its transaction's mark.
        with suppress(IllegalStateError):
            unsettled.position = max(unsettled.position, await self._consumer.position(at))

    async def _offer(self, record: Record, unsettled: Unsettled) -> None:
        try:
            alert = decode(record.value or b"", Alert)
        except (ValueError, RecursionError) as error:
            log.error("record_unreadable", topic="alerts", offset=record.offset, reason=str(error)[:200])
            return
        names = [name for name in channels_for(alert, self._routes) if not self._journal.knows(name, alert)]
        unsettled.add(record.offset, len(names))
        for name in names:
            if unsettled is self._unsettled:
                await self._deliveries[name].offer(alert, record.offset, unsettled)

    def _refuse(self, at: TopicPartition, record: Record) -> None:
        self._refused = (
            f"The topic {at.topic} was written by a newer version of this program, run that version here too."
        )
        log.error("partition_refused", partition=at.partition, code="state_version", reason=self._refused)
        self._consumer.seek(at, record.offset)
        self._consumer.pause(at)

    async def _commit(self) -> None:
        """Note how far everybody is done; whoever has lost the partition notes nothing."""
        at, offset = self._at, self._unsettled.committable
        if at is None or self._unchecked or offset == self._noted:
            return
        note = OffsetAndMetadata(offset, Progress(self._topic_id).text())
        try:
            await self._consumer.commit({at: note})
            self._noted = offset
        except LOST:
            return
        except KafkaError as error:
            log.warning("alerts_not_committed", reason=str(error) or type(error).__name__)


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(RETRY_S):
            await stop.wait()
    except TimeoutError:
        return
